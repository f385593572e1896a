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
	paths := []string{"Chapter 1: x.txt", "Vol. 1./a", "Who?", "aux.c", "line\nfeed", "plain", "readme", "README", "sub/con.txt", "می\u200cخواهم"}
	for _, p := range paths {
		mkfile(t, filepath.Join(dir, p), "x"+p)
	}
	b, err := seeder.Build(context.Background(), seeder.Options{Path: dir, Name: "Who?"})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Torrent.Files) != len(paths) {
		t.Errorf("got %d files, want %d", len(b.Torrent.Files), len(paths))
	}
	reported := map[string]string{}
	for _, x := range b.Trouble {
		reported[x.Path] = x.Why
	}
	for path, why := range map[string]string{
		"Chapter 1: x.txt": "':'", "Vol. 1.": "dot", "Who?": "'?'", "aux.c": "AUX", "line\nfeed": "U+000A", "readme": `"README"`, "sub/con.txt": "CON", "می\u200cخواهم": "U+200C",
	} {
		if !strings.Contains(reported[path], why) {
			t.Errorf("%q: got %q, want %q reported", path, reported[path], why)
		}
		delete(reported, path)
	}
	if len(reported) > 0 || len(b.Trouble) != 9 { // the folder and one file have the same name
		t.Errorf("also reported: %q; %d in all, want 9", reported, len(b.Trouble))
	}
	b, err = seeder.Build(context.Background(), seeder.Options{Path: dir, Portable: true, Exclude: []string{"*", "!plain"}})
	if err != nil || len(b.Trouble) > 0 {
		t.Errorf("got %v, %v for names that every system can hold", b, err)
	}
}
