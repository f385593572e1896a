//go:build unix

package localapi_test

import (
	"context"
	"testing"

	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// BenchmarkDial is what the daemon costs a command before it can ask.
func BenchmarkDial(b *testing.B) {
	d := benchServe(b, &fake{})
	for b.Loop() {
		if _, err := localapi.Dial(b.Context(), d, "v"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStatus is the status of 1,000 shares over the socket.
func BenchmarkStatus(b *testing.B) {
	shares := make([]node.Share, 1000)
	for i := range shares {
		shares[i] = node.Share{ID: "0123456789", Name: "release", Path: "/srv/files/release", Infohash: "0123456789abcdef0123456789abcdef01234567", State: node.StateSeeding}
	}
	home := benchServe(b, &fake{status: func(context.Context, node.StatusRequest) (*node.Status, error) {
		return &node.Status{Shares: shares}, nil
	}})
	c, err := localapi.Dial(b.Context(), home, "v")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Status(b.Context(), node.StatusRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvents is one event over the socket.
func BenchmarkEvents(b *testing.B) {
	home := benchServe(b, &fake{stream: func(_ context.Context, on func(node.Event)) error {
		for b.Loop() {
			on(node.Event{Progress: &node.Progress{Phase: "fetching", Name: "release", Done: 5, Total: 10}})
		}
		return nil
	}})
	c, err := localapi.Dial(b.Context(), home, "v")
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Fetch(b.Context(), node.FetchRequest{}, ignore); err != nil {
		b.Fatal(err)
	}
}

func benchServe(b *testing.B, f *fake) (home string) {
	b.Helper()
	home = b.TempDir()
	l, err := localapi.Listen(home, "")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- localapi.NewServer(localapi.Options{Backend: f, Home: home, Version: "v", Log: quiet}).Serve(ctx, l)
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return home
}
