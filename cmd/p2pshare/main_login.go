package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/packaging/systemd"
)

const (
	// loginMark is the first line of a unit that p2pshare wrote itself, and may replace and remove.
	loginMark = "# Written by p2pshare daemon --at-login; p2pshare daemon --no-at-login removes it.\n"

	serviceUnit, socketUnit = "p2pshare.service", "p2pshare.socket"
)

// AtLogin has systemd start the home's daemon at each login of the user, and now if none runs.
func (daemons) AtLogin(ctx context.Context, s cli.Settings) (*cli.DaemonInfo, error) {
	dir, err := unitFolder(ctx)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	home, err := state.Open(s.Home)
	if err != nil {
		return nil, err
	}
	units := []string{serviceUnit}
	if err := writeUnit(filepath.Join(dir, serviceUnit), systemd.Service(self, home.Dir())); err != nil {
		return nil, err
	}
	if path, err := localapi.SocketPath(home.Dir()); err == nil && path == filepath.Join(home.Dir(), filepath.Base(path)) { // else it is too long for a socket
		units = append(units, socketUnit)
		if err := writeUnit(filepath.Join(dir, socketUnit), systemd.Socket(home.Dir())); err != nil {
			return nil, err
		}
	}
	if err := systemctl(ctx, "daemon-reload"); err != nil {
		return nil, err
	}
	c, err := localapi.Dial(ctx, s.Home, s.Version)
	switch {
	case err == nil: // it goes on, and what starts at the next login takes its place
		if err := systemctl(ctx, append([]string{"enable"}, units...)...); err != nil {
			return nil, err
		}
		return infoOf(ctx, c, s.Home)
	case !errors.Is(err, localapi.ErrNoDaemon):
		return nil, err
	}
	if err := systemctl(ctx, append([]string{"enable", "--now"}, units...)...); err != nil {
		return nil, fault.Hint(err, "journalctl --user -u p2pshare, and p2pshare log, say why")
	}
	late, stop := context.WithTimeout(ctx, startTime)
	defer stop()
	c, err = localapi.Dial(late, s.Home, s.Version)
	if err != nil {
		return nil, err
	}
	return infoOf(ctx, c, s.Home)
}

// NoAtLogin takes AtLogin back, and ends the daemon if systemd has started it. It says whether there was anything to take back.
func (daemons) NoAtLogin(ctx context.Context) (was bool, err error) {
	dir, err := unitFolder(ctx)
	if err != nil {
		return false, err
	}
	if was = systemctl(ctx, "is-enabled", "--quiet", serviceUnit) == nil; was {
		if err := systemctl(ctx, "disable", "--now", socketUnit, serviceUnit); err != nil {
			return true, err
		}
	}
	for _, name := range []string{serviceUnit, socketUnit} {
		path := filepath.Join(dir, name)
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), loginMark) {
			continue
		}
		was = true
		if err := os.Remove(path); err != nil {
			return true, fmt.Errorf("removing the unit: %w", err)
		}
	}
	return was, systemctl(ctx, "daemon-reload")
}

// unitFolder is where the user's units are, on a system whose service manager is systemd.
func unitFolder(ctx context.Context) (string, error) {
	const hint = "have the desktop, or your shell's profile, run at login: p2pshare daemon --detach"
	if runtime.GOOS != "linux" {
		return "", fault.Hint(fault.New(fault.Usage, "--at-login is for systems with systemd"), hint)
	}
	if err := systemctl(ctx, "show-environment"); err != nil {
		return "", fault.Hint(err, "%s; after su or sudo there is no service manager of the user: log in as that user", hint)
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "systemd", "user"), nil
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder of the user's units: %w", err)
	}
	return filepath.Join(dir, ".config", "systemd", "user"), nil
}

// writeUnit writes a unit, and replaces only what it has written itself.
func writeUnit(path, text string) error {
	b, err := os.ReadFile(path)
	switch {
	case err == nil && !strings.HasPrefix(string(b), loginMark):
		return fault.Hint(fault.New(fault.Usage, "there is a unit %q already, which p2pshare did not write", path), "systemctl --user enable --now p2pshare.socket p2pshare.service uses it; or move it away")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the unit that is there: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder of the user's units: %w", err)
	}
	return state.WriteFile(path, []byte(loginMark+text), 0o644)
}

// systemctl runs one command of the user's service manager.
func systemctl(ctx context.Context, args ...string) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	out, err := exec.CommandContext(ctx, "systemctl", append([]string{"--user"}, args...)...).CombinedOutput()
	if err != nil {
		said := strings.TrimSpace(string(out))
		if said == "" {
			said = err.Error()
		}
		return fmt.Errorf("systemctl --user %s: %s", args[0], said)
	}
	return nil
}
