package seeder_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/seeder"
)

// TestNamesThatTroubleSomeSystem checks that such names are published, and that all of them are reported.
func TestNamesThatTroubleSomeSystem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "release")
	// Every system can hold the last two: Persian and emoji are written with joiners.
	paths := []string{"Chapter 1: x.txt", "Vol. 1./a", "Who?", "aux.c", "line\nfeed", "plain", "readme", "README", "sub/con.txt", "👨\u200d👩\u200d👧.jpg", "می\u200cخواهم"}
	for _, p := range paths {
		mkfile(t, filepath.Join(dir, p), "x"+p)
	}
	var said []string
	b, err := seeder.Build(context.Background(), seeder.Options{Path: dir, Name: "Who?", Warn: func(s string) { said = append(said, s) }})
	if err != nil {
		t.Fatal(err)
	}
	if want := `1 name is not displayed as it is: "line\nfeed" (it contains the control character U+000A)`; len(said) != 1 || said[0] != want {
		t.Errorf("got %q, want %q", said, want)
	}
	if len(b.Torrent.Files) != len(paths) {
		t.Errorf("got %d files, want %d", len(b.Torrent.Files), len(paths))
	}
	reported := map[string]string{}
	for _, x := range b.Trouble {
		reported[x.Path] = x.Why
	}
	for path, why := range map[string]string{
		"Chapter 1: x.txt": "':'", "Vol. 1.": "dot", "Who?": "'?'", "aux.c": "AUX", "line\nfeed": "U+000A", "readme": `"README"`, "sub/con.txt": "CON",
	} {
		if !strings.Contains(reported[path], why) {
			t.Errorf("%q: got %q, want %q reported", path, reported[path], why)
		}
		delete(reported, path)
	}
	if len(reported) > 0 || len(b.Trouble) != 8 { // the folder and one file have the same name
		t.Errorf("also reported: %q; %d in all, want 8", reported, len(b.Trouble))
	}
	b, err = seeder.Build(context.Background(), seeder.Options{Path: dir, Portable: true, Exclude: []string{"*", "!plain", "!می*"}})
	if err != nil || len(b.Trouble) > 0 || len(b.Torrent.Files) != 2 {
		t.Errorf("got %v, %v for names that every system can hold", b, err)
	}
}
