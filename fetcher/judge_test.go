package fetcher_test

import (
	"bytes"
	"crypto/sha1"
	"testing"

	"github.com/anacrolix/torrent/storage"
	"github.com/p2pshare/p2pshare/fetcher"
)

// A piece hashes itself until it was wrong: then the engine has to see its blocks, to find out who sent them.
func TestSelfHash(t *testing.T) {
	for _, kind := range []string{"v1", "v1pads"} {
		t.Run(kind, func(t *testing.T) {
			m := tree(t, kind)
			_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
			info := m.view(true)
			impl := storageOf(t, s, info)
			for i := range m.Pieces {
				want := m.pieceBytes(info, i)
				piece := impl.Piece(info.Piece(i))
				if _, err := piece.WriteAt(want, 0); err != nil {
					t.Fatal(err)
				}
				self, ok := piece.(storage.SelfHashing)
				if !ok {
					t.Fatalf("piece %d, which was never wrong, does not hash itself", i)
				}
				for _, where := range []string{"from memory", "again"} {
					if got, err := self.SelfHash(); err != nil || got != sha1.Sum(want) {
						t.Errorf("piece %d %s: got %x, %v, want %x", i, where, got, err, sha1.Sum(want))
					}
				}
				if err := piece.MarkComplete(); err != nil {
					t.Fatal(err)
				}
				if got, err := self.SelfHash(); err != nil || got != sha1.Sum(want) {
					t.Errorf("piece %d from disk: got %x, %v, want %x", i, got, err, sha1.Sum(want))
				}
				if err := piece.MarkNotComplete(); err != nil {
					t.Fatal(err)
				}
				if _, ok := impl.Piece(info.Piece(i)).(storage.SelfHashing); ok {
					t.Errorf("piece %d, which was wrong, hashes itself", i)
				}
			}
			if got := s.Gathered(); got != 0 {
				t.Errorf("memory after the end: got %d bytes, want none", got)
			}
		})
	}
}

// A piece is in its file once it is hashed, and is not proven by that: one that was wrong, and one that nobody has
// judged when the fetch is killed, are not taken for right by the next.
func TestHashedIsNotProven(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	impl := storageOf(t, s, info)
	garbage := bytes.Repeat([]byte{0xaa}, testPiece)
	hash := func(i int, b []byte) storage.PieceImpl {
		t.Helper()
		piece := impl.Piece(info.Piece(i))
		if _, err := piece.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if sum, err := piece.(storage.SelfHashing).SelfHash(); err != nil || sum != sha1.Sum(b) {
			t.Fatalf("piece %d: got %x, %v", i, sum, err)
		}
		return piece
	}
	if err := hash(0, m.pieceBytes(info, 0)).MarkComplete(); err != nil {
		t.Fatal(err)
	}
	if err := hash(1, garbage).MarkNotComplete(); err != nil {
		t.Fatal(err)
	}
	hash(2, garbage)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p, s, proven := open(t, m, fetcher.Options{Dir: dir})
	if proven != testPiece {
		t.Errorf("proven: got %d bytes, want those of the first piece, %d", proven, testPiece)
	}
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}
