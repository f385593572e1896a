package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// offering is a peer of a look-up that says it has size bytes of metadata.
func offering(t *testing.T, e *Engine, hash [20]byte, size int) io.ReadWriter {
	t.Helper()
	rw, _ := meet(t, at(e), hash, allBits, false)
	if _, err := rw.Write(ext(0, fmt.Sprintf("d1:md11:ut_metadatai3ee13:metadata_sizei%dee", size))); err != nil {
		t.Fatal(err)
	}
	return rw
}

// askedFor reads until n parts of the metadata have been asked for. The numbers come after the other side's extension
// handshake, or nobody could answer.
func askedFor(t *testing.T, r io.Reader, n int) (parts []int) {
	t.Helper()
	shaken := false
	hear(t, r, func(m []byte) bool {
		var part int
		if pp.MessageType(m[0]) == pp.Extended && m[1] == 0 {
			shaken = true
		} else if _, err := fmt.Sscanf(string(m[1:]), "\x03d8:msg_typei0e5:piecei%de", &part); err == nil {
			if !shaken {
				t.Error("metadata is asked for before the extension handshake")
			}
			parts = append(parts, part)
		}
		return len(parts) == n
	})
	return parts
}

func metadataPartOf(info []byte, part int) []byte {
	b := info[part*metadataPart : min(len(info), (part+1)*metadataPart)]
	return ext(idMetadata, fmt.Sprintf("d8:msg_typei1e5:piecei%de10:total_sizei%dee%s", part, len(info), b))
}

// Whatever another peer says of the size and gives, before the honest one has answered or after: its answer counts.
func TestMetadataBesideALiar(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	for name, size := range map[string]int{"of 7 parts": 100_000, "of the same size": len(p.info), "of one byte": 1} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answers first: %v", name, first), func(t *testing.T) {
				e := start(t, nil)
				look, err := e.Add(Spec{V1: &p.hash})
				if err != nil {
					t.Fatal(err)
				}
				honest := offering(t, e, p.hash, len(p.info))
				askedFor(t, honest, 1)
				lie := bytes.Repeat([]byte("l"), size)
				liar := offering(t, e, p.hash, size)
				asked := askedFor(t, liar, (size+metadataPart-1)/metadataPart)
				answer := func() {
					for _, i := range asked {
						liar.Write(metadataPartOf(lie, i)) // the connection may have ended
					}
				}
				if first {
					answer()
					if n, err := io.Copy(io.Discard, liar); err != nil {
						t.Errorf("after it lied: read %d bytes, and then %v, want the connection's end", n, err)
					}
				}
				if _, err := honest.Write(metadataPartOf(p.info, 0)); err != nil {
					t.Fatal(err)
				}
				if !first {
					answer()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if got, err := look.Metadata(ctx); err != nil || !bytes.Equal(got, p.info) {
					t.Errorf("got %d bytes and %v, want the honest peer's %d", len(got), err, len(p.info))
				}
			})
		}
	}
}

// clocked is a look-up whose clock the test moves.
type clocked struct {
	*lookup
	info []byte
	at   time.Time
}

func newClocked(info []byte) *clocked {
	hash := metainfo.HashBytes(info)
	sum := sha256.Sum256(info)
	c := &clocked{newLookup(Spec{V1: &hash, V2: &sum}), info, time.Now()}
	c.now = func() time.Time { return c.at }
	return c
}

func (c *clocked) is() bool {
	select {
	case <-c.found:
		return bytes.Equal(c.lookup.info, c.info)
	default:
		return false
	}
}

// pass lets time pass, and looks as often as is promised.
func (c *clocked) pass(d time.Duration) {
	for end := c.at.Add(d); c.at.Before(end); {
		c.at = c.at.Add(metadataLook)
		c.tend()
	}
}

// source is a peer of a look-up.
type source struct {
	g     *giver
	c     *clocked
	info  []byte // what it has
	asked []int  // and has not been answered
	ended bool
	gone  chan struct{}
}

func (c *clocked) source(info []byte) *source {
	s := &source{c: c, info: info, gone: make(chan struct{})}
	s.g = c.offer(len(info), func(part int) { s.asked = append(s.asked, part) }, func() { s.ended = true }, s.gone)
	return s
}

// give answers at most n of what it was asked for.
func (s *source) give(n int) (err error) {
	for ; n > 0 && err == nil && len(s.asked) > 0; n-- {
		i := s.asked[0]
		s.asked = s.asked[1:]
		err = s.c.take(s.g, i, s.info[i*metadataPart:min(len(s.info), (i+1)*metadataPart)], len(s.info))
	}
	return err
}

func noise(size int, c byte) []byte { return bytes.Repeat([]byte{c}, size) }

func TestMetadataOfSeveral(t *testing.T) {
	c := newClocked(noise(40*metadataPart-100, 'i'))
	var all []*source
	for range 3 {
		all = append(all, c.source(c.info))
	}
	came := 0
	for ; !c.is(); came++ {
		s := all[came%3]
		if len(s.asked) == 0 {
			t.Fatalf("after %d parts one is asked for nothing", came)
		}
		if err := s.give(1); err != nil {
			t.Fatal(err)
		}
	}
	// What was asked of two at a time may come twice.
	if most := 40 + 3*metadataWindow; came > most {
		t.Errorf("%d parts came for 40, want at most %d", came, most)
	}
}

