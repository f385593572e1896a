package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// rewrite changes a byte of a file in place, and puts its mtime back.
func rewrite(t *testing.T, name string) {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close(), os.Chtimes(name, fi.ModTime(), fi.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// stateOf waits until a share is in one of some states, and never in one that it must not be in.
func stateOf(t *testing.T, n *node.Node, never string, want ...string) node.Share {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := n.Status(t.Context(), node.StatusRequest{})
		if err != nil || len(st.Shares) != 1 {
			t.Fatalf("got %+v, %v, want one share", st, err)
		}
		sh := st.Shares[0]
		if sh.State == never {
			t.Fatalf("it is %s (%s)", sh.State, sh.Reason)
		}
		for _, w := range want {
			if sh.State == w {
				return sh
			}
		}
		if time.Now().After(end) {
			t.Fatalf("it stays %s (%s), want one of %v", sh.State, sh.Reason, want)
		}
	}
}

// TestChangedShare: whatever is done to the files of a share, while it is seeded, stopped, or the daemon is not there, no
// status calls it seeded with wrong bytes.
func TestChangedShare(t *testing.T) {
	for _, moment := range []string{"seeding", "stopped", "no daemon"} {
		for _, c := range []struct {
			name  string
			do    func(t *testing.T, name string)
			wrong bool
		}{
			{"a byte, mtime put back", rewrite, true},
			{"another mode", func(t *testing.T, name string) { must(t, os.Chmod(name, 0o600)) }, false},
			{"shorter and longer again", func(t *testing.T, name string) {
				fi, err := os.Stat(name)
				must(t, err)
				must(t, errors.Join(os.Truncate(name, 1), os.Truncate(name, fi.Size()), os.Chtimes(name, fi.ModTime(), fi.ModTime())))
			}, true},
			{"the same bytes in another file", func(t *testing.T, name string) {
				b, err := os.ReadFile(name)
				must(t, errors.Join(err, os.WriteFile(name+".new", b, 0o644), os.Rename(name+".new", name)))
			}, false},
		} {
			t.Run(moment+", "+c.name, func(t *testing.T) {
				home, dir := filepath.Join(t.TempDir(), "home"), folder(t, "content", map[string]string{"a": "bytes of a", "b": "bytes of b"})
				n, end := daemon(t, home, nil)
				pub := publishIn(t, n, dir)
				stateOf(t, n, "", node.StateSeeding)
				file := filepath.Join(dir, "b")
				never := ""
				if c.wrong {
					never = node.StateSeeding
				}
				switch moment {
				case "seeding":
					c.do(t, file)
				case "stopped":
					change(t, n, pub.Name, false)
					c.do(t, file)
					change(t, n, pub.Name, true)
				case "no daemon":
					end()
					c.do(t, file)
					n, _ = daemon(t, home, nil)
				}
				if c.wrong {
					stateOf(t, n, never, node.StateFailed)
				} else {
					stateOf(t, n, never, node.StateSeeding)
				}
				v, err := n.Verify(t.Context(), node.VerifyRequest{Ref: pub.Name}, func(node.Event) {})
				if err != nil || v.OK == c.wrong {
					t.Errorf("verify: got %+v, %v, want OK: %v", v, err, !c.wrong)
				}
			})
		}
	}
}

func change(t *testing.T, n *node.Node, ref string, run bool) {
	t.Helper()
	_, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{ref}, Run: run})
	must(t, err)
}

// TestVerifyIsBelieved: what verify calls wrong is hashed again though nothing tells that its files changed, as when the
// disk itself loses a bit. Stamps that do not show the change stand for that here.
func TestVerifyIsBelieved(t *testing.T) {
	home, dir := filepath.Join(t.TempDir(), "home"), folder(t, "content", map[string]string{"a": "bytes of a"})
	n, _ := daemon(t, home, nil)
	pub := publishIn(t, n, dir)
	stateOf(t, n, "", node.StateSeeding)
	node.Doubt(n, pub.Name)
	stateOf(t, n, node.StateFailed, node.StateSeeding) // it is right
	rewrite(t, filepath.Join(dir, "a"))
	v, err := n.Verify(t.Context(), node.VerifyRequest{Ref: pub.Name}, func(node.Event) {})
	if err != nil || v.OK {
		t.Fatalf("got %+v, %v, want it wrong", v, err)
	}
	stateOf(t, n, node.StateSeeding, node.StateFailed)
}

// TestChangedWithoutDaemon: a share that no daemon keeps goes on if its bytes are right, and ends if they are not.
func TestChangedWithoutDaemon(t *testing.T) {
	dir := folder(t, "content", map[string]string{"a": "bytes of a"})
	n, err := node.Open(t.Context(), node.Options{Home: t.TempDir(), Network: quiet, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer n.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seeding, looked := make(chan bool, 100), make(chan bool, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- n.Publish(ctx, node.PublishRequest{Path: dir}, func(e node.Event) {
			switch {
			case e.Seeding != nil:
				seeding <- true
			case e.Level == "warn":
				looked <- true
			}
		})
	}()
	<-seeding
	must(t, os.Chmod(filepath.Join(dir, "a"), 0o600))
	<-looked
	select {
	case <-seeding:
	case err := <-ended:
		t.Fatalf("it ended with %v for a new mode", err)
	}
	rewrite(t, filepath.Join(dir, "a"))
	if err := <-ended; err == nil {
		t.Error("got no error with wrong bytes")
	}
}
