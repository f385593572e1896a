package seeder_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/seeder"
)

// published returns the files that a build publishes, and those that it reports as skipped.
func published(t *testing.T, o seeder.Options) (files, skipped []string) {
	t.Helper()
	b := build(t, o)
	for i := range b.Torrent.Files {
		files = append(files, b.Torrent.FilePath(i))
	}
	for _, s := range b.Skipped {
		skipped = append(skipped, s.Path+": "+s.Reason)
	}
	return files, skipped
}

// TestOwnStateIsNotPublished covers the current home, another home, and the staging folder of a fetch.
func TestOwnStateIsNotPublished(t *testing.T) {
	top := t.TempDir()
	home := filepath.Join(top, ".local", "state", "p2pshare")
	mkfile(t, filepath.Join(top, "letter.txt"), "dear")
	mkfile(t, filepath.Join(home, "dht.json"), "{}")
	mkfile(t, filepath.Join(home, "groups", "g1", "owner.key"), "secret")
	for _, name := range []string{"group.json", "device.key", "keys.json", "roots/1.note"} {
		mkfile(t, filepath.Join(top, "old-home", "groups", "g2", filepath.FromSlash(name)), "secret")
	}
	mkfile(t, filepath.Join(top, "films", ".p2pshare", "0123", "data", "part"), "half")
	mkfile(t, filepath.Join(top, "films", "a.mkv"), "film")
	symlink(t, filepath.Join("..", ".local", "state", "p2pshare"), filepath.Join(top, "films", "link"))
	files, skipped := published(t, seeder.Options{Path: top, Own: []string{home}})
	if want := []string{"films/a.mkv", "letter.txt"}; !slices.Equal(files, want) {
		t.Errorf("published %q, want %q", files, want)
	}
	for _, what := range []string{".local/state/p2pshare: it belongs to a p2pshare home", "old-home/groups/g2: it belongs to a p2pshare home", "films/.p2pshare: it belongs to p2pshare", "films/link: it belongs to a p2pshare home"} {
		if !slices.ContainsFunc(skipped, func(s string) bool { return strings.HasPrefix(s, what) }) {
			t.Errorf("left out %q, want %q among it", skipped, what)
		}
	}
	for _, at := range []string{home, filepath.Join(home, "groups"), filepath.Join(home, "groups", "g1", "owner.key"), filepath.Join(top, "old-home", "groups", "g2"), filepath.Join(top, "old-home", "groups", "g2", "device.key"), filepath.Join(top, "films", "link")} {
		_, err := seeder.Build(t.Context(), seeder.Options{Path: at, Own: []string{home}})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "keys of your groups") {
			t.Errorf("%s: got %v, want it refused", at, err)
		}
	}
}

// TestSecretsAreReported checks that the warning comes before hashing, and that the files are published all the same.
func TestSecretsAreReported(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"a.txt", "keys.md", "monkey", "public.keyboard"}, ""},
		{[]string{".env"}, `".env" may contain secrets`},
		{[]string{"a/.ssh/id_rsa", "a/.ssh/id_rsa.pub", "b"}, `"a/.ssh/id_rsa" may contain`},
		{[]string{".aws/anything"}, `".aws/anything" may contain`},
		{[]string{"x/tls.key", "y.kdbx"}, `"x/tls.key" and "y.kdbx" may contain`},
		{[]string{"1.pem", "2.pem", "3.pem", "4.pem", "5.pem"}, `"1.pem", "2.pem", "3.pem" and 2 more may contain`},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		for _, f := range c.files {
			mkfile(t, filepath.Join(dir, filepath.FromSlash(f)), "x")
		}
		var warnings []string
		o := seeder.Options{Path: dir, Warn: func(s string) { warnings = append(warnings, s) }}
		o.Progress = func(int64, int64) {
			if c.want != "" && len(warnings) == 0 {
				t.Errorf("%q: hashed before the warning", c.files)
			}
		}
		b := build(t, o)
		if len(b.Torrent.Files) != len(c.files) {
			t.Errorf("%q: %d are published, want all", c.files, len(b.Torrent.Files))
		}
		if got := strings.Join(warnings, "|"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%q: got warning %q, want %q in it", c.files, got, c.want)
		}
	}
	one := filepath.Join(t.TempDir(), "id_ed25519")
	mkfile(t, one, "x")
	warning := ""
	build(t, seeder.Options{Path: one, Warn: func(s string) { warning = s }})
	if !strings.Contains(warning, "id_ed25519") {
		t.Errorf("a single file: got warning %q", warning)
	}
}

// TestSystemFilesAreLeftOut checks that they are, unless a pattern includes them.
func TestSystemFilesAreLeftOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "photos")
	for _, f := range []string{"a.jpg", "Thumbs.db", ".DS_Store", "b/.DS_Store", "b/desktop.ini", "b/c.jpg", "$RECYCLE.BIN/x", "my desktop.ini.txt", "System Volume Information/y"} {
		mkfile(t, filepath.Join(dir, filepath.FromSlash(f)), "x")
	}
	plain := []string{"a.jpg", "b/c.jpg", "my desktop.ini.txt"}
	if got, _ := published(t, seeder.Options{Path: dir}); !slices.Equal(got, plain) {
		t.Errorf("published %q, want %q", got, plain)
	}
	if got, _ := published(t, seeder.Options{Path: dir, Exclude: []string{"!Thumbs.db"}}); !slices.Contains(got, "Thumbs.db") {
		t.Errorf("asked for: published %q, want Thumbs.db too", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "b", seeder.IgnoreFile), []byte("!.DS_Store\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := published(t, seeder.Options{Path: dir}); !slices.Contains(got, "b/.DS_Store") || slices.Contains(got, ".DS_Store") {
		t.Errorf("an ignore file: published %q, want that of b alone", got)
	}
}