func TestMetadataThatSeveralDisagreeOn(t *testing.T) {
	c := newClocked(noise(40*metadataPart, 'i'))
	liar, honest := c.source(noise(len(c.info), 'l')), c.source(c.info)
	for liar.give(1) == nil && !c.sizes[len(c.info)].spoiled {
		if err := honest.give(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := honest.give(100); err != nil || !c.is() {
		t.Errorf("got %v, %v, want the honest peer asked for all, and its metadata", c.is(), err)
	}
}

// Two liars each spoil what the other and an honest peer have sent, and are found out when they have sent it all.
func TestMetadataOfLiarsWhoAreDone(t *testing.T) {
	c := newClocked(noise(6*metadataPart, 'i'))
	a, b, honest := c.source(noise(len(c.info), 'a')), c.source(noise(len(c.info), 'b')), c.source(c.info)
	for _, s := range []*source{a, b} {
		if err := s.give(5); err != nil {
			t.Fatal(err)
		}
	}
	errA, errB := a.give(10), b.give(10)
	if errA != errMetadata && !a.ended || errB != errMetadata && !b.ended {
		t.Errorf("the liars: got %v, ended %v, and %v, %v, want both connections to end", errA, a.ended, errB, b.ended)
	}
	if err := honest.give(10); err != nil || !c.is() {
		t.Errorf("got %v, %v, want the honest peer's metadata", c.is(), err)
	}
}

func TestMetadataOfSilentPeers(t *testing.T) {
	c := newClocked(noise(300, 'i'))
	for range 5 * metadataAtOnce {
		c.source(noise(300, 'l')) // never answers
	}
	dripping := c.source(noise(16<<20, 'l'))
	honest := c.source(c.info)
	if len(honest.asked) > 0 {
		t.Fatal("all are asked at once")
	}
	for range 20 {
		c.pass(metadataPatience)
		if err := dripping.give(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := honest.give(1); err != nil || !c.is() {
		t.Errorf("got %v, %v, want the last of them asked too", c.is(), err)
	}
	if late := c.source(c.info); len(late.asked) > 0 {
		t.Error("one more is asked after it is there")
	}
}

func TestMetadataThatIsRefused(t *testing.T) {
	c := newClocked(noise(300, 'i'))
	s := c.source(c.info)
	for range 3 {
		if !slices.Equal(s.asked, []int{0}) {
			t.Fatalf("asked for %v, want the part", s.asked)
		}
		s.asked = nil
		c.refuse(s.g, 0)
		c.refuse(s.g, 0)
		c.refuse(s.g, 7)
		c.refuse(s.g, -1)
		if c.pass(metadataRest / 2); len(s.asked) > 0 {
			t.Fatal("it is asked again at once")
		}
		c.pass(metadataRest)
	}
	if err := s.give(1); err != nil || !c.is() {
		t.Errorf("got %v, %v, want what it gives in the end", c.is(), err)
	}
}

// What a connection sent that ended is asked of others.
func TestMetadataOfWhoLeaves(t *testing.T) {
	c := newClocked(noise(3*metadataPart, 'i'))
	a := c.source(c.info)
	if err := a.give(2); err != nil {
		t.Fatal(err)
	}
	b := c.source(c.info)
	if len(b.asked) != 1 {
		t.Errorf("asked for %v, want the one that is lacking", b.asked)
	}
	close(a.gone)
	c.pass(metadataLook)
	if err := b.give(3); err != nil || !c.is() || c.bytes != 0 {
		t.Errorf("got %v, %v, and %d bytes held, want all of the second, and none", c.is(), err, c.bytes)
	}
}

func TestMetadataHeldIsBounded(t *testing.T) {
	c := newClocked(noise(40*metadataPart, 'i'))
	var liars []*source
	for range 20 {
		liars = append(liars, c.source(noise(maxMetadata, 'l')))
	}
	honest := c.source(c.info)
	most := int64(0)
	for range 900 { // nearly all
		c.at = c.at.Add(metadataLook)
		c.tend()
		for _, s := range liars {
			if err := s.give(1); err != nil {
				t.Fatal(err)
			}
			most = max(most, c.bytes)
		}
	}
	if most > maxLookup || most < maxLookup/2 {
		t.Errorf("%d bytes are held, want at most %d, and the test to come near", most, maxLookup)
	}
	if err := honest.give(100); err != nil || !c.is() {
		t.Errorf("got %v, %v, want the honest peer's metadata all the same", c.is(), err)
	}
}

// The client is not told of metadata that is asked for here.
func TestLookUpIsNotTheClients(t *testing.T) {
	in := "d1:md11:ut_metadatai3ee13:metadata_sizei40960ee"
	if got, err := said(t, ext(0, in), extents[1]); err != nil || !bytes.Equal(got, ext(0, "d1:ei0e1:md11:ut_metadatai3eee")) {
		t.Errorf("the client is given %q, %v; want no size", got, err)
	}
}

func TestSaysPrivate(t *testing.T) {
	for info, want := range map[string]bool{
		"d7:privatei1ee": true, "d7:privatei0ee": false, "d7:private1:xe": true, "de": false, "d6:lengthi1ee": false, "le": false,
	} {
		if got := saysPrivate([]byte(info)); got != want {
			t.Errorf("%s: got %v, want %v", info, got, want)
		}
	}
}
