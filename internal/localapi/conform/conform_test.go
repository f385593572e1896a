package conform_test

import (
	"context"
	"errors"
	"testing"

	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/localapi/conform"
	"github.com/p2pshare/p2pshare/internal/node"
)

func openNode(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	n, err := node.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNode(t *testing.T) {
	conform.Run(t, func(t *testing.T, o node.Options) conform.Backend { return openNode(t, o) })
}

// served is a client with the server and the node behind it.
type served struct {
	*localapi.Client
	node *node.Node
	end  context.CancelFunc
	done chan error
}

func (s *served) Close() error {
	s.end()
	return errors.Join(s.Client.Close(), <-s.done, s.node.Close())
}

func TestSocket(t *testing.T) {
	conform.Run(t, func(t *testing.T, o node.Options) conform.Backend {
		n := openNode(t, o)
		l, err := localapi.Listen(o.Home, "")
		if err != nil {
			t.Fatal(err)
		}
		s := &served{node: n, done: make(chan error, 1)}
		var ctx context.Context
		ctx, s.end = context.WithCancel(context.Background())
		server := localapi.NewServer(localapi.Options{Backend: n, Home: o.Home, Version: o.Version, Log: o.Log})
		go func() { s.done <- server.Serve(ctx, l) }()
		if s.Client, err = localapi.Dial(t.Context(), o.Home, o.Version); err != nil {
			t.Fatal(err)
		}
		return s
	})
}
