package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/engine"
)

func filesCalled(names ...string) (l fileList) {
	for _, n := range names {
		l.add(n)
	}
	return l
}

// Files that nobody gives are named once for each set of them, with what can be had instead, and bounded.
func TestFilesThatNobodyGivesAreNamed(t *testing.T) {
	var said []string
	var lost, rest, beside fileList
	w := &watch{say: func(e Event) { said = append(said, e.Level+": "+e.Message) }, lost: func() losses { return losses{lost, rest, beside} }}
	at := time.Now()
	look := func(l, r fileList, want ...string) {
		t.Helper()
		said, lost, rest = nil, l, r
		at = at.Add(missEvery)
		w.miss(at)
		if len(want) == 0 && len(said) > 0 {
			t.Errorf("got %q, want nothing", said)
		}
		for _, s := range want {
			if len(said) != 1 || !strings.Contains(said[0], s) {
				t.Errorf("got %q, want one message with %q", said, s)
			}
		}
	}
	look(fileList{}, filesCalled("a"))
	look(filesCalled("b/c d", "e"), filesCalled("a"), "warn: ", `nobody who is there gives "b/c d", "e"`, `--only the rest can be had: "a"`)
	look(filesCalled("b/c d", "e"), filesCalled("a"))
	look(filesCalled("e"), filesCalled("a", "b/c d"), `gives "e"`)
	look(fileList{}, filesCalled("a", "b/c d", "e"))
	look(filesCalled("x\x1b[2J"), fileList{}, `"x\x1b[2J"`, "others are looked for")
	if len(said) == 1 && strings.Contains(said[0], "--only") {
		t.Errorf("got %q, and there is nothing that --only gets", said)
	}
	many := fileList{}
	for i := range 1000 {
		many.add(fmt.Sprint("f", i))
	}
	look(many, fileList{}, `"f19" and 980 more`)
	if len(many.list) != filesListed {
		t.Errorf("%d files are listed, want %d", len(many.list), filesListed)
	}
	beside = filesCalled("c")
	look(filesCalled("a"), fileList{}, `gives "a": what is missing shares its pieces with "c", and only who has those as well can give it; others are looked for`)
	w.miss(at.Add(time.Millisecond))
	if w.missed.at != at {
		t.Error("it was looked again at once")
	}
}

// What a tracker says is told once, and one that says ever something else is not told for ever.
func TestWordsOfTrackersAreTold(t *testing.T) {
	var said []string
	var h heard
	show := func(words ...engine.TrackerWord) {
		h.show(func(e Event) { said = append(said, e.Level+": "+e.Message) }, words)
	}
	w := engine.TrackerWord{URL: "http://t.example/announce?passkey=SECRET", Text: "not known here\x1b"}
	show(w)
	show(w, engine.TrackerWord{URL: "udp://u.example:1", Text: "full", Refuses: true})
	want := `[warn: the tracker http://t.example/announce?redacted warns: "not known here\x1b" warn: the tracker udp://u.example:1 refuses: "full"]`
	if got := fmt.Sprint(said); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range 100 {
		w.Text = fmt.Sprint("come back in ", i)
		show(w)
	}
	if len(said) != 1+wordsShown {
		t.Errorf("got %d messages, want %d", len(said), 1+wordsShown)
	}
}

// No event tells a secret of an address, and links that are there to be handed on stay.
func TestEventsTellNoSecrets(t *testing.T) {
	const u = "http://me:SECRET@t.example/announce?passkey=SECRET"
	link := "magnet:?xt=urn:btih:00&tr=" + u
	p := Progress{Waiting: u}
	got := redacted(Event{Message: u, Progress: &p, Stopped: &Stopped{Reason: u}, Seeding: &Seeding{Magnet: link}})
	if all := fmt.Sprint(got.Message, got.Progress.Waiting, got.Stopped.Reason); strings.Contains(all, "SECRET") {
		t.Errorf("got %s", all)
	}
	if p.Waiting != u || got.Seeding.Magnet != link {
		t.Error("what was given was changed")
	}
}
