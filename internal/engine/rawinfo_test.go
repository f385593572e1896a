package engine

import (
	"bytes"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// A torrent whose info the client's own decoder refuses is seeded and fetched all the same, and its info goes out as it is.
func TestInfoThatTheClientCannotRead(t *testing.T) {
	for about, change := range map[string]func(info string) string{
		"source is a number":        func(s string) string { return strings.TrimSuffix(s, "e") + "6:sourcei5ee" },
		"zeros before an integer":   func(s string) string { return strings.Replace(s, "12:piece lengthi", "12:piece lengthi00", 1) },
		"odd dictionary in a key":   func(s string) string { return strings.TrimSuffix(s, "e") + "1:xd1:bi1e1:ai2eee" },
		"zeros before a key's size": func(s string) string { return strings.Replace(s, "4:name", "04:name", 1) },
	} {
		t.Run(about, func(t *testing.T) {
			p := newPayload(t, 100_000, false)
			judged := new(metainfo.Info)
			if err := bencode.Unmarshal(p.info, judged); err != nil {
				t.Fatal(err)
			}
			p.info = []byte(change(string(p.info)))
			p.hash = metainfo.HashBytes(p.info)
			if bencode.Unmarshal(p.info, new(metainfo.Info)) == nil {
				t.Fatal("the client reads it, so the test says nothing")
			}
			a, b := start(t, nil), start(t, nil)
			seeded := p.seed(t, a, Spec{Judged: judged})
			if got := seeded.t.Metainfo().InfoBytes; !bytes.Equal(got, p.info) {
				t.Errorf("served: got %q, want the bytes as they are", got)
			}
			look, err := b.Add(Spec{V1: &p.hash, Peers: []string{at(a)}})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := look.Metadata(t.Context()); err != nil || !bytes.Equal(got, p.info) {
				t.Fatalf("from a peer: got %q, %v, want the bytes as they are", got, err)
			}
			look.Found()
			m := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
			tt, err := b.Add(Spec{V1: &p.hash, Info: p.info, Judged: judged, Storage: m, Total: int64(len(p.data)), Peers: []string{at(a)}})
			if err != nil {
				t.Fatal(err)
			}
			tt.Want(0, p.pieces)
			if err := tt.Wait(t.Context(), [][2]int{{0, p.pieces}}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.data, p.data) {
				t.Error("the bytes differ")
			}
		})
	}
}
