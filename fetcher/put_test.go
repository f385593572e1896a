package fetcher_test

import (
	"bytes"
	"sync"
	"testing"

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
			finish(t, s, dir)
			m.check(t, dir, nil)
		})
	}
}
