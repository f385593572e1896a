package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

// errTimeout ends a fetch whose time ran out, where ctx's own end is the user's.
var errTimeout = errors.New("time is up")

// Fetch brings the content of r.Ref into r.Dir and emits Event.Fetched when all of it is verified and in
// place. With r.Seed it goes on seeding until ctx ends, which is then no error.
func (n *Node) Fetch(ctx context.Context, r FetchRequest, on func(Event)) error {
	ref, err := catalog.ParseRef(r.Ref, catalog.Named)
	if err != nil {
		return err
	}
	if err := checkFetch(r, ref); err != nil {
		return err
	}
	if err := checkKeeping(r.Limits, r.Policy, r.Peers, r.Announce); err != nil {
		return err
	}
	if err := r.readHints(ref); err != nil {
		return err
	}
	on, end := n.hear(on)
	defer end()
	if ref.Kind == catalog.Named {
		if r, err = n.named(ctx, r, ref, on); err != nil {
			return err
		}
		if ref, err = catalog.ParseRef(r.Ref); err != nil {
			return err
		}
	}
	if n.keeper != nil {
		return n.keeper.fetch(ctx, r, ref, on)
	}
	f := &fetch{n: n, r: r, ref: ref, on: on, begun: time.Now()}
	defer f.close()
	defer f.dropSealed() // nobody serves it on
	at, err := f.inTime(ctx)
	if err != nil || !r.Seed {
		return err
	}
	return f.seed(ctx, at)
}

// checkFetch refuses what cannot be checked at the end before anything is fetched.
func checkFetch(r FetchRequest, ref catalog.Ref) error {
	if r.Receipt != "" && ref.Kind != catalog.Named && r.Entry == nil {
		return fault.Hint(fault.New(fault.Usage, "--receipt is for what a group has signed"), "fetch it by its name, GROUP/NAME")
	}
	if r.Entry != nil {
		if err := r.Entry.check(); err != nil {
			return err
		}
	}
	if len(r.Only) > 0 && (r.Receipt != "" || r.Sums != "") {
		return fault.New(fault.Usage, "--only and --sums or --receipt contradict each other: those are about the whole")
	}
	if r.MinisignKey != "" && r.Sums == "" {
		return fault.Hint(fault.New(fault.Usage, "--minisign-key without --sums"), "--sums FILE names the list that was signed; FILE.minisig is its signature")
	}
	if r.Sums != "" {
		_, err := readSums(r.Sums, r.MinisignKey)
		return err
	}
	return nil
}

// inTime is bring within the time that the request gives.
func (f *fetch) inTime(ctx context.Context) (*located, error) {
	if f.r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, f.begun.Add(f.r.Timeout), errTimeout)
		defer cancel()
	}
	if err := f.expectSealed(); err != nil {
		return nil, err
	}
	at, from, err := f.bring(ctx)
	if err == nil {
		err = f.prove(ctx, at)
	}
	if err == nil && f.sealed != nil {
		err = f.unseal(ctx)
	}
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	f.fetched(from)
	return at, nil
}

// fetch is one Fetch under way.
type fetch struct {
	n     *Node
	r     FetchRequest
	ref   catalog.Ref
	on    func(Event)
	begun time.Time

	w       swarm
	known   []engine.Known // what the look-up of a magnet's info found
	meta    *metafile.Torrent
	layered bool // meta has piece layers that peers sent
	plan    *fetcher.Plan
	t       *engine.Torrent
	stage   *fetcher.Stage
	swap    *swap
	share   *share
	last    Progress
	web     webseed.Outlook

	keep   keeping
	in     string // the ID of the private group that the content is of, where r.Entry does not say
	reused int64
	sums   []signed.Hash // SHA-256 of each file, where all were read for what is signed of them
	sealed *sealed       // nil: what is fetched is the content itself
	edges  string        // where pieces that reach into files that are not wanted are kept; empty: nowhere yet
}

