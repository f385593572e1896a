//go:build linux

package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fakeSystemctl stands in for the user's service manager: it notes what it is asked, and starts and ends what the unit says.
const fakeSystemctl = `#!/bin/sh
shift # --user
echo "$*" >> "$FAKE/asked"
unit="$XDG_CONFIG_HOME/systemd/user/p2pshare.service"
case "$1 $2" in
show-environment*) test ! -e "$FAKE/nobus" || { echo "Failed to connect to bus" >&2; exit 1; } ;;
"enable --now")
  eval "export $(sed -n 's/^Environment=//p' "$unit")"
  (exec >"$FAKE/said" 2>&1; eval "exec setsid $(sed -n 's/^ExecStart=//p' "$unit") --no-dht --no-lan --no-upnp --listen 127.0.0.1") &
  echo $! > "$FAKE/pid"; touch "$FAKE/enabled"
  until test -S "$P2PSHARE_HOME/p2pshare.sock"; do sleep 0.05; done ;;
enable*) touch "$FAKE/enabled" ;;
is-enabled*) test -e "$FAKE/enabled" ;;
disable*) rm -f "$FAKE/enabled"; test ! -e "$FAKE/pid" || kill "$(cat "$FAKE/pid")" ;;
esac
`

// TestDaemonAtLogin has a service manager start the daemon, and takes that back.
func TestDaemonAtLogin(t *testing.T) {
	h := newHouse(t)
	h.home = filepath.Join(t.TempDir(), "a home, mine")
	config, fake := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(fake, "systemctl"), []byte(fakeSystemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, string, int) {
		cmd := h.command(append([]string{"daemon"}, args...)...)
		cmd.Env = append(cmd.Env, "PATH="+fake+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+config, "FAKE="+fake)
		var out, said strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), said.String(), cmd.ProcessState.ExitCode()
	}
	t.Cleanup(func() { // if the test ended early
		b, _ := os.ReadFile(filepath.Join(fake, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	out, said, code := run("--at-login")
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if code != 0 || err != nil || !strings.Contains(said, "is started at each login") {
		b, _ := os.ReadFile(filepath.Join(fake, "asked"))
		t.Fatalf("got exit code %d, %q and %q; systemctl was asked %q", code, out, said, b)
	}
	service := filepath.Join(config, "systemd", "user", "p2pshare.service")
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		cmd := exec.Command("systemd-analyze", "verify", "--user", "--man=no", service, filepath.Join(filepath.Dir(service), "p2pshare.socket"))
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
		if b, err := cmd.CombinedOutput(); err != nil || len(b) > 0 {
			t.Errorf("systemd says of the units: %v: %s", err, b)
		}
	}
	if again, said, code := run("--at-login"); code != 0 || again != out {
		t.Errorf("again, while it runs: got exit code %d, %q and %q, want the same process", code, again, said)
	}
	if _, said, code := run("--no-at-login"); code != 0 || !strings.Contains(said, "no longer") {
		t.Errorf("taken back: got exit code %d and %q", code, said)
	}
	if _, err := os.Lstat(service); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the unit is still there: %v", err)
	}
	for { // the fake has sent it a signal
		if err := syscall.Kill(pid, 0); err != nil {
			break
		}
		if _, _, code := h.run("daemon", "--stop"); code == 10 {
			break
		}
	}
	if _, said, code := run("--no-at-login"); code != 0 || !strings.Contains(said, "was not started at login") {
		t.Errorf("taken back once more: got exit code %d and %q", code, said)
	}
	if err := os.WriteFile(service, []byte("[Unit]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, said, code := run("--at-login"); code != 4 || !strings.Contains(said, "did not write") {
		t.Errorf("over somebody's own unit: got exit code %d and %q", code, said)
	}
	if b, err := os.ReadFile(service); err != nil || string(b) != "[Unit]\n" {
		t.Errorf("the own unit is %q, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(fake, "nobus"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, said, code := run("--at-login"); code != 1 || !strings.Contains(said, "Failed to connect to bus") || !strings.Contains(said, "p2pshare daemon --detach") {
		t.Errorf("without a service manager: got exit code %d and %q", code, said)
	}
}
