package engine

import (
	"bytes"
	"crypto/sha1"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// blankPayload is a torrent of pieces of 256 KiB that are all zeros.
func blankPayload(t testing.TB, pieces int) payload {
	t.Helper()
	const pieceLength = 256 << 10
	sum := sha1.Sum(make([]byte, pieceLength))
	info, err := bencode.Marshal(metainfo.Info{
		Name: "blank", PieceLength: pieceLength, Length: int64(pieces) * pieceLength, Pieces: bytes.Repeat(sum[:], pieces),
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload{info: info, hash: metainfo.HashBytes(info), pieces: pieces}
}

// wanted is a fetch of all of p that has nothing and writes nothing.
func (p payload) wanted(t testing.TB, e *Engine) *Torrent {
	t.Helper()
	tt, err := e.Add(Spec{V1: &p.hash, Info: p.info, Storage: &memory{done: map[int]bool{}}, Total: int64(p.pieces) << 18})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tt.Close)
	tt.Want(0, p.pieces)
	return tt
}

// A peer that has one piece is asked for it, however much else is wanted before that piece. The client's default of 64 MiB
// that it looks at (MaxUnverifiedBytes) would be full of pieces that nobody has: a fetch from a super-seeding origin
// came to rest so, over and over.
func TestTheOnlyPieceOfAPeerIsAskedFor(t *testing.T) {
	e := start(t, nil)
	p := blankPayload(t, 512)
	tt := p.wanted(t, e)
	last, before := -1, 0
	for i := range p.pieces {
		if tt.t.Piece(i).State().Priority == torrent.PiecePriorityNormal {
			last = i
		} else {
			before++
		}
	}
	if last < 0 || before < 300 {
		t.Fatalf("%d pieces are wanted before piece %d: the test proves nothing", before, last)
	}
	f := call(t, e, p, false, true)
	if _, err := f.rw.Write(haveNone); err != nil {
		t.Fatal(err)
	}
	f.have(last)
	if _, err := f.rw.Write(message(pp.Unchoke)); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go f.listen(1, asked)
	select {
	case <-asked:
	case <-time.After(15 * time.Second):
		t.Fatalf("the peer was not asked for piece %d, the only one it has", last)
	}
}
