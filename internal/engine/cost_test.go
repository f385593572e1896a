package engine

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// The swarm whose tactics are to cost next to nothing: a fetch of 5,000 pieces of 1 MiB takes 52 s at 100 MB/s.
const (
	costPieces = 5000
	costPeers  = 100
)

// BenchmarkHolding is what one of the hundred peers of such a fetch says, and what is asked of it: 50 pieces of 64 blocks
// come from each, between news of all the pieces that it gets from others.
func BenchmarkHolding(b *testing.B) {
	const blocks = costPieces * 64 / costPeers
	const asked = 16 // at a time
	var in bytes.Buffer
	in.Write(theirHandshake(true))
	in.Write(message(pp.HaveNone))
	block := message(pp.Piece, make([]byte, 8+16<<10)...)
	order := rand.Perm(costPieces)
	for n := range blocks {
		from, to := n*costPieces/blocks, (n+1)*costPieces/blocks
		for _, i := range order[from:to] {
			in.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 5, byte(pp.Have)}, uint32(i)))
		}
		in.Write(block)
	}
	request := bytes.Repeat(message(pp.Request, make([]byte, 12)...), asked)
	run := func(b *testing.B, wrap func(*cut) io.ReadWriter) {
		b.SetBytes(int64(in.Len()))
		for b.Loop() {
			c := wrap(&cut{data: in.Bytes(), by: 64 << 10})
			c.Write(make([]byte, handshakeBytes))
			buf := make([]byte, 128<<10) // as the client reads
			for left := 0; ; {
				if left <= 0 {
					c.Write(request)
					left += asked * len(block)
				}
				n, err := c.Read(buf)
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				left -= n
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(costPieces+blocks), "ns/message")
	}
	b.Run("held", func(b *testing.B) {
		run(b, func(c *cut) io.ReadWriter {
			return newHolding(c, time.Now, func([20]byte) (int, bool) { return costPieces, true })
		})
	})
	b.Run("bare", func(b *testing.B) { run(b, func(c *cut) io.ReadWriter { return c }) })
}

// crowded is a fetch of a torrent with a hundred peers that have half of it.
func crowded(t testing.TB) *Torrent {
	e := start(t, nil)
	p := blankPayload(t, costPieces)
	tt := p.wanted(t, e)
	for range costPeers {
		f := call(t, e, p, false, true)
		field := make([]byte, (costPieces+7)/8)
		for i := range field {
			field[i] = byte(rand.Uint32())
		}
		if _, err := f.rw.Write(message(pp.Bitfield, field...)); err != nil {
			t.Fatal(err)
		}
	}
	awaits(t, "all have said what they have", func() bool {
		n := int32(0)
		for _, h := range tt.Standing().Holders {
			n += h
		}
		return n > costPeers*costPieces*49/100
	})
	return tt
}

func BenchmarkStanding(b *testing.B) {
	tt := crowded(b)
	for b.Loop() {
		if s := tt.Standing(); !slices.Contains(s.Missing, true) {
			b.Fatal("nothing is missing")
		}
	}
}
