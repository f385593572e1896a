package metrics

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/p2pshare/p2pshare/internal/node"
)

// collector turns a status into metrics. It keeps totals, because the numbers of a share vanish with the share.
type collector struct {
	status func(context.Context) (*node.Status, error)

	mu    sync.Mutex
	last  map[string]counters // by share
	total counters
}

// counters are the counters of a share: bytes sent, bytes received, pieces that did not verify.
type counters struct{ up, down, bad int64 }

func newCollector(status func(context.Context) (*node.Status, error)) *collector {
	return &collector{status: status, last: map[string]counters{}}
}

var states = []string{
	node.StateStarting, node.StateChecking, node.StateQueued, node.StateFetching, node.StateSeeding,
	node.StateWaiting, node.StateStopped, node.StateDone, node.StateFailed, node.StateDamaged,
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("p2pshare_"+name, help, labels, nil)
}

// descs are listed in docs/SPEC.md; removing a name or changing its meaning breaks dashboards.
var (
	buildInfo  = desc("build_info", "Version of p2pshare and of Go; always 1.", "version", "go_version")
	started    = desc("start_time_seconds", "When the node was started, in seconds since 1970.")
	received   = desc("content_bytes_total", "Bytes of content that fetches received, by source, since the node was started.", "source")
	saved      = desc("origin_saved_bytes_total", "Bytes of content that fetches received from peers or reused from disk instead of web seeds, since the node was started.")
	uploaded   = desc("uploaded_bytes_total", "Bytes of content sent to peers, of all shares seen since the node was started.")
	downloaded = desc("downloaded_bytes_total", "Bytes of content received, of all shares seen since the node was started.")
	badPieces  = desc("bad_pieces_total", "Pieces received that did not verify, of all shares seen since the node was started.")
	rates      = desc("transfer_bytes_per_second", "Current rate of all shares.", "direction")
	limits     = desc("limit_bytes_per_second", "Limit in force now; 0 means no limit.", "direction")
	peers      = desc("peers", "Peers connected, of all shares.")
	dhtNodes   = desc("dht_nodes", "DHT nodes known to answer.")
	shares     = desc("shares", "Shares by state.", "state")
	unlisted   = desc("shares_unlisted", "Shares without series of their own because there are too many.")
	problems   = desc("home_problems", "Items in the home that could not be read and were skipped.")

	shareUp     = desc("share_uploaded_bytes_total", "Bytes of content sent to peers since the share was added.", shareLabels...)
	shareDown   = desc("share_downloaded_bytes_total", "Bytes of content received since the share was added.", shareLabels...)
	shareBad    = desc("share_bad_pieces_total", "Pieces received that did not verify since the share was added.", shareLabels...)
	shareSize   = desc("share_size_bytes", "Size of the content.", shareLabels...)
	sharePeers  = desc("share_peers", "Peers connected.", shareLabels...)
	shareCopies = desc("share_copies", "Other machines seen to have every piece.", shareLabels...)
	shareState  = desc("share_info", "State of the share; always 1.", append(slices.Clone(shareLabels), "state")...)
)

var groupLabels = []string{"group", "id"}

var (
	groupInfo    = desc("group_info", "A group of the home, with the account of this machine and its role; always 1.", append(slices.Clone(groupLabels), "kind", "account", "role")...)
	groupSigned  = desc("group_admin_signed_timestamp_seconds", "When an admin or the owners signed something last, as far as it is known, in seconds since 1970.", groupLabels...)
	groupHeard   = desc("group_heard_timestamp_seconds", "When a member gave all that it has last, in seconds since 1970.", groupLabels...)
	groupMembers = desc("group_members", "Machines of other members that are met now.", groupLabels...)
	groupEntries = desc("group_entries", "Entries of the catalog.", groupLabels...)
	groupWarns   = desc("group_warnings", "Things that group show warns of.", groupLabels...)
	mirrorWanted = desc("group_mirror_wanted", "Contents that the mirror is to hold.", groupLabels...)
	mirrorHere   = desc("group_mirror_here", "Of the contents that the mirror is to hold, those that are whole here.", groupLabels...)
	mirrorBytes  = desc("group_mirror_bytes", "Size of what the mirror has of those.", groupLabels...)
	mirrorLeft   = desc("group_mirror_left_out", "Entries that the mirror leaves out, for want of room or because they were removed.", groupLabels...)
	mirrorFree   = desc("group_mirror_free_bytes", "Bytes that are free where the mirror lies.", groupLabels...)
)

// The ID makes each series unique: a share that cannot be read has no infohash.
var shareLabels = []string{"id", "name", "infohash"}

