package fetcher_test

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/fetcher"
)

// A piece that comes whole replaces what peers had sent of it, and only if it is right.
func TestPutWhole(t *testing.T) {
	for _, kind := range []string{"v1", "v1pads"} {
		t.Run(kind, func(t *testing.T) {
			m := tree(t, kind)
			dir := t.TempDir()
			_, s, _ := open(t, m, fetcher.Options{Dir: dir})
			info := m.view(true)
			impl := storageOf(t, s, info)
			whole := s.Whole()
			var all sync.WaitGroup
			for i := range m.Pieces {
				want := m.pieceBytes(info, i)
				garbage := bytes.Repeat([]byte{0xaa}, len(want))
				all.Go(func() {
					piece := impl.Piece(info.Piece(i))
					for off := 0; off < len(want); off += 1000 { // a peer sends garbage all the while
						if _, err := piece.WriteAt(garbage[:min(1000, len(want)-off)], int64(off)); err != nil {
							t.Error(err)
						}
					}
				})
				all.Go(func() {
					if right, fresh, err := whole.Put(i, garbage); right || fresh || err != nil {
						t.Errorf("garbage for piece %d: got %v, %v, %v, want it refused", i, right, fresh, err)
					}
					if right, fresh, err := whole.Put(i, want); !right || !fresh || err != nil {
						t.Errorf("piece %d: got %v, %v, %v, want it kept", i, right, fresh, err)
					}
					if right, fresh, err := whole.Put(i, want); !right || fresh || err != nil {
						t.Errorf("piece %d again: got %v, %v, %v, want it there already", i, right, fresh, err)
					}
				})
			}
			all.Wait()
			if kept := s.Kept(); kept != 0 {
				t.Errorf("kept %d bytes of the garbage, want none", kept)
			}
			finish(t, s, dir)
			m.check(t, dir, nil)
		})
	}
}

// slow is a hash that stops at its first bytes until it may go on.
type slow struct {
	begun, on chan struct{}
	once      sync.Once
}

func (w *slow) Write(b []byte) (int, error) {
	w.once.Do(func() {
		close(w.begun)
		<-w.on
	})
	return len(b), nil
}

// A piece that peers sent wrong is written while it is hashed: what comes whole meanwhile is written after it, or it would
// be overwritten and still be called right.
func TestPutWhileWrongIsWritten(t *testing.T) {
	m := tree(t, "v1")
	_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
	info := m.view(true)
	piece := storageOf(t, s, info).Piece(info.Piece(0))
	want := m.pieceBytes(info, 0)
	if _, err := piece.WriteAt(bytes.Repeat([]byte{0xaa}, len(want)), 0); err != nil {
		t.Fatal(err)
	}
	hash := &slow{begun: make(chan struct{}), on: make(chan struct{})}
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := piece.(io.WriterTo).WriteTo(hash); err != nil {
			t.Error(err)
		}
	})
	<-hash.begun
	put := make(chan struct{})
	both.Go(func() {
		defer close(put)
		if right, fresh, err := s.Whole().Put(0, want); !right || !fresh || err != nil {
			t.Errorf("got %v, %v, %v, want it kept", right, fresh, err)
		}
	})
	select {
	case <-put: // too early: the rest of the wrong one is still to be written
	case <-time.After(50 * time.Millisecond):
	}
	close(hash.on)
	both.Wait()
	got := make([]byte, len(want))
	if _, err := piece.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the piece: got other bytes than were put (%v)", err)
	}
}

// Peers' wrong bytes of a piece may be judged after it came whole and was kept: that is no judgement of what is there.
func TestPutIsKeptWhenPeersWereWrong(t *testing.T) {
	m := tree(t, "v1")
	dir := t.TempDir()
	_, s, _ := open(t, m, fetcher.Options{Dir: dir})
	info := m.view(true)
	impl, whole := storageOf(t, s, info), s.Whole()
	for i := range m.Pieces {
		if right, fresh, err := whole.Put(i, m.pieceBytes(info, i)); !right || !fresh || err != nil {
			t.Fatalf("piece %d: got %v, %v, %v, want it kept", i, right, fresh, err)
		}
		piece := impl.Piece(info.Piece(i))
		if err := piece.MarkNotComplete(); err != nil {
			t.Fatal(err)
		}
		if c := piece.Completion(); !c.Complete {
			t.Errorf("piece %d: got incomplete, want what was put", i)
		}
	}
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// A piece of which everything came from peers is hashed while it comes whole: either way it is right.
func TestHashWhilePut(t *testing.T) {
	m := tree(t, "v1")
	info := m.view(true)
	for range 300 {
		_, s, _ := open(t, m, fetcher.Options{Dir: t.TempDir()})
		impl, whole := storageOf(t, s, info), s.Whole()
		var all sync.WaitGroup
		for i := range m.Pieces {
			want, piece := m.pieceBytes(info, i), impl.Piece(info.Piece(i))
			if _, err := piece.WriteAt(want, 0); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if right, _, err := whole.Put(i, want); !right || err != nil {
					t.Errorf("piece %d: got %v, %v, want it kept", i, right, err)
				}
			})
			all.Go(func() {
				var got bytes.Buffer
				if _, err := piece.(io.WriterTo).WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("piece %d: hashed %d bytes that are not right (%v)", i, got.Len(), err)
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
	}
}
