package engine

import "testing"

// choosy is a storage that keeps only some of what is written to it.
type choosy struct{ memory }

func (*choosy) Kept() int64 { return 1000 }

// What the storage does not keep was received all the same, and is still lacking, which trackers are told.
func TestKeptBytesAreTheStoragesWord(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	a, b := start(t, nil), start(t, nil)
	p.seed(t, a, Spec{})
	m := &choosy{memory{data: make([]byte, len(p.data)), done: map[int]bool{}}}
	size := int64(len(p.data))
	tt, err := b.Add(Spec{V1: &p.hash, Info: p.info, Storage: m, Total: size, Rest: 10, Peers: []string{at(a)}})
	if err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	await(t, "all bytes", func() bool { return tt.Stats().FromPeers == size })
	tt.near.got.Add(50)
	if s := tt.Stats(); s.FromPeers != size+50 || s.Kept != 1050 || s.Near != 50 {
		t.Errorf("got %d bytes, kept %d, in whole pieces %d, want %d, 1050 and 50", s.FromPeers, s.Kept, s.Near, size+50)
	}
	if _, down, left := tt.announceCounts(); down != size+50 || left != size-1050+10 {
		t.Errorf("announced: %d down, %d left, want %d and %d", down, left, size+50, size-1050+10)
	}
}
