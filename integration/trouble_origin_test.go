//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// originBytes are small, for most of the time of these tests is the time that they take to leave.
const originBytes = 1_500_000

// orphans are a swarm of three fetchers that may lose its origin, a daemon on host 1 whose uplink is narrow.
type orphans struct {
	swarm
	home   string
	origin *client.Daemon
	list   []*orphan
}

type orphan struct {
	*client.Process
	at   *netlab.Host
	host int
	out  string
}

func newOrphans(t *testing.T, flags ...[]string) *orphans {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.iso")
	if err := payload.Write(path, originBytes, 10); err != nil {
		t.Fatal(err)
	}
	s := &orphans{swarm: swarm{lab: newLab(t, 1+len(flags)), path: path}, home: filepath.Join(t.TempDir(), "home")}
	s.begin(t, "--max-up", "400KiB")
	// Pieces of one block each: none is there in part, and so nothing of what came is lost with a process.
	p := us
	p.Home = s.home
	magnet, err := p.Command(t, s.lab.Host(1), "publish", "--no-wait", "--piece-length", "16KiB", path).Output()
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	s.ref = infohash(t, string(magnet))
	for i, more := range flags {
		f := &orphan{host: 2 + i, at: s.lab.Host(2 + i), out: t.TempDir()}
		s.join(t, f, more...)
		s.list = append(s.list, f)
	}
	return s
}

func (s *orphans) begin(t *testing.T, flags ...string) {
	t.Helper()
	s.origin = daemon(t, s.lab.Host(1), s.home, append(append(flags, "--port", "6881"), nothing...)...)
}

// join starts a fetcher, or starts it anew.
func (s *orphans) join(t *testing.T, f *orphan, flags ...string) {
	t.Helper()
	f.Process, _ = s.joinedInto(t, f.host, []int{1, 2, 3, 4}, f.out, flags...)
}

// answer is what a fetcher's last line of a type says.
func (f *orphan) answer(t *testing.T, kind string) (a struct {
	Done      int64
	BytesFrom struct{ Peers, Reused int64 } `json:"bytes_from"`
}) {
	t.Helper()
	text := f.Stdout.String()
	last := ""
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, `"type":"`+kind+`"`) {
			last = line
		}
	}
	if err := json.Unmarshal([]byte(last), &a); err != nil {
		t.Fatalf("the last %q of %q: %v", kind, text, err)
	}
	return a
}

// received are the bytes that came into the host by its network, headers and all.
func (f *orphan) received(t *testing.T) int64 {
	t.Helper()
	out, err := f.at.Command(t.Context(), "cat", "/proc/net/dev").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(out), "eth0:")
	var n int64
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("the counters of eth0 in %q: %v", out, err)
	}
	return n
}

// agree waits until all have the same, and says how much that is.
func (s *orphans) agree(t *testing.T) (had int64) {
	t.Helper()
	first := s.list[0]
	err := first.Until(within(t, time.Minute), "all have what one has", func() bool {
		had = first.answer(t, "progress").Done
		return !slices.ContainsFunc(s.list, func(f *orphan) bool { return f.answer(t, "progress").Done != had })
	})
	if err != nil {
		t.Fatal(err)
	}
	return had
}

// The publisher dies when so many tenths of the content have left it. The others share what they have together; they say
// that they lack something, leave nothing half-made and go on from what they have when it is back, those that waited and
// those that were stopped.
func TestLossOfTheOrigin(t *testing.T) {
	t.Parallel()
	for tenths := int64(1); tenths <= 9; tenths++ {
		t.Run(fmt.Sprintf("after %d tenths", tenths), func(t *testing.T) {
			t.Parallel()
			s := newOrphans(t, nil, nil, nil)
			st, err := s.origin.When(within(t, time.Minute), "so much has left it", func(st *client.Status) bool {
				return len(st.Shares) == 1 && st.Shares[0].Uploaded >= tenths*originBytes/10
			})
			if err != nil {
				t.Fatal(err)
			}
			s.origin.Kill()
			left := st.Shares[0].Uploaded
			for _, f := range s.list {
				stuck(t, f.Process)
				nothingIn(t, f.out)
			}
			had := s.agree(t)
			if least := left*8/10 - 150_000; had < least { // some was on its way, or went out twice
				t.Errorf("of %d bytes that left the origin they have %d, want at least %d", left, had, least)
			}
			before := map[*orphan]int64{}
			for _, f := range s.list {
				before[f] = f.received(t)
			}
			stopped := s.list[2]
			if err := stopped.Interrupt(); err != nil {
				t.Fatal(err)
			}
			code, err := stopped.Exit(within(t, time.Minute))
			if err != nil || code != 130 || !strings.Contains(stopped.Stdout.String()+stopped.Stderr.String(), ".p2pshare") {
				t.Errorf("got code %d, %v, %s, want 130 and where the bytes are", code, err, stopped.Stderr.String())
			}
			nothingIn(t, stopped.out)
			s.begin(t)
			s.join(t, stopped)
			for _, f := range s.list {
				s.whole(t, f.Process, f.out)
				// The headers of the network are counted too, and blocks that two of them sent.
				if came, most := f.received(t)-before[f], (originBytes-had)*115/100+200_000; came > most {
					t.Errorf("host %d: %d bytes came for %d that it lacked, want at most %d", f.host, came, originBytes-had, most)
				}
			}
			if from := stopped.answer(t, "fetched").BytesFrom; from.Reused < had || from.Peers > originBytes-had {
				t.Errorf("the one that was stopped with %d bytes: got %+v, want them reused and no more than the rest fetched", had, from)
			}
		})
	}
}

// The publisher dies when the others have one copy together, which one of them has all of: it is not missed.
func TestLossOfTheOriginAfterOneCopy(t *testing.T) {
	t.Parallel()
	slow := []string{"--max-down", "100KiB"}
	s := newOrphans(t, nil, slow, slow)
	for _, f := range s.list[1:] {
		begun := func(l string) bool {
			return strings.Contains(l, `"type":"progress"`) && !strings.Contains(l, `"done":0,`)
		}
		if _, err := f.Stdout.Line(within(t, time.Minute), begun); err != nil {
			t.Fatal(err)
		}
		// Held, however long it takes the first to be whole, and this test to see it.
		if err := f.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	s.whole(t, s.list[0].Process, s.list[0].out)
	s.origin.Kill()
	for _, f := range s.list[1:] {
		if had := f.answer(t, "progress").Done; had == originBytes {
			t.Errorf("host %d had all before the origin went: the test proves nothing", f.host)
		}
		if err := f.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range s.list[1:] {
		s.whole(t, f.Process, f.out)
	}
}
