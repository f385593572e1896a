package engine

import (
	"slices"
	"testing"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// What a web seed is told of the swarm: who has what, each peer once, and who of our kind lacks something.
func TestStanding(t *testing.T) {
	e := start(t, nil)
	p := blankPayload(t, 70)
	tt := p.wanted(t, e)
	first, fifth := make([]byte, 9), make([]byte, 9)
	first[0], first[8] = 0x80, 0x04 // pieces 0 and 69
	fifth[0] = 0x04
	for _, c := range []struct {
		id   string
		says [][]byte
	}{
		{"-Ps0100-lacks-some-1", [][]byte{message(pp.Bitfield, first...), haveOf(3)}},
		{"-Ps0100-lacks-some-1", [][]byte{message(pp.Bitfield, first...), haveOf(3)}}, // by another connection
		{"-Ps0100-lacks-all-12", [][]byte{haveNone}},
		{"-Ps0100-lacks-none-1", [][]byte{message(pp.HaveAll)}},
		{"-XX0001-lacks-some-1", [][]byte{message(pp.Bitfield, fifth...)}},
	} {
		if _, err := callAs(t, e, p, c.id, false, true).rw.Write(slices.Concat(c.says...)); err != nil {
			t.Fatal(err)
		}
	}
	want := make([]int32, 70)
	for i := range want {
		want[i] = 1
	}
	want[0]++
	want[3]++
	want[5]++
	want[69]++
	var s Standing
	awaits(t, "all has been heard", func() bool {
		s = tt.Standing()
		return slices.Equal(s.Holders, want) && len(s.Rivals) == 2
	})
	for _, id := range s.Rivals {
		if got := string(id[:]); got != "-Ps0100-lacks-some-1" && got != "-Ps0100-lacks-all-12" {
			t.Errorf("got rival %q, want those of our kind that lack something", got)
		}
	}
	if slices.Contains(s.Missing, false) || slices.Contains(s.Begun, true) {
		t.Errorf("got missing %v and begun %v, want all and none", s.Missing, s.Begun)
	}
}
