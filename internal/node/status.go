package node

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/store"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// Status says how the node and its shares stand. In a home without a daemon the shares rest.
func (n *Node) Status(ctx context.Context, r StatusRequest) (*Status, error) {
	if n.keeper != nil {
		n.keeper.lookNow(ctx)
		return n.keeper.status(r)
	}
	h, err := readHome(n.home, store.Read[record])
	if err != nil {
		return nil, err
	}
	s := &Status{Version: n.opts.Version, Home: n.home.Dir(), Shares: []Share{}, Problems: append([]string{}, h.problems...)}
	s.Limits, s.LimitsSet = h.limits.over(n.opts.Network, firm{})
	s.Now.Up, s.Now.Down = s.Limits.now(time.Now())
	list := h.named()
	at, err := pick(list, r.Refs, len(r.Refs) == 0)
	if err != nil {
		return nil, err
	}
	for _, i := range at {
		s.Shares = append(s.Shares, h.resting(list[i]))
	}
	for _, sh := range s.Shares {
		s.Uploaded += sh.Uploaded
		s.Downloaded += sh.Downloaded
	}
	return s, nil
}

// named lists what the home keeps, damaged records last, the others as they were added.
func (h *homeState) named() []named {
	var list []named
	for i := range h.items {
		list = append(list, named{h.items[i].ID, &h.items[i].Value})
	}
	slices.SortFunc(list, byAge)
	for _, b := range h.bad {
		list = append(list, named{b.ID, &record{Name: b.ID}})
	}
	return list
}

// resting is a share of a home without a daemon.
func (h *homeState) resting(s named) Share {
	sh := shareOf(s.id, s.rec, h.counters[s.id])
	for _, b := range h.bad {
		if b.ID == s.id {
			sh.State, sh.Reason, sh.Hint = StateDamaged, b.Err.Error(), "p2pshare remove "+b.ID+" forgets it; its files stay"
			return sh
		}
	}
	switch {
	case s.rec.Failed:
		sh.State, sh.Reason, sh.Hint = StateFailed, s.rec.Why, s.rec.Hint
	case s.rec.Finish:
		sh.State = StateDone
	case s.rec.Rests:
		sh.State, sh.Reason, sh.Hint = StateStopped, s.rec.Why, s.rec.Hint
	default:
		sh.State, sh.Reason, sh.Hint = StateWaiting, "no daemon runs", "p2pshare daemon --detach starts one"
	}
	return sh
}

func (k *keeper) status(r StatusRequest) (*Status, error) {
	now := time.Now()
	alarms := k.n.groupAlarms() // before mu: a group may have to be read
	catalogs := k.n.catalogs()
	var groups []Group
	if r.Groups {
		groups = k.n.groupInfos()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	items, err := k.find(r.Refs, len(r.Refs) == 0)
	if err != nil {
		return nil, err
	}
	s := &Status{
		Daemon: true, Version: k.n.opts.Version, PID: os.Getpid(), Started: k.started, Home: k.n.home.Dir(),
		Port: k.n.port(), Shares: []Share{}, Problems: append([]string{}, k.problems...), Limits: k.allLimits(),
	}
	s.Groups = groups
	_, s.LimitsSet = k.limits.over(k.n.opts.Network, k.firm)
	for _, a := range alarms {
		s.Problems = append(s.Problems, a.String())
	}
	if e := k.n.running(); e != nil {
		s.DHTNodes = e.DHTNodes()
	}
	s.Now.Up, s.Now.Down = s.Limits.now(now)
	s.From.Peers, s.From.WebSeeds, s.From.Reused = k.gone.Peers, k.gone.WebSeeds, k.gone.Reused
	asked := map[*item]bool{}
	for _, it := range items {
		asked[it] = true
	}
	for _, it := range k.sorted() {
		sh := it.view(now)
		sh.Taken = it.rec.takenFrom(catalogs)
		s.Up += sh.Up
		s.Down += sh.Down
		s.Uploaded += sh.Uploaded
		s.Downloaded += sh.Downloaded
		from := it.received()
		s.From.Peers += from.Peers
		s.From.WebSeeds += from.WebSeeds
		s.From.Reused += from.Reused
		if asked[it] {
			s.Shares = append(s.Shares, sh)
		}
	}
	return s, nil
}

// received is where a share's bytes came from since the start. The keeper's mu is held.
func (it *item) received() BytesFrom {
	from := it.from
	if it.torrent != nil {
		from.add(it.torrent.Stats())
	}
	return from
}

// view is an item as others see it. The keeper's mu is held.
func (it *item) view(now time.Time) Share {
	c := it.before
	if it.torrent == nil {
		sh := shareOf(it.id, &it.rec, c)
		it.describe(&sh)
		return sh
	}
	s := it.torrent.Stats()
	sh := shareOf(it.id, &it.rec, it.counted(now, s))
	it.describe(&sh)
	it.sample(now, s)
	sh.Peers, sh.Seeds, sh.Copies = s.Peers, s.Seeds, s.Copies
	for _, w := range s.TrackerWords {
		sh.Trackers = append(sh.Trackers, TrackerWord{Tracker: webaddr.RedactURL(w.URL), Text: w.Text, Refuses: w.Refuses})
	}
	sh.Up, sh.Down = it.up.mean, it.down.mean
	return sh
}

func (it *item) describe(sh *Share) {
	sh.State, sh.Reason, sh.Hint = it.state, it.reason, it.hint
	if it.progress != nil {
		p := *it.progress
		p.Waiting = webaddr.Redact(p.Waiting)
		sh.Progress = &p
	}
}

// shareOf is what a record and its counters say.
func shareOf(id string, r *record, c counters) Share {
	s := Share{
		ID: id, Kind: r.Kind, Name: r.Name, Path: r.Path, Infohash: r.Infohash, InfohashV2: r.InfohashV2, Magnet: r.Magnet,
		Size: r.Size, Files: r.Files, Private: r.Private, WebSeeds: r.WebSeeds, Mirror: r.Mirror != "",
		Uploaded: c.Up, Downloaded: c.Down, BadPieces: c.Bad, Limits: r.Limits, Policy: r.Policy, Added: r.Added, Done: r.Done,
	}
	if s.Entry = r.Entry; s.Entry != "" {
		s.Group, _, _ = strings.Cut(r.Entry, "/")
	}
	s.Members = r.Group != ""
	if s.Path == "" && r.Fetch != nil {
		s.Path = r.Fetch.Dir
	}
	if size := r.wanted(); size > 0 {
		s.Ratio = float64(c.Up) / float64(size)
	}
	return s
}