// Describe sends the description of every series, whether it exists now or not.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, started, received, saved, uploaded, downloaded, badPieces, rates, limits,
		peers, dhtNodes, shares, unlisted, problems, shareUp, shareDown, shareBad, shareSize, sharePeers, shareCopies, shareState,
		groupInfo, groupSigned, groupHeard, groupMembers, groupEntries, groupWarns, mirrorWanted, mirrorHere, mirrorBytes, mirrorLeft, mirrorFree} {
		ch <- d
	}
}

// Collect gets the status once and sends its metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	s, err := c.status(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(buildInfo, fmt.Errorf("getting the status: %w", err))
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(buildInfo, 1, label(s.Version), runtime.Version())
	if !s.Started.IsZero() {
		gauge(started, float64(s.Started.UnixMilli())/1000)
	}
	count(received, s.From.Peers, "peers")
	count(received, s.From.WebSeeds, "webseeds")
	count(received, s.From.Reused, "reused")
	count(saved, s.From.Peers+s.From.Reused)
	total := c.rise(s.Shares)
	count(uploaded, total.up)
	count(downloaded, total.down)
	count(badPieces, total.bad)
	gauge(rates, s.Up, "up")
	gauge(rates, s.Down, "down")
	gauge(limits, float64(s.Now.Up), "up")
	gauge(limits, float64(s.Now.Down), "down")
	gauge(dhtNodes, float64(s.DHTNodes))
	gauge(problems, float64(len(s.Problems)))

	in, connected := map[string]int{}, 0
	for _, sh := range s.Shares {
		in[sh.State]++
		connected += sh.Peers
	}
	for _, state := range states {
		gauge(shares, float64(in[state]), state)
	}
	gauge(peers, float64(connected))

	for _, g := range s.Groups[:min(len(s.Groups), maxGroups)] {
		collectGroup(g, gauge)
	}

	listed := oldest(s.Shares)
	gauge(unlisted, float64(len(s.Shares)-len(listed)))
	for _, sh := range listed {
		hash := sh.Infohash
		if hash == "" {
			hash = sh.InfohashV2
		}
		of := []string{label(sh.ID), label(sh.Name), label(hash)}
		count(shareUp, sh.Uploaded, of...)
		count(shareDown, sh.Downloaded, of...)
		count(shareBad, sh.BadPieces, of...)
		gauge(shareSize, float64(sh.Size), of...)
		gauge(sharePeers, float64(sh.Peers), of...)
		gauge(shareCopies, float64(sh.Copies), of...)
		gauge(shareState, 1, append(of, label(sh.State))...)
	}
}

// collectGroup sends how a group stands. A time that is not known has no series: 0 would be half a century ago.
func collectGroup(g node.Group, gauge func(*prometheus.Desc, float64, ...string)) {
	of := []string{label(g.Name), label(g.ID)}
	since := func(d *prometheus.Desc, at time.Time) {
		if !at.IsZero() {
			gauge(d, float64(at.UnixMilli())/1000, of...)
		}
	}
	gauge(groupInfo, 1, append(slices.Clone(of), label(g.Kind), label(g.Account), label(g.Role))...)
	since(groupSigned, g.AdminSigned)
	since(groupHeard, g.Heard)
	gauge(groupMembers, float64(g.Members), of...)
	gauge(groupEntries, float64(g.Entries), of...)
	gauge(groupWarns, float64(len(g.Warnings)), of...)
	m := g.Mirror
	if m == nil {
		return
	}
	gauge(mirrorWanted, float64(m.Wanted), of...)
	gauge(mirrorHere, float64(m.Here), of...)
	gauge(mirrorBytes, float64(m.Bytes), of...)
	gauge(mirrorLeft, float64(m.Left), of...)
	if m.Free >= 0 {
		gauge(mirrorFree, float64(m.Free), of...)
	}
}

// rise adds to the totals what the shares have counted since the last call. When a share is removed its numbers vanish
// from the status, but a counter must not fall.
func (c *collector) rise(now []node.Share) counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]counters, len(now))
	for _, sh := range now {
		was, is := c.last[sh.ID], counters{sh.Uploaded, sh.Downloaded, sh.BadPieces}
		c.total.up += max(0, is.up-was.up)
		c.total.down += max(0, is.down-was.down)
		c.total.bad += max(0, is.bad-was.bad)
		seen[sh.ID] = is
	}
	c.last = seen
	return c.total
}

// oldest returns the shares that are listed: those that were added first, so that a series does not come and go as
// other shares do.
func oldest(all []node.Share) []node.Share {
	if len(all) <= maxShares {
		return all
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b node.Share) int {
		return cmp.Or(a.Added.Compare(b.Added), strings.Compare(a.ID, b.ID))
	})
	return all[:maxShares]
}

// label makes a name valid and printable for every reader of labels.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, strings.ToValidUTF8(s, "\ufffd"))
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") // do not cut a character
	}
	return s
}
