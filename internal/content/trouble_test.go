//go:build unix

package content_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

func TestVerifyNoticesChangeWhileReading(t *testing.T) {
	files := []file{{"a", data(40<<20, 1)}, {"b", data(100, 2)}}
	m := torrentOf(t, "v1", files)
	for _, target := range []string{"a", "b"} {
		t.Run(target, func(t *testing.T) {
			l := put(t, m, files)
			changed := false
			r, err := content.Verify(context.Background(), m, l, content.Options{Workers: 1, Progress: func(done, _ int64) {
				if !changed {
					changed = true
					writeFile(t, filepath.Join(l.Root, target), []byte("other"))
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			problem := r.Files[index(t, m, target)].Problem
			if r.OK || !strings.HasSuffix(problem, "while it was being read") {
				t.Errorf("got OK %v, problem %q", r.OK, problem)
			}
		})
	}
}

// TestVerifyUnreadable runs itself as nobody, for root may read everything.
func TestVerifyUnreadable(t *testing.T) {
	const variable = "P2PSHARE_TEST_UNREADABLE"
	m := torrentOf(t, "v2", sample())
	if dir := os.Getenv(variable); dir != "" {
		l, err := content.At(m, dir)
		if err != nil {
			t.Fatal(err)
		}
		r := verify(t, m, l)
		fmt.Printf("b: %s, OK %v\n", r.Files[index(t, m, "b")].Problem, r.OK)
		return
	}
	base, err := os.MkdirTemp("", "unreadable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	for _, f := range sample() {
		writeFile(t, filepath.Join(base, "release", filepath.FromSlash(f.path)), f.data)
	}
	for at, mode := range map[string]os.FileMode{base: 0o755, filepath.Join(base, "release", "b"): 0} {
		if err := os.Chmod(at, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestVerifyUnreadable$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+filepath.Join(base, "release"))
	cmd.Dir = "/"
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if want := "b: unreadable: permission denied, OK false"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("as nobody: got %s, %v, want %s", out, err, want)
	}
}

func TestVerifySymlink(t *testing.T) {
	b, err := bencode.Marshal(map[string]any{"info": map[string]any{
		"name": "release", "piece length": 16384, "pieces": strings.Repeat("x", 20),
		"files": []any{
			map[string]any{"length": 0, "path": []string{"d", "link"}, "attr": "l", "symlink path": []string{"d", "target"}},
			map[string]any{"length": 4, "path": []string{"d", "target"}},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := metafile.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		make func(at string) error
		want string
	}{
		{"right", func(at string) error { return os.Symlink("target", at) }, ""},
		{"right, the long way", func(at string) error { return os.Symlink("../d/target", at) }, ""},
		{"to another", func(at string) error { return os.Symlink("other", at) }, `a symlink to "other", want "d/target"`},
		{"absolute", func(at string) error { return os.Symlink("/etc/passwd", at) }, `a symlink to "/etc/passwd", want "d/target"`},
		{"absolute, and alike", func(at string) error { return os.Symlink("/target", at) }, `a symlink to "/target", want "d/target"`},
		{"a file", func(at string) error { return os.WriteFile(at, nil, 0o644) }, "not a symlink"},
		{"missing", func(string) error { return nil }, "missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "release")
			writeFile(t, filepath.Join(dir, "d", "target"), []byte("data"))
			if err := test.make(filepath.Join(dir, "d", "link")); err != nil {
				t.Fatal(err)
			}
			l, err := content.At(m, dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := verify(t, m, l).Files[0].Problem; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
