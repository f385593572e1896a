package node_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// BenchmarkTransfer moves half a gigabyte from a seeder to a fetcher in one process, over loopback: with
// -cpuprofile it shows where both ends spend their time. docs/benchmarks.md compares whole programs.
func BenchmarkTransfer(b *testing.B) {
	src := filepath.Join(b.TempDir(), "release")
	rng := rand.NewChaCha8([32]byte{2})
	write := func(name string, size int) {
		data := make([]byte, size)
		rng.Read(data)
		p := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	const large, small = 120 << 20, 30 << 10
	for i := range 4 {
		write(fmt.Sprintf("part-%d.bin", i), large)
	}
	for i := range 300 {
		write(fmt.Sprintf("docs/%d.html", i), small)
	}
	open := func(n node.Network) *node.Node {
		nd, err := node.Open(b.Context(), node.Options{Home: b.TempDir(), Network: n, Version: "bench", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { nd.Close() })
		return nd
	}
	seeding := make(chan *node.Seeding, 1)
	go open(quiet).Publish(b.Context(), node.PublishRequest{Path: src, PieceLength: 1 << 20}, func(e node.Event) {
		if e.Seeding != nil {
			select {
			case seeding <- e.Seeding:
			default:
			}
		}
	})
	s := <-seeding
	n := quiet
	n.Peers = []string{fmt.Sprintf("127.0.0.1:%d", s.Port)}
	b.SetBytes(4*large + 300*small)
	for b.Loop() {
		dir := b.TempDir()
		fetcher := open(n)
		r := node.FetchRequest{Ref: s.Magnet, Dir: dir, Timeout: 10 * time.Minute}
		if err := fetcher.Fetch(b.Context(), r, func(node.Event) {}); err != nil {
			b.Fatal(err)
		}
		if err := fetcher.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}
