//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestGroupsDuringAPublishInATerminal: what is asked of groups is carried out by the publish, which holds them, and what needs them for
// itself says at once which process that is.
func TestGroupsDuringAPublishInATerminal(t *testing.T) {
	h := newHouse(t)
	h.must("group", "create", "acme", "--public")
	cmd := h.command(append([]string{"publish", content(t), "--group", "acme", "--as", "app@1"}, alone...)...)
	said := newLog()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	said.wait(t, "seeding release")
	if got := h.must("group", "list", "-q"); got != "acme\n" {
		t.Errorf("group list: got %q", got)
	}
	if got := h.must("catalog", "list", "acme", "-q"); got != "acme/app@1\n" {
		t.Errorf("catalog list: got %q", got)
	}
	key := filepath.Join(t.TempDir(), "bob.key")
	h.must(append([]string{"group", "user", "add", "acme", "bob", "--key-file", key}, alone...)...)
	if got := h.must("group", "user", "list", "acme", "-q"); got != "admin\nbob\n" {
		t.Errorf("group user list: got %q", got)
	}
	holder := fmt.Sprintf("(process %d) shares from the groups of this home", cmd.Process.Pid)
	for _, args := range [][]string{
		append([]string{"publish", content(t), "--group", "acme", "--as", "other@1"}, alone...),
		append([]string{"fetch", "acme/app", "-o", t.TempDir()}, alone...),
		h.args("--detach"),
	} {
		begun := time.Now()
		_, stderr, code := h.run(args...)
		if code != 11 || !strings.Contains(stderr, holder) || !strings.Contains(stderr, "p2pshare daemon --detach") {
			t.Errorf("%q: got code %d and %q, want 11, who holds the groups, and what to do", args[0], code, stderr)
		}
		if took := time.Since(begun); took > 8*time.Second {
			t.Errorf("%q waited %v", args[0], took)
		}
	}
	if got := h.must("status"); !strings.HasPrefix(got, "no daemon runs, and what other terminals share is not shown") {
		t.Errorf("status: got %q", got)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the publish: %v: %s", err, said)
	}
	if got := h.must("group", "user", "list", "acme", "-q"); got != "admin\nbob\n" {
		t.Errorf("afterwards, group user list: got %q", got)
	}
}
