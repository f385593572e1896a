package fetcher_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anacrolix/torrent/storage"
	"github.com/p2pshare/p2pshare/fetcher"
)

// A piece whose blocks stopped coming gives its memory to another, and is not lost.
func TestStalePieceIsWrittenOut(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	clock := time.Now()
	s.SetClock(func() time.Time { return clock })
	s.SetGatherLimit(testPiece)
	info := m.view(true)
	impl := storageOf(t, s, info)
	first, second := impl.Piece(info.Piece(0)), impl.Piece(info.Piece(1))
	put := func(p storage.PieceImpl, i, from, to int) {
		t.Helper()
		if _, err := p.WriteAt(m.pieceBytes(info, i)[from:to], int64(from)); err != nil {
			t.Fatal(err)
		}
	}
	put(first, 0, 4000, 9000)
	clock = clock.Add(time.Minute)
	put(second, 1, 0, 5000)
	if got := s.Gathered(); got != testPiece {
		t.Errorf("memory: got %d bytes, want those of one piece", got)
	}
	// The first is direct now, the second gathered; both come out whole.
	put(first, 0, 0, 4000)
	put(first, 0, 9000, testPiece)
	put(second, 1, 5000, testPiece)
	for i, piece := range []storage.PieceImpl{first, second} {
		judge(t, m, info, piece, i, false)
	}
	if got := s.Kept(); got != 2*testPiece {
		t.Errorf("kept %d bytes of two pieces of %d, one of which was written out before it was full", got, testPiece)
	}
	transfer(t, m, s, info, p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// A full piece does not change any more, whoever writes to it: its hash would not hold.
func TestFullPieceStands(t *testing.T) {
	m := tree(t, "v1")
	_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
	info := m.view(true)
	piece := storageOf(t, s, info).Piece(info.Piece(0))
	want := m.pieceBytes(info, 0)
	garbage := bytes.Repeat([]byte{0xaa}, len(want))
	if _, err := piece.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"full", "complete"} {
		if _, err := piece.WriteAt(garbage, 0); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := (storage.Piece{PieceImpl: piece}).WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: got other bytes than were written first (%v)", when, err)
		}
		if err := piece.MarkComplete(); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(want int) {
		t.Helper()
		if got := s.Kept(); got != int64(want) {
			t.Errorf("kept %d bytes, want %d", got, want)
		}
	}
	kept(len(want)) // what came again is not kept twice
	// Only if it is called wrong may it be written anew.
	if err := piece.MarkNotComplete(); err != nil {
		t.Fatal(err)
	}
	kept(0)
	if piece.Completion().Complete {
		t.Error("complete after MarkNotComplete")
	}
	if _, err := piece.WriteAt(garbage, 0); err != nil {
		t.Fatal(err)
	}
	kept(len(garbage))
	b := make([]byte, 10)
	if _, err := piece.ReadAt(b, 100); err != nil || !bytes.Equal(b, garbage[:10]) {
		t.Errorf("got %x, %v, want the bytes written anew", b, err)
	}
}

// Blocks of any length and place, overlapping too, come out as they went in.
func TestOddBlocks(t *testing.T) {
	m := tree(t, "v1pads")
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	impl := storageOf(t, s, info)
	for i := range m.Pieces {
		want := m.pieceBytes(info, i)
		piece := impl.Piece(info.Piece(i))
		for _, k := range rand.Perm(len(want)) {
			if k%97 != 0 && k != 0 {
				continue
			}
			end := min(len(want), k+97+rand.IntN(300))
			if _, err := piece.WriteAt(want[k:end], int64(k)); err != nil {
				t.Fatal(err)
			}
		}
		judge(t, m, info, piece, i, false)
	}
	if got := s.Kept(); got != info.TotalLength() {
		t.Errorf("kept %d bytes of blocks that overlap, want %d", got, info.TotalLength())
	}
	if n := len(p.Wanted()); n != 1 {
		t.Errorf("got %d ranges of wanted pieces, want 1", n)
	}
	finish(t, s, dir)
	m.check(t, dir, nil)
	if got := s.Gathered(); got != 0 {
		t.Errorf("memory after the end: got %d bytes, want none", got)
	}
}

func TestManyFiles(t *testing.T) {
	var files []item
	for i := range 3000 {
		files = append(files, item{path: fmt.Sprintf("d%02d/f%04d", i%50, i), size: i % 40})
	}
	m := build(t, "v1", testPiece, files...)
	dir := t.TempDir()
	p, s, _ := open(t, m, fetcher.Options{Dir: dir})
	transfer(t, m, s, m.view(true), p.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}
