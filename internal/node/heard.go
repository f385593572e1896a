package node

import (
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// wordsShown bounds what one tracker has to say that is shown: some count down in it.
const wordsShown = 3

// heard is what trackers have said that was shown.
type heard struct {
	told  map[engine.TrackerWord]bool
	times map[string]int
}

// show tells what is new of what trackers say.
func (h *heard) show(on func(Event), words []engine.TrackerWord) {
	if h.told == nil {
		h.told, h.times = map[engine.TrackerWord]bool{}, map[string]int{}
	}
	for _, w := range words {
		if h.told[w] || h.times[w.URL] == wordsShown {
			continue
		}
		h.told[w] = true
		h.times[w.URL]++
		verb := "warns"
		if w.Refuses {
			verb = "refuses"
		}
		warn(on, "the tracker %s %s: %q", webaddr.RedactURL(w.URL), verb, w.Text)
	}
}
