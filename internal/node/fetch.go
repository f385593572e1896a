package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/netguard"
)

// errTimeout ends a fetch whose time ran out, where ctx's own end is the user's.
var errTimeout = errors.New("time is up")

// Fetch brings the content of r.Ref into r.Dir and emits Event.Fetched when all of it is verified and in
// place. With r.Seed it goes on seeding until ctx ends, which is then no error.
func (n *Node) Fetch(ctx context.Context, r FetchRequest, on func(Event)) error {
	ref, err := catalog.ParseRef(r.Ref)
	if err != nil {
		return err
	}
	on, end := n.hear(on)
	defer end()
	f := &fetch{n: n, r: r, ref: ref, on: on, begun: time.Now()}
	defer f.close()
	limited := ctx
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, r.Timeout, errTimeout)
		defer cancel()
	}
	at, err := f.bring(limited)
	if err != nil {
		return f.explain(limited, err)
	}
	if !r.Seed {
		return nil
	}
	return f.seed(ctx, at)
}

// fetch is one Fetch under way.
type fetch struct {
	n     *Node
	r     FetchRequest
	ref   catalog.Ref
	on    func(Event)
	begun time.Time

	known []engine.Known // what the look-up of a magnet's info found
	meta  *metafile.Torrent
	plan  *fetcher.Plan
	t     *engine.Torrent
	stage *fetcher.Stage
	swap  *swap
	share *share
	last  Progress
}

// bring goes from the reference to files in place.
func (f *fetch) bring(ctx context.Context) (*located, error) {
	f.allow()
	if err := f.learn(ctx); err != nil {
		return nil, err
	}
	var err error
	f.plan, err = fetcher.NewPlan(f.meta, fetcher.Options{Dir: f.r.Dir, Only: f.r.Only, Select: f.ref.Select})
	if err != nil {
		return nil, err
	}
	// A target that is there already is checked, used if it is the content, and never written over.
	h := &hashing{on: f.on, phase: "checking", name: f.meta.Name}
	at, err := f.plan.Existing(ctx, h.progress)
	if err != nil {
		return nil, err
	}
	if at != nil {
		tell(f.on, "%s is there already, and is the content", f.plan.Target())
		f.fetched(BytesFrom{Reused: f.plan.WantedBytes()})
		return at, nil
	}
	return f.transfer(ctx)
}

// allow lets the guard pass the hosts that the user named: in flags always, in the reference only if
// asked, for a link may come from anybody.
func (f *fetch) allow() {
	f.n.guard.Allow(f.r.WebSeeds...)
	if f.ref.Kind == catalog.URL {
		f.n.guard.Allow(f.ref.URL)
	}
	if f.r.AllowPrivate {
		f.n.guard.Allow(f.ref.Trackers...)
		f.n.guard.Allow(f.ref.WebSeeds...)
	}
}

// learn gets the info, from the .torrent or from peers, and judges it.
func (f *fetch) learn(ctx context.Context) error {
	var err error
	switch f.ref.Kind {
	case catalog.File:
		f.meta, err = metafile.ReadFile(f.ref.Path)
	case catalog.URL:
		var b []byte
		if b, err = netguard.FetchTorrent(ctx, f.n.guard.Client(), f.ref.URL); err == nil {
			f.meta, err = metafile.Decode(b)
		}
	default:
		return f.learnFromPeers(ctx)
	}
	if err == nil && f.r.AllowPrivate {
		f.n.guard.Allow(announceList(f.meta)...)
		f.n.guard.Allow(f.meta.Meta.UrlList...)
	}
	return err
}

// learnFromPeers joins the swarm of a magnet to ask for its info (BEP 9).
func (f *fetch) learnFromPeers(ctx context.Context) error {
	e, err := f.n.network()
	if err != nil {
		return err
	}
	spec := engine.Spec{V1: f.ref.V1, V2: f.ref.V2, Name: f.ref.DisplayName}
	spec.Trackers = f.n.tiers(single(f.ref.Trackers))
	spec.Peers = resolvePeers(ctx, append(f.ref.Peers, f.n.opts.Network.Peers...), f.on)
	if f.t, err = e.Add(spec); err != nil {
		return err
	}
	var info []byte
	err = f.watch(ctx, "metadata", f.ref.DisplayName, 0, 0, func() error {
		info, err = f.t.Metadata(ctx)
		return err
	})
	if err != nil {
		return err
	}
	f.meta, err = metafile.FromInfo(info)
	// The torrent is added again with its info, once that is judged: what was added without is private
	// to nobody, and has no place to put bytes.
	f.known, f.t = f.t.Found(), nil
	return err
}

// transfer fetches what is missing into staging and moves it into place.
func (f *fetch) transfer(ctx context.Context) (*located, error) {
	var err error
	if f.stage, err = fetcher.Open(ctx, f.plan, f.n.log); err != nil {
		return nil, err
	}
	h := &hashing{on: f.on, phase: "checking", name: f.meta.Name}
	reused, err := f.stage.Resume(ctx, h.progress)
	if err != nil {
		return nil, err
	}
	total := f.plan.WantedBytes()
	var from BytesFrom
	if reused < total || total == 0 {
		if err := f.download(ctx, reused, total); err != nil {
			return nil, err
		}
		s := f.t.Stats()
		from = BytesFrom{Peers: s.FromPeers, WebSeeds: s.FromWebSeeds}
	}
	from.Reused = min(reused, total)
	f.on(Event{Progress: &Progress{Phase: "moving", Name: f.meta.Name, Done: total, Total: total, From: from}})
	at, err := f.stage.Finish(ctx)
	if err != nil {
		return nil, err
	}
	f.fetched(from)
	return at, nil
}

