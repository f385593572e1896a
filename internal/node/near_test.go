package node_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/node"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// logged fetches in a node whose log is kept.
func logged(t *testing.T, port int, r node.FetchRequest) (*node.Fetched, string, error) {
	t.Helper()
	n := quiet
	n.Peers = []string{fmt.Sprintf("127.0.0.1:%d", port)}
	log := &lines{}
	nd, err := node.Open(t.Context(), node.Options{
		Home: t.TempDir(), Network: n, Version: "test", Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nd.Close() })
	r.Timeout = time.Minute
	ev := newEvents()
	err = nd.Fetch(t.Context(), r, ev.on)
	e, _ := ev.last(func(e node.Event) bool { return e.Fetched != nil })
	return e.Fetched, log.String(), err
}

// An only fetcher next to a publisher gets whole pieces, of every kind of torrent. They count as from peers.
func TestNearFetch(t *testing.T) {
	for _, format := range []string{"v1", "hybrid", "v2"} {
		t.Run(format, func(t *testing.T) {
			src, out := release(t), t.TempDir()
			file := filepath.Join(t.TempDir(), "r.torrent")
			// With a limit, or all would be there before anybody is asked for whole pieces.
			pub, port, _, _ := publish(t, node.PublishRequest{Path: src, Format: format, Output: file, PieceLength: 64 << 10, Limits: node.Limits{Up: 4 << 20}})
			got, log, err := logged(t, port, node.FetchRequest{Ref: file, Dir: out})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Path, src)
			size := pub.Size
			if format == "hybrid" { // its pads are sent too
				m, err := metainfo.LoadFromFile(file)
				if err != nil {
					t.Fatal(err)
				}
				info, err := m.UnmarshalInfo()
				if err != nil {
					t.Fatal(err)
				}
				size = 0
				for _, f := range info.Files {
					size += f.Length
				}
			}
			// Of some pieces blocks have come before they come whole.
			if got.BytesFrom.Peers != size || got.BytesFrom.WebSeeds != 0 {
				t.Errorf("bytes from %+v, want all %d from peers, each once", got.BytesFrom, size)
			}
			if !strings.Contains(log, "whole pieces") || strings.Contains(log, "bytes=0\n") {
				t.Errorf("no whole pieces came: %q", log)
			}
		})
	}
}
