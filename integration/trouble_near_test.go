//go:build linux

package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// A peer on the same network offers whole pieces beside one that gives them, and does not keep its word: the fetch ends with
// the right bytes.
func TestPeersThatOfferWholePieces(t *testing.T) {
	t.Parallel()
	const length = 32 << 10
	answer := func(w io.Writer, begin, end int) {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", (end-begin)*length)
	}
	for name, whole := range map[string]func(w io.Writer, begin, end int){
		"and give wrong ones": func(w io.Writer, begin, end int) {
			answer(w, begin, end)
			w.Write(bytes.Repeat([]byte{0x5a}, (end-begin)*length))
		},
		"and break off": func(w io.Writer, begin, end int) {
			answer(w, begin, end)
			w.Write(make([]byte, length/2))
		},
		"and answer without an end": func(w io.Writer, _, _ int) {
			for err := error(nil); err == nil; {
				_, err = fmt.Fprintf(w, "HTTP/1.1 100 Continue\r\nX: %0900d\r\n\r\n", 1)
			}
		},
		"and speak no HTTP": func(w io.Writer, _, _ int) { w.Write(make([]byte, 100)) },
		"and say nothing":   func(io.Writer, int, int) { <-time.After(3 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 3, payload.OneFile, "--piece-length", "32KiB", "--max-up", "256KiB")
			liar := &rogue.Peer{Pieces: 92, Whole: whole}
			roguePeer(t, s.lab.Host(2), liar)
			p, out := s.joined(t, 3, []int{1, 2})
			if _, err := p.Stdout.Line(within(t, time.Minute), func(l string) bool { return strings.Contains(l, `"phase":"fetching"`) }); err != nil {
				t.Fatal(err)
			}
			// Held until the liar is asked, or it might bring everything before.
			if err := s.seeder.Pause(); err != nil {
				t.Fatal(err)
			}
			if err := p.Until(within(t, time.Minute), "the liar is asked for whole pieces", func() bool { return liar.WholeAsked.Load() > 0 }); err != nil {
				t.Fatal(err)
			}
			if err := s.seeder.Resume(); err != nil {
				t.Fatal(err)
			}
			s.whole(t, p, out)
		})
	}
}