// keeping is what a keeper has a fetch do beside; each may be nil.
type keeping struct {
	led     func(magnet string) error             // the web address leads to this magnet link
	learned func(*metafile.Torrent) error         // the info is there and judged
	joined  func(*engine.Torrent)                 // the fetch is in this swarm now
	turn    func(context.Context) (func(), error) // wait to be allowed to transfer; the function ends the turn
	room    func(dir string, missing int64) error // is there room for so many bytes more
	edges   string                                // the file for pieces that reach into files that are not wanted
	only    func() error                          // nothing is to come from others: why, if something is missing
}

// bring goes from the reference to files in place.
func (f *fetch) bring(ctx context.Context) (at *located, from BytesFrom, err error) {
	f.allow()
	if err := f.learn(ctx); err != nil {
		return nil, from, err
	}
	if f.r.Entry != nil {
		if err := f.agree(); err != nil {
			return nil, from, err
		}
	}
	if f.keep.learned != nil {
		if err := f.keep.learned(f.meta); err != nil {
			return nil, from, err
		}
	}
	f.plan, err = fetcher.NewPlan(f.meta, fetcher.Options{Dir: f.r.Dir, Only: f.r.Only, Select: f.ref.Select, Replace: f.r.Repair})
	if err != nil {
		return nil, from, err
	}
	// A target that is there already is checked, used if it is the content, and never written over.
	h := &hashing{on: f.on, phase: "checking", name: f.name()}
	at, err = f.plan.Existing(ctx, h.progress)
	if err != nil {
		return nil, from, err
	}
	defer func() { f.unstamp(at) }()
	if at != nil {
		if err := f.agreeOnFiles(ctx, func(i int) (io.ReadCloser, error) { return openAt(at, i) }); err != nil {
			return nil, from, err
		}
		tell(f.on, "%s is there already, and is the content", f.plan.Target())
		if err := f.plan.Tidy(); err != nil {
			warn(f.on, "what an earlier attempt left in %s stays: %v", filepath.Join(f.r.Dir, ".p2pshare"), err)
		}
		return at, BytesFrom{Reused: f.plan.WantedBytes()}, nil
	}
	return f.transfer(ctx)
}

// unstamp takes the stamps of files that are not wanted, which may be there and were not looked at.
func (f *fetch) unstamp(at *located) {
	if at == nil {
		return
	}
	for i, want := range f.plan.Want() {
		if !want {
			at.Stamps[i] = content.Stamp{}
		}
	}
}

// join tells the keeper of f.t, nil too.
func (f *fetch) join() {
	if f.keep.joined != nil {
		f.keep.joined(f.t)
	}
}

// spec is the torrent's own, and what the reference and the flags say beside it.
func (f *fetch) spec(ctx context.Context) engine.Spec {
	s := f.w.spec(ctx, f.n, f.meta, f.r.Peers, f.r.Announce, f.on)
	s.MaxUp, s.MaxDown = f.r.Limits.now(time.Now())
	if f.w.in != nil {
		return s
	}
	if f.ref.Kind == catalog.Magnet && (!f.meta.Private || len(announceList(f.meta)) == 0) {
		own := append(f.meta.Meta.UpvertedAnnounceList(), single(f.ref.Trackers)...)
		s.Trackers = f.n.tiers(append(own, single(f.r.Announce)...))
	}
	s.Known = f.known
	f.linked(ctx, &s)
	return s
}

// name is what the user knows the content by.
func (f *fetch) name() string {
	if f.sealed != nil {
		return f.r.Entry.Content
	}
	return f.meta.Name
}

// group is the ID of the private group that the content is of; empty: none.
func (f *fetch) group() string {
	if f.r.Entry == nil {
		return f.in
	}
	return f.r.Entry.Group
}

