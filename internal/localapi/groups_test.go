//go:build unix

package localapi_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestGroupsOfAProcessInATerminal: it serves what is asked of groups beside a daemon's socket or without one, and nothing else, and is no daemon.
func TestGroupsOfAProcessInATerminal(t *testing.T) {
	for _, home := range []string{filepath.Join(t.TempDir(), "home"), filepath.Join(t.TempDir(), strings.Repeat("long", 30), "home")} {
		if _, err := localapi.DialGroups(t.Context(), home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
			t.Fatalf("nobody is there: got %v", err)
		}
		l, err := localapi.ListenGroups(home, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		begun, done := make(chan struct{}), make(chan error, 1)
		f := &fake{}
		server := localapi.NewServer(localapi.Options{Backend: f, Home: home, Version: "v", Log: quiet, GroupsAlone: true})
		go func() { done <- server.Serve(ctx, l) }()
		c, err := localapi.DialGroups(t.Context(), home, "v")
		if err != nil {
			t.Fatal(err)
		}
		if c.About().PID != os.Getpid() {
			t.Errorf("process %d answers, want this one", c.About().PID)
		}
		if a, err := c.Group(t.Context(), node.GroupRequest{List: &struct{}{}}, ignore); err != nil || a.Link != answered.Link {
			t.Errorf("a group: got %+v, %v", a, err)
		}
		if a, err := c.Catalog(t.Context(), node.CatalogRequest{Group: "acme"}, ignore); err != nil || a.Records != 7 {
			t.Errorf("a catalog: got %+v, %v", a, err)
		}
		f.note(nil)
		if _, err := c.Status(t.Context(), node.StatusRequest{}); err == nil {
			t.Error("the status was served")
		}
		if err := c.Publish(t.Context(), node.PublishRequest{}, ignore); err == nil || f.last() != nil {
			t.Errorf("a publish: got %v, and the backend was asked %v", err, f.last())
		}
		if _, err := localapi.Dial(t.Context(), home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
			t.Errorf("asked for a daemon: got %v, want that there is none", err)
		}
		f.stream = func(ctx context.Context, _ func(node.Event)) error { close(begun); <-ctx.Done(); return ctx.Err() }
		asked := make(chan error, 1)
		go func() { _, err := c.Group(context.Background(), node.GroupRequest{}, ignore); asked <- err }()
		<-begun
		cancel()
		if err := <-asked; err == nil || !strings.Contains(err.Error(), "in another terminal") || !strings.Contains(fault.HintOf(err), "p2pshare group show") {
			t.Errorf("its end during a request: got %v (%s)", err, fault.HintOf(err))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := localapi.DialGroups(t.Context(), home, "v"); !errors.Is(err, localapi.ErrNoDaemon) {
			t.Errorf("after its end: got %v", err)
		}
		for _, left := range []string{"groups.socket", "groups-socket"} {
			if _, err := os.Lstat(filepath.Join(home, left)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", left, err)
			}
		}
	}
}
