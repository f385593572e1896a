//go:build unix

package localapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// written is a log that several goroutines write.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// TestPasswordsAreNotLogged: whatever becomes of a request with a password, neither the log nor an error has it.
func TestPasswordsAreNotLogged(t *testing.T) {
	const password = "lemon tree under five stars"
	home := filepath.Join(t.TempDir(), "home")
	lock := hold(t, home)
	defer lock.Unlock()
	l, err := localapi.Listen(home, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log, f := &written{}, &fake{}
	server := localapi.NewServer(localapi.Options{Backend: f, Home: home, Version: "v", Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	c, err := localapi.Dial(t.Context(), home, "v")
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for name, r := range map[string]node.GroupRequest{
		"create":  {Group: "films", Create: &node.CreateGroup{Kind: "private", Password: password}},
		"join":    {Group: "p2pshare:x", Join: &node.JoinGroup{Password: password}},
		"passwd":  {Group: "films", Passwd: &node.ChangePassword{Password: password}},
		"add":     {Group: "films", AddUser: &node.AddUser{Name: "bob", Password: password}},
		"owner":   {Group: "films", Owners: &node.ChangeOwners{Passphrase: password}},
		"no path": {Group: "relative", Restore: &node.RestoreGroup{User: "nas", Password: password}},
	} {
		for how, do := range map[string]func(context.Context, func(node.Event)) error{
			"done": nil, "refused": func(context.Context, func(node.Event)) error { return fault.New(fault.Denied, "wrong: %v", r) },
			"a bug": func(context.Context, func(node.Event)) error { panic(fmt.Sprintf("met %+v %v", r, r.Join)) },
		} {
			f.stream = do
			if _, err := c.Group(t.Context(), r, ignore); err != nil {
				said += err.Error() + fault.HintOf(err)
			} else if do != nil {
				t.Errorf("%s, %s: got no error", name, how)
			}
		}
	}
	f.stream = nil
	// What no client of ours sends is refused, and not quoted.
	for _, body := range []string{`{"group":"g","passwd":{"password":"` + password + `"`, `{"passwd":{"password":["` + password + `"]}}`, `{"passwd":{"pass":"` + password + `"}}`, `"` + password + `"`} {
		said += raw(t, home, post("/v1/group", body))
	}
	end()
	if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving: %v", err)
	}
	for what, text := range map[string]string{"the log": log.String(), "an error": said} {
		if strings.Contains(text, "lemon") {
			t.Errorf("%s has the password: %s", what, text)
		}
		if text == "" {
			t.Errorf("%s is empty: the test looks at the wrong place", what)
		}
	}
}

// raw is the answer to bytes on the socket of a home.
func raw(t *testing.T, home, request string) string {
	t.Helper()
	path, err := localapi.SocketPath(home)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
