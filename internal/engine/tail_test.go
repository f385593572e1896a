package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// A peer that claims everything, is asked for blocks and sends none does not hold up a fetch that
// has another peer, whose connection is there before the first may be given up.
func TestSilentPeerHoldsNothingUp(t *testing.T) {
	seeder, e := start(t, nil), start(t, nil)
	p := newPayload(t, 256<<10, false)
	p.seed(t, seeder, Spec{})
	m := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
	tt, err := e.Add(Spec{V1: &p.hash, Info: p.info, Storage: m, Total: int64(len(p.data))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tt.Close)
	tt.Want(0, p.pieces)

	silent := call(t, e, p, false, true)
	silent.conn.SetDeadline(time.Time{})
	if _, err := silent.rw.Write([]byte{0, 0, 0, 1, byte(pp.HaveAll), 0, 0, 0, 1, byte(pp.Unchoke)}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go silent.listen(1, asked)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-asked:
	case <-ctx.Done():
		t.Fatal("the silent peer was asked for nothing")
	}
	tt.AddPeers(at(seeder))
	if err := tt.Wait(ctx, [][2]int{{0, p.pieces}}); err != nil {
		t.Fatalf("not fetched: %v (stats %+v)", err, tt.Stats())
	}
	if !bytes.Equal(m.data, p.data) {
		t.Error("the bytes differ")
	}
}

// listen closes asked when it has been asked for as many blocks, and reads on until the connection ends.
func (f *foreign) listen(blocks int, asked chan struct{}) {
	head := make([]byte, lengthBytes)
	for {
		if _, err := io.ReadFull(f.rw, head); err != nil {
			return
		}
		m := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(f.rw, m); err != nil {
			return
		}
		if len(m) > 0 && pp.MessageType(m[0]) == pp.Request {
			if blocks--; blocks == 0 {
				close(asked)
			}
		}
	}
}