// watch reports the torrent while do runs.
func (f *fetch) watch(ctx context.Context, phase, name string, total, reused int64, do func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var reports panics.Group
	w := &watch{t: f.t, w: f.w, name: name, phase: phase, total: total, reused: reused, say: f.on}
	if phase == "fetching" {
		w.lost = f.losses
	}
	w.on = func(ev Event) {
		f.last = *ev.Progress
		f.on(ev)
	}
	reports.Start(func() { w.run(ctx) })
	err := do()
	cancel()
	if bug := reports.Wait(); bug != nil {
		return bug
	}
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
	f.reused = from.Reused
	entry := ""
	if f.r.Entry != nil {
		entry = f.r.Entry.Ref
	}
	v1, v2 := hashes(f.meta)
	out := &Fetched{
		Path: f.plan.Target(), Name: f.meta.Name, Size: f.plan.WantedBytes(), Files: f.plan.Files(),
		Infohash: v1, InfohashV2: v2, BytesFrom: from,
		Seconds: time.Since(f.begun).Seconds(), Verified: true, Entry: entry,
	}
	for _, r := range f.plan.Renamed() {
		out.Renamed = append(out.Renamed, Renamed{r.Own, r.Local})
	}
	if f.sealed != nil {
		e := f.r.Entry
		out.Path, out.Name, out.Size, out.Files = f.sealed.target, e.Content, e.Size, e.Files
	}
	out.OriginSpared = max(f.plan.WantedBytes()-from.WebSeeds, 0)
	f.on(Event{Fetched: out})
}

// seed goes on serving what was fetched, from its place.
func (f *fetch) seed(ctx context.Context, at *located) error {
	if err := f.serve(ctx, at); err != nil {
		return err
	}
	return f.share.run(ctx, f.on)
}

// rest is how many bytes are not wanted.
func (f *fetch) rest() int64 { return f.meta.Size - f.plan.WantedBytes() }

// serve puts the files in place under the torrent that brought them, and no connection is lost.
func (f *fetch) serve(ctx context.Context, at *located) error {
	o := shareOptions{peers: f.r.Peers, announce: f.r.Announce, limits: f.r.Limits, policy: f.r.Policy, group: f.group(), name: f.name()}
	if f.plan.Part() {
		var err error
		if o.part, err = newPart(f.meta, f.plan, f.edges); err != nil {
			return err
		}
		f.dropEdges()
	}
	s, err := f.n.share(ctx, f.meta, *at, f.t, o, f.on)
	if err != nil {
		return err
	}
	f.share = s
	if f.swap == nil {
		return nil
	}
	return f.swap.to(ctx, o.part.storage(s.source))
}

// explain gives the end of the time a reason and a way out.
func (f *fetch) explain(ctx context.Context, err error) error {
	if e := f.r.Entry; e != nil && errors.Is(err, fetcher.ErrInTheWay) {
		group, entry, _ := strings.Cut(e.Ref, "/")
		name, _, _ := strings.Cut(entry, "@")
		return fault.Hint(err, "%s; p2pshare group follow %s -o DIR --match %s keeps up with what is published under that name", fault.HintOf(err), group, name)
	}
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), errTimeout) {
		return netguard.Explain(err)
	}
	why := f.last.Waiting
	if why == "" {
		switch {
		case f.last.Done > 0: // as is said below
		case f.last.Peers == 0:
			why = "nobody with this content was found"
		default:
			why = "no bytes came"
		}
	}
	if f.last.Total > 0 && f.last.Done > 0 {
		if why != "" {
			why += "; "
		}
		why += fmt.Sprintf("%d of %d bytes were there", f.last.Done, f.last.Total)
	}
	err = fault.New(fault.Timeout, "not fetched within %v: %s", f.r.Timeout, why)
	if f.stage != nil {
		return fault.Hint(err, "the same command goes on where it stopped; give it a longer --timeout")
	}
	return fault.Hint(err, "see that somebody seeds it, or name a peer with --peer HOST:PORT")
}

// keepEdges keeps what a partial seed gives beside its files, which costs it those pieces alone where it cannot.
func (f *fetch) keepEdges() {
	if !f.r.Seed || !f.plan.Part() {
		return
	}
	if f.edges = f.keep.edges; f.edges == "" {
		f.edges = f.n.home.Path("edges-" + newID())
	}
	if err := keepEdges(f.edges, f.plan, f.stage); err != nil {
		warn(f.on, "pieces that reach into files that were not wanted are not shared: %v", err)
	}
}

// dropEdges removes the file of those pieces, which is open by now, where nobody keeps it for another run.
func (f *fetch) dropEdges() {
	if f.edges != "" && f.keep.edges == "" {
		_ = os.Remove(f.edges) // where an open file cannot be removed, close does
	}
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
	f.dropEdges()
}
