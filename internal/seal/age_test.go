package seal_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age/armor"

	"github.com/p2pshare/p2pshare/internal/seal"
)

func dearmor(t testing.TB, b []byte) []byte {
	t.Helper()
	return must(io.ReadAll(armor.NewReader(bytes.NewReader(b))))(t)
}

// ageProgram builds the age command, of the version in go.mod, and the folder with its plugin for passphrases from the
// environment.
func ageProgram(t *testing.T) (program, folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"age", "age-plugin-batchpass"} {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", folder, "filippo.io/age/cmd/"+name)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, stderr.Bytes())
		}
	}
	return filepath.Join(folder, "age"), folder
}

// TestAgeOpens checks that the age program can open every kind of file: nobody with the keys needs p2pshare for it.
func TestAgeOpens(t *testing.T) {
	age, path := ageProgram(t)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(passphrase string, stdin []byte, args ...string) ([]byte, error) {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), age, args...)
		cmd.Env = append(os.Environ(), "PATH="+path, "AGE_PASSPHRASE="+passphrase)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
		out, err := cmd.Output()
		if err != nil {
			err = errors.Join(err, errors.New(stderr.String()))
		}
		return out, err
	}

	alice, all, older := account(t), audience(t), audience(t)
	l := login(t)
	keys := put("alice.txt", seal.IdentityFile([]seal.Identity{alice}))
	grant := must(seal.Box(seal.IdentityFile([]seal.Identity{all, older}), []string{account(t).Recipient(), alice.Recipient()}))(t)
	granted, err := run("", nil, "-d", "-i", keys, put("grant.age", grant))
	if err != nil {
		t.Fatal(err)
	}
	audiences := put("all.txt", granted)
	content := write(t, seal.Tar, older, source("a/b", "12345"))
	opened, err := run("", nil, "-d", "-i", audiences, put("content.age", content))
	if err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(bytes.NewReader(opened))
	if h, err := tr.Next(); err != nil || h.Name != "a/b" || string(must(io.ReadAll(tr))(t)) != "12345" {
		t.Errorf("the tar: got %+v, %v", h, err)
	}
	slot := must(seal.ParseSlot(must(seal.MakeSlot(l, "of some length", 10))(t)))(t)
	_, passphrase := specified(t, gid, l.Account, "of some length", 10)
	for _, c := range []struct {
		name, passphrase string
		file             []byte
		want             string
	}{
		{"slot", passphrase, slot.Box, `"seal":"` + l.Seal.Secret()},
		{"owner", "pass", must(seal.LockKey([]byte("an owner's key"), "pass", 10))(t), "an owner's key"},
	} {
		if got, err := run(c.passphrase, nil, "-d", "-j", "batchpass", put(c.name+".age", c.file)); !strings.Contains(string(got), c.want) {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	if got, err := run("", nil, "-d", "-i", audiences, put("x.age", grant)); err == nil {
		t.Errorf("age opens a grant with the keys in it: %q", got)
	}

	// The other direction: what age has sealed.
	box, err := run("", []byte("from age"), "-r", alice.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := seal.OpenBox(box, 100, alice); string(got) != "from age" {
		t.Errorf("a box made by age: got %q, %v", got, err)
	}
	t.Setenv("AGE_PASSPHRASE_WORK_FACTOR", "10")
	for _, args := range [][]string{{"-e", "-j", "batchpass"}, {"-e", "-a", "-j", "batchpass"}} {
		key, err := run("a passphrase", []byte("a key"), args...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := seal.UnlockKey(key, "a passphrase"); string(got) != "a key" {
			t.Errorf("a key locked by age %q: got %q, %v", args, got, err)
		}
	}
}
