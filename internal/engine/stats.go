package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/anacrolix/torrent"
)

// Stats is how a torrent stands. Bytes are of payload, since it was added.
type Stats struct {
	Peers, Seeds   int
	Known          int   // addresses known, connected or not
	FromPeers      int64 // bytes received that were lacking
	Kept           int64 // of them, without blocks that were wrong, or whose piece came whole from elsewhere
	Near           int64 // of them in whole pieces; see near.go
	FromWebSeeds   int64
	Uploaded       int64
	BadPieces      int64            // received, and their hash was not right
	Copies         int              // other machines that hold every piece, now or lately; see copies.go
	TrackerProblem map[string]error // trackers that did not answer, by URL
	TrackerWords   []TrackerWord    // what trackers last said to people, sorted by URL
}

// Stats samples the counters.
func (t *Torrent) Stats() Stats {
	s := t.t.Stats()
	t.mu.Lock()
	errs := maps.Clone(t.trackerErrs)
	words := slices.SortedFunc(maps.Values(t.trackerWords), func(a, b TrackerWord) int { return cmp.Compare(a.URL, b.URL) })
	t.mu.Unlock()
	// Two peers that dialled each other have two connections.
	peers := map[torrent.PeerID]bool{}
	for _, c := range t.t.PeerConns() {
		peers[c.PeerID] = true
	}
	inBlocks, near := s.PeerConns.BytesReadUsefulData.Int64(), t.near.got.Load()
	return Stats{
		Peers: len(peers), Seeds: min(s.ConnectedSeeders, len(peers)), Known: t.book.size(),
		FromPeers:      inBlocks + near,
		Kept:           t.kept(inBlocks) + near,
		Near:           near,
		FromWebSeeds:   t.given.bytes.Load(),
		Uploaded:       s.PeerConns.BytesWrittenData.Int64() + t.near.sent.Load(),
		BadPieces:      s.PiecesDirtiedBad.Int64(),
		Copies:         t.copies.count(time.Now(), t.e.ownMachine),
		TrackerProblem: errs, TrackerWords: words,
	}
}

// kept is how many of the bytes that peers sent in blocks the storage kept, if it counts them.
func (t *Torrent) kept(sent int64) int64 {
	if k, is := t.spec.Storage.(interface{ Kept() int64 }); is {
		return k.Kept()
	}
	return sent
}