func (f *fetch) download(ctx context.Context, reused, total int64) error {
	var ranges [][2]int
	for _, r := range f.plan.Wanted() {
		ranges = append(ranges, [2]int{r.Begin, r.End})
	}
	if len(ranges) == 0 {
		return nil // empty files alone
	}
	e, err := f.n.network()
	if err != nil {
		return err
	}
	f.swap = newSwap(f.stage)
	spec := f.spec(ctx)
	spec.Storage, spec.Total = f.swap, total-reused
	if len(spec.WebSeeds) > 0 && !spec.WebSeedsWork() {
		warn(f.on, "the web seeds are not used: in a v2 torrent of several files only peers can be asked")
	}
	if f.t, err = e.Add(spec); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		disk    sync.WaitGroup
		diskErr error
	)
	disk.Go(func() { // a disk that is full ends the fetch, where the engine would wait for ever
		select {
		case diskErr = <-f.stage.WriteErr():
			stop()
		case <-ctx.Done():
		}
	})
	err = f.watch(ctx, "fetching", f.meta.Name, total, reused, func() error {
		for _, r := range ranges {
			f.t.Want(r[0], r[1])
		}
		return f.t.Wait(ctx, ranges)
	})
	stop()
	disk.Wait()
	if diskErr != nil {
		return diskErr
	}
	return err
}

// spec is the torrent's own, and what the reference and the flags say beside it.
func (f *fetch) spec(ctx context.Context) engine.Spec {
	s := f.n.spec(ctx, f.meta, f.ref.Peers, f.on)
	if f.ref.Kind == catalog.Magnet {
		s.Trackers = f.n.tiers(single(f.ref.Trackers))
	}
	s.WebSeeds = append(append(s.WebSeeds, f.ref.WebSeeds...), f.r.WebSeeds...)
	s.Known = f.known
	return s
}

// single makes a tier of each: a magnet's trackers have no order, and all are asked.
func single(urls []string) (tiers [][]string) {
	for _, u := range urls {
		tiers = append(tiers, []string{u})
	}
	return tiers
}

// watch reports the torrent while do runs.
func (f *fetch) watch(ctx context.Context, phase, name string, total, reused int64, do func() error) error {
	e, err := f.n.network()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	w := &watch{t: f.t, e: e, name: name, phase: phase, total: total, reused: reused}
	w.on = func(ev Event) {
		f.last = *ev.Progress
		f.on(ev)
	}
	wg.Go(func() { w.run(ctx) })
	err = do()
	cancel()
	wg.Wait()
	if err == nil && phase == "fetching" {
		p := w.sample(time.Now())
		p.Done, p.Waiting = total, ""
		f.on(Event{Progress: &p})
	} else if err != nil {
		f.last = w.sample(time.Now())
	}
	return err
}

func (f *fetch) fetched(from BytesFrom) {
	v1, v2 := hashes(f.meta)
	f.on(Event{Fetched: &Fetched{
		Path: f.plan.Target(), Name: f.meta.Name, Size: f.plan.WantedBytes(), Files: f.plan.Files(),
		Infohash: v1, InfohashV2: v2, BytesFrom: from,
		Seconds: time.Since(f.begun).Seconds(), Verified: true,
	}})
}

// seed goes on serving what was fetched, from its place.
func (f *fetch) seed(ctx context.Context, at *located) error {
	if f.plan.WantedBytes() < f.meta.Size {
		tell(f.on, "a part of a torrent is not seeded after the fetch")
		return nil
	}
	s, err := f.n.share(ctx, f.meta, *at, f.t, f.on)
	if err != nil {
		return err
	}
	f.share = s
	if f.swap != nil {
		if err := f.swap.to(ctx, s.source); err != nil {
			return err
		}
	}
	return s.run(ctx, f.on)
}

// explain gives the end of the time a reason and a way out.
func (f *fetch) explain(ctx context.Context, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), errTimeout) {
		return netguard.Explain(err)
	}
	why := f.last.Waiting
	if why == "" {
		switch {
		case f.last.Total > 0 && f.last.Done > 0:
			why = fmt.Sprintf("%d of %d bytes were there", f.last.Done, f.last.Total)
		case f.last.Peers == 0:
			why = "nobody with this content was found"
		default:
			why = "no bytes came"
		}
	}
	err = fault.New(fault.Timeout, "not fetched within %v: %s", f.r.Timeout, why)
	if f.stage != nil {
		return fault.Hint(err, "the same command goes on where it stopped; give it a longer --timeout")
	}
	return fault.Hint(err, "see that somebody seeds it, or name a peer with --peer HOST:PORT")
}

func (f *fetch) close() {
	if f.share != nil {
		f.share.close()
	}
	if f.t != nil {
		f.t.Close()
	}
	if f.stage != nil {
		if err := f.stage.Close(); err != nil {
			warn(f.on, "closing the staging folder: %v", err)
		}
	}
}
