package engine

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// What answers a hash request leads to the file's root, whatever part of the layer it is for.
func TestHashesProveTheRoot(t *testing.T) {
	pad := metainfo.HashForPiecePad(64 << 10)
	for _, pieces := range []int{2, 3, 5, 46, 64, 512, 513, 600, 1024, 1025, 2049} {
		hashes := make([][32]byte, pieces)
		var layer strings.Builder
		for i := range hashes {
			hashes[i] = sha256.Sum256(fmt.Append(nil, i))
			layer.Write(hashes[i][:])
		}
		root := merkle.RootWithPadHash(hashes, pad)
		l := &pieceLayer{hashes: layer.String(), pad: pad}
		levels := bits.Len(uint(pieces - 1))
		for n := 1; n <= min(512, 1<<levels); n *= 2 {
			for index := 0; index < 1<<levels; index += n * max(1, (1<<levels)/n/8) {
				got := l.proven(index, n, levels-1)
				level := bits.Len(uint(n - 1))
				if want := 32 * (n + max(levels-level, 0)); len(got) != want {
					t.Fatalf("%d pieces, %d from %d: got %d bytes, want %d", pieces, n, index, len(got), want)
				}
				var base [][32]byte
				for i := range n {
					base = append(base, [32]byte(got[32*i:]))
				}
				sum := merkle.Root(base)
				for at := index >> level; level < levels; level, at = level+1, at/2 {
					uncle := got[32*(n+level-bits.Len(uint(n-1))):][:32]
					pair := append(sum[:], uncle...)
					if at%2 == 1 {
						pair = append(bytes.Clone(uncle), sum[:]...)
					}
					sum = sha256.Sum256(pair)
				}
				if sum != root {
					t.Fatalf("%d pieces, %d from %d: they make %x, want the root %x", pieces, n, index, sum, root)
				}
			}
		}
	}
}

func TestHashesThatCannotBeProven(t *testing.T) {
	l := &pieceLayer{hashes: strings.Repeat("h", 32*40)}
	for name, r := range map[string][3]int{
		"not a power of two":      {0, 3, 4},
		"not at a multiple of it": {1, 2, 4},
		"beyond the root":         {0, 2, 6},
		"far beyond the root":     {0, 2, 1 << 30},
	} {
		if got := l.proven(r[0], r[1], r[2]); got != nil {
			t.Errorf("%s: got %d bytes, want none", name, len(got))
		}
	}
	if got := l.proven(1, 3, 0); len(got) != 3*32 {
		t.Errorf("any part, without proofs: got %d bytes, want %d", len(got), 3*32)
	}
}

// Parts of a v2 torrent can be asked for as libtorrent does, which takes files to end with padding.
func TestV2RequestsOfOthers(t *testing.T) {
	const block = 16 << 10
	l := newLayered(t)
	end := append(bytes.Clone(l.data[5*block:]), make([]byte, block-100)...)
	piece := func(begin int, data []byte) []byte {
		return msg(pp.Piece, cat(nums(5, uint32(begin)), data)...)
	}
	layer := &pieceLayer{hashes: l.layers[string(l.root[:])], pad: metainfo.HashForPiecePad(block)}
	hashes := func(index, n, proofs uint32) []byte {
		return msg(pp.Hashes, cat(l.root[:], nums(0, index, n, proofs), layer.proven(int(index), int(n), int(proofs)))...)
	}
	for name, tc := range map[string]struct{ ask, want []byte }{
		"the end of a file, padded":     {msg(pp.Request, nums(5, 0, block)...), piece(0, end)},
		"a part of it":                  {msg(pp.Request, nums(5, 50, 100)...), piece(50, end[50:150])},
		"the end of a file alone":       {msg(pp.Request, nums(5, 0, 100)...), piece(0, end[:100])},
		"padding alone":                 {msg(pp.Request, nums(5, 100, 200)...), piece(100, make([]byte, 200))},
		"hashes of all pieces":          {hashMsg(pp.HashRequest, l.root, 0, 0, 8, 2), hashes(0, 8, 2)},
		"two hashes, with their proof":  {hashMsg(pp.HashRequest, l.root, 0, 2, 2, 2), hashes(2, 2, 2)},
		"hashes without a proof":        {hashMsg(pp.HashRequest, l.root, 0, 0, 8, 0), hashes(0, 8, 0)},
		"a proof beyond the root":       {hashMsg(pp.HashRequest, l.root, 0, 0, 8, 9), hashMsg(pp.HashReject, l.root, 0, 0, 8, 9)},
		"hashes of a layer of no piece": {hashMsg(pp.HashRequest, l.root, 1, 0, 4, 0), hashMsg(pp.HashReject, l.root, 1, 0, 4, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, func(s *Settings) { s.SuperSeed = SuperSeedOff })
			l.add(t, e, true)
			rw, _ := meet(t, at(e), l.short(), allBits, false)
			if _, err := rw.Write(msg(pp.Interested)); err != nil {
				t.Fatal(err)
			}
			hear(t, rw, func(m []byte) bool { return m[0] == byte(pp.Unchoke) })
			// Twice: what was asked for is forgotten when it is answered.
			for range 2 {
				if _, err := rw.Write(tc.ask); err != nil {
					t.Fatal(err)
				}
				kind := tc.want[lengthBytes]
				hear(t, rw, func(m []byte) bool {
					if m[0] != kind {
						return false
					}
					if !bytes.Equal(m, tc.want[lengthBytes:]) {
						t.Fatalf("got %d bytes, %x..., want %d, %x...", len(m), m[:min(len(m), 80)], len(tc.want)-lengthBytes, tc.want[lengthBytes:min(len(tc.want), 84)])
					}
					return true
				})
			}
		})
	}
}

// What is refused is what was asked for, not what was made of it.
func TestPaddedRequestIsRefusedWhole(t *testing.T) {
	w, x := new(wire), &extent{pieceLength: 16 << 10, tails: []tail{{piece: 5, length: 100}}}
	cut, err := w.cut(x, msg(pp.Request, nums(5, 0, 16<<10)...))
	if want := msg(pp.Request, nums(5, 0, 100)...); err != nil || !bytes.Equal(cut, want) {
		t.Fatalf("the client gets %x, %v, want %x", cut, err, want)
	}
	refusal := msg(pp.Reject, nums(5, 0, 100)...)
	if got, edit := w.fill(refusal); !edit || !bytes.Equal(got, msg(pp.Reject, nums(5, 0, 16<<10)...)) {
		t.Errorf("the peer gets %x, %v, want the refusal of %d bytes", got, edit, 16<<10)
	}
	if got, edit := w.fill(refusal); edit {
		t.Errorf("a second refusal becomes %x, want it left alone", got)
	}
}
