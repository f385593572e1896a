package state_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

// TestMain plays the other process when a test starts this binary with a role.
func TestMain(m *testing.M) {
	switch os.Getenv("STATE_TEST_ROLE") {
	case "hold":
		h, err := state.Open(os.Getenv("STATE_TEST_DIR"))
		if err == nil {
			_, err = h.TryLock("node")
		}
		if err != nil {
			os.Exit(3)
		}
		os.Stdout.WriteString("held\n")
		os.Stdin.Read(make([]byte, 1)) // until the parent closes the pipe or kills us
		os.Exit(0)
	case "write":
		// Write two values alternately, until killed.
		for i := 0; ; i++ {
			v := payload{Name: strings.Repeat(string(rune('a'+i%2)), 1<<16)}
			if err := state.WriteVersioned(filepath.Join(os.Getenv("STATE_TEST_DIR"), "f.json"), 1, v); err != nil {
				os.Exit(3)
			}
			if i == 3 {
				os.Stdout.WriteString("going\n")
			}
		}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, role, dir string) (*exec.Cmd, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STATE_TEST_ROLE="+role, "STATE_TEST_DIR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() { cmd.Process.Kill(); in.Close(); cmd.Wait() }
	if _, err := out.Read(make([]byte, 8)); err != nil {
		stop()
		t.Fatalf("the other process did not get ready: %v", err)
	}
	return cmd, stop
}

type payload struct {
	Name string `json:"name"`
}

func TestOpenCreatesAPrivateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	h, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if h.Dir() != dir || h.Path("x", "y") != filepath.Join(dir, "x", "y") {
		t.Errorf("got dir %q and path %q, want them below %q", h.Dir(), h.Path("x", "y"), dir)
	}
	sub, err := h.MkdirAll("staging", "one")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir), sub} {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != 0o700 {
			t.Errorf("mode of %q: got %04o, want 0700", d, got)
		}
	}
	if _, err := state.Open(dir); err != nil {
		t.Errorf("opening it again: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := state.Open("relative"); fault.KindOf(err) != fault.Usage {
		t.Errorf("relative home: got %v, want a usage error", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(file); err == nil || !strings.Contains(fault.HintOf(err), "--home") {
		t.Errorf("home that is a file: got %v, hint %q; want an error that points at --home", err, fault.HintOf(err))
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, perm := range []fs.FileMode{0o770, 0o702, 0o777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, perm); err != nil {
			t.Fatal(err)
		}
		_, err := state.Open(dir)
		if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "chmod 700") {
			t.Errorf("home with mode %04o: got %v, hint %q; want denied and a hint with chmod", perm, err, fault.HintOf(err))
		}
	}
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(dir); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "user 12345") {
			t.Errorf("another user's home: got %v, want denied with the owner", err)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	h, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.TryLock("node")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.TryLock("node"); fault.KindOf(err) != fault.InUse || !strings.Contains(err.Error(), "process") {
		t.Errorf("second lock: got %v, want in use with the process", err)
	}
	other, err := h.TryLock("other")
	if err != nil {
		t.Errorf("lock of another name: %v", err)
	} else {
		other.Unlock()
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Errorf("second Unlock: got %v, want nil", err)
	}
	l, err = h.TryLock("node")
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	l.Unlock()
	if _, err := h.TryLock("../node"); err == nil {
		t.Error("lock outside the home: got nil, want an error")
	}
}

func TestKilledProcessReleasesItsLock(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	h, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, kill := start(t, "hold", dir)
	if _, err := h.TryLock("node"); fault.KindOf(err) != fault.InUse {
		kill()
		t.Fatalf("while another process holds it: got %v, want in use", err)
	}
	kill()
	l, err := h.TryLock("node")
	if err != nil {
		t.Fatalf("after that process was killed: %v", err)
	}
	l.Unlock()
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, data := range []string{"first", "second, longer", ""} {
		if err := state.WriteFile(path, []byte(data), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != data {
			t.Errorf("got %q, %v, want %q", got, err, data)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode: got %v, %v, want 0640", info.Mode(), err)
	}
	onlyFile(t, dir, "f")

	// A target that cannot be replaced leaves no temporary file.
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := state.WriteFile(filepath.Join(dir, "d"), []byte("x"), 0o600); err == nil {
		t.Error("writing over a folder: got nil, want an error")
	}
	onlyFile(t, dir, "d", "f")
	if err := state.WriteFile(filepath.Join(dir, "missing", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing into a missing folder: got %v, want fs.ErrNotExist", err)
	}
}

func TestWriteFileReplacesASymlink(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := os.WriteFile(victim, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if err := state.WriteFile(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(victim)
	if string(got) != "keep" {
		t.Errorf("the link's target: got %q, want it untouched", got)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{".a.json.123.tmp", ".b.json.9.tmp", ".a.json.x1.tmp", "a.json.1.tmp", ".tmp", "a.json", ".a.json.1"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.Sweep(dir, "a.json"); err != nil {
		t.Fatal(err)
	}
	onlyFile(t, dir, ".a.json.1", ".a.json.x1.tmp", ".b.json.9.tmp", ".tmp", "a.json", "a.json.1.tmp")
	if err := state.Sweep(dir); err != nil {
		t.Fatal(err)
	}
	onlyFile(t, dir, ".a.json.1", ".a.json.x1.tmp", ".tmp", "a.json", "a.json.1.tmp")
	if err := state.Sweep(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: got %v, want fs.ErrNotExist", err)
	}
}

func onlyFile(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("files in the folder: got %q, want %q", got, want)
	}
}

func TestVersioned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	if err := state.WriteVersioned(path, 3, payload{Name: "n"}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	// The sum is the output of sha256sum for: 3{"name":"n"}
	if want := "{\"version\":3,\"sum\":\"9b5e9954adb2293384c843dc8d403de8c7a15a462e3d76c7cfe6228f58ef986a\",\"name\":\"n\"}\n"; string(raw) != want {
		t.Errorf("bytes: got %q, want %q", raw, want)
	}
	var got payload
	if err := state.ReadVersioned(path, 3, &got); err != nil || got.Name != "n" {
		t.Errorf("got %+v, %v, want the payload", got, err)
	}
	err := state.ReadVersioned(path, 2, &got)
	ve, ok := errors.AsType[*state.VersionError](err)
	if !ok || ve.Got != 3 || ve.Want != 2 || fault.HintOf(err) == "" {
		t.Errorf("other version: got %v, want both numbers and a hint", err)
	}
	if err := state.ReadVersioned(path+".none", 1, &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want fs.ErrNotExist", err)
	}
	if err := state.WriteVersioned(path, 1, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := state.ReadVersioned(path, 1, &struct{}{}); err != nil {
		t.Errorf("empty object: got %v", err)
	}
	for _, v := range []any{[]int{1}, "text", nil, map[string]int{"version": 1}, map[string]int{"sum": 1}} {
		if err := state.WriteVersioned(path, 1, v); err == nil {
			t.Errorf("writing %v: got nil, want an error", v)
		}
	}
}

func TestReadVersionedRefusesDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	for _, c := range []struct{ name, data string }{
		{"empty", ""},
		{"torn", `{"version":1,"na`},
		{"zeros", "\x00\x00\x00\x00"},
		{"two objects", `{"version":1,"name":"a"}{"version":1}`},
		{"no version", `{"name":"a"}`},
		{"version is text", `{"version":"1"}`},
		{"no sum", `{"version":1,"name":"a"}`},
		{"another sum", `{"version":1,"sum":"` + strings.Repeat("0", 64) + `","name":"a"}`},
		{"unknown key", `{"version":1,"sum":"` + sum(`1{"name":"a","more":1}`) + `","name":"a","more":1}`},
		{"other shape", `{"version":1,"sum":"` + sum(`1{"name":[1]}`) + `","name":[1]}`},
		{"null", `null`},
		{"list", `[1]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			var v payload
			err := state.ReadVersioned(path, 1, &v)
			if err == nil || !strings.Contains(err.Error(), "f.json") || fault.HintOf(err) == "" {
				t.Errorf("got %v, want an error with the path and a hint", err)
			}
			if after, _ := os.ReadFile(path); string(after) != c.data {
				t.Errorf("the file was changed to %q", after)
			}
		})
	}
}

func sum(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func TestReadVersionedRefusesEveryFlippedBit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	if err := state.WriteVersioned(path, 1, payload{Name: "name"}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) - 1 { // the line end does not matter
		for bit := range 8 {
			data := bytes.Clone(whole)
			data[i] ^= 1 << bit
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			var v payload
			if err := state.ReadVersioned(path, 1, &v); err == nil {
				t.Errorf("byte %d, bit %d: read as %+v from %q, want an error", i, bit, v, data)
			}
		}
		if err := os.WriteFile(path, whole[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := state.ReadVersioned(path, 1, &payload{}); err == nil {
			t.Errorf("torn after %d bytes: got no error", i)
		}
	}
}

// TestKilledWriter kills a process that keeps writing, and reads what it left.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	for range 10 {
		_, kill := start(t, "write", dir)
		kill()
		var v payload
		if err := state.ReadVersioned(filepath.Join(dir, "f.json"), 1, &v); err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		if len(v.Name) != 1<<16 || strings.Trim(v.Name, v.Name[:1]) != "" {
			t.Fatalf("after a kill: got %d bytes of mixed values, want one whole value", len(v.Name))
		}
	}
}
