package engine

import (
	"strings"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
)

// TestImpossibleInfohashes: the client would panic on them with its lock held, after which nothing of it answers.
func TestImpossibleInfohashes(t *testing.T) {
	e := start(t, nil)
	good := metainfo.Hash{1}
	for _, c := range []struct {
		name string
		s    Spec
		want string
	}{
		{"none", Spec{}, "no infohash"},
		{"v1 of zeros", Spec{V1: &metainfo.Hash{}}, "all zeros"},
		{"v2 of zeros", Spec{V2: new([32]byte)}, "all zeros"},
		{"v2 that is cut to zeros", Spec{V2: &[32]byte{31: 1}}, "all zeros"},
		{"a hybrid with a half of zeros", Spec{V1: &good, V2: new([32]byte)}, "all zeros"},
		{"a hybrid with the other half of zeros", Spec{V1: &metainfo.Hash{}, V2: &[32]byte{1}}, "all zeros"},
	} {
		if x, err := e.Add(c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", c.name, x, err, c.want)
		}
	}
	x, err := e.Add(Spec{V1: &good})
	if err != nil {
		t.Fatalf("after them: %v", err)
	}
	x.Close()
}
