package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/doctor"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/store"
)

// groupsForDoctor reads the groups of a home without a daemon, so that doctor can report their problems, unless another process holds them.
func (n *Node) groupsForDoctor(ctx context.Context) {
	if _, err := os.Stat(n.home.Path("groups")); err != nil {
		return // it is in none
	}
	ctx, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	if _, err := n.openGroups(ctx); err != nil {
		n.log.Debug("looking at the groups", "error", err)
	}
}

// Doctor says why nothing moves. Without a daemon it listens for as long as it looks.
func (n *Node) Doctor(ctx context.Context, r DoctorRequest, on func(Event)) (*Diagnosis, error) {
	on, end := n.hear(on)
	defer end()
	x := &examination{n: n, asked: r.Refs, now: time.Now()}
	if err := x.shares(); err != nil {
		return nil, err
	}
	tell(on, "looking, for up to ten seconds")
	x.home()
	n.groupsForDoctor(ctx)
	for _, a := range n.groupAlarms() {
		x.facts.Groups = append(x.facts.Groups, doctor.Alarm{What: a.what, Do: a.do, Grave: a.grave})
	}
	d := &Diagnosis{}
	if _, err := n.network(); err != nil {
		// The port is another program's, or the address is no more: that is the finding.
		d.Findings = append(d.Findings, Finding{Code: "port", Grave: true, What: err.Error(), Do: fault.HintOf(err)})
	} else if err := x.network(ctx); err != nil {
		return nil, err
	}
	if err := x.look(ctx); err != nil {
		return nil, err
	}
	found, well := doctor.Judge(x.facts)
	for _, f := range found {
		d.Findings = append(d.Findings, Finding(f))
	}
	d.Looked = well
	return d, nil
}

// examination gathers the facts of one diagnosis.
type examination struct {
	n     *Node
	asked []string
	now   time.Time
	facts doctor.Facts
	cases []patient
}

// patient is a share that is examined.
type patient struct {
	named
	share   Share
	torrent func() (*metafile.Torrent, error)
	at      func() (located, error) // with stamps
	ref     catalog.Ref
	known   int
	failing map[string]error // trackers, by URL
	short   *noRoom          // room that it waits for
}

// shares takes those that are to be examined, as they stand.
func (x *examination) shares() error {
	if x.n.keeper != nil {
		return x.n.keeper.patients(x)
	}
	h, err := readHome(x.n.home, store.Read[record])
	if err != nil {
		return err
	}
	list := h.named()
	at, err := pick(list, x.asked, len(x.asked) == 0)
	if err != nil {
		return err
	}
	for _, i := range at {
		s := list[i]
		x.add(patient{named: s, share: h.resting(s),
			torrent: func() (*metafile.Torrent, error) { return torrentIn(h.store, s.id, s.rec) },
			at:      func() (located, error) { return stampsIn(h.store, s.id) }})
	}
	x.facts.Problems = withoutShares(h.problems)
	l, _ := h.limits.over(x.n.opts.Network, firm{})
	x.limits(l)
	return nil
}

// patients are the shares of a daemon.
func (k *keeper) patients(x *examination) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	items, err := k.find(x.asked, len(x.asked) == 0)
	if err != nil {
		return err
	}
	for _, it := range items {
		rec := it.rec
		p := patient{named: named{it.id, &rec}, share: it.view(x.now), short: it.short,
			torrent: func() (*metafile.Torrent, error) { return torrentIn(k.store, it.id, &rec) },
			at:      func() (located, error) { return stampsIn(k.store, it.id) }}
		if it.torrent != nil {
			s := it.torrent.Stats()
			p.known, p.failing = s.Known, s.TrackerProblem
		}
		x.add(p)
	}
	x.facts.Daemon = true
	x.facts.Problems = withoutShares(k.problems)
	// The clock that people set, and the one that only goes on.
	x.facts.Clock.Jump = x.now.Sub(k.started) - x.now.Round(0).Sub(k.started.Round(0))
	x.limits(k.allLimits())
	for _, it := range k.items {
		x.facts.Rates.Up += it.up.mean
		x.facts.Rates.Down += it.down.mean
	}
	return nil
}

func (x *examination) add(p patient) {
	p.ref, _ = catalog.ParseRef(p.rec.Magnet) // one that has none has no sites to ask
	x.cases = append(x.cases, p)
}

func (x *examination) limits(l Limits) {
	r := &x.facts.Rates
	r.UpLimit, r.DownLimit = l.now(x.now)
	r.Schedule = r.UpLimit != l.Up || r.DownLimit != l.Down
}

// withoutShares leaves out of a home's problems those that are a share's finding already.
func withoutShares(problems []string) []string {
	return slices.DeleteFunc(slices.Clone(problems), func(p string) bool { return strings.HasPrefix(p, "the share ") })
}

func stampsIn(st *store.Store[record], id string) (located, error) {
	b, err := st.File(id, stampsFile)
	if err != nil {
		return located{}, err
	}
	return decodeStamps(b)
}

// home looks at the home's disk and the times of its files.
func (x *examination) home() {
	dir := x.n.home.Dir()
	x.facts.Home, x.facts.HomeFree = dir, -1
	if free, err := freeSpace(dir); err == nil {
		x.facts.HomeFree = free
	}
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			x.future(filepath.Join(dir, e.Name()), info.ModTime())
		}
	}
	for _, p := range x.cases {
		x.future(filepath.Join(dir, "shares", p.id), p.rec.Added)
	}
}

func (x *examination) future(path string, at time.Time) {
	if by := at.Sub(x.now); by > x.facts.Clock.FutureBy {
		x.facts.Clock.Future, x.facts.Clock.FutureBy = path, by
	}
}

// look looks at the shares' files and disks.
func (x *examination) look(ctx context.Context) error {
	for _, p := range x.cases {
		if err := ctx.Err(); err != nil {
			return err
		}
		x.facts.Shares = append(x.facts.Shares, x.fact(ctx, p))
	}
	return nil
}

// fact is what there is to know of a share.
func (x *examination) fact(ctx context.Context, p patient) doctor.Share {
	sh := p.share
	f := doctor.Share{
		ID: sh.ID, Name: sh.Name, State: sh.State, Reason: sh.Reason, Hint: sh.Hint, Asked: len(x.asked) > 0, Path: sh.Path, Own: sh.Kind == "publish", Mirror: sh.Mirror,
		Private: sh.Private && p.rec.Group == "", Group: sh.Group, Trackers: len(x.n.tiers([][]string{p.ref.Trackers, p.rec.Announce})), WebSeeds: sh.WebSeeds,
		Peers: sh.Peers, Seeds: sh.Seeds, Known: p.known, Up: sh.Up, Down: sh.Down, Free: -1,
	}
	if f.WebSeeds == 0 {
		f.WebSeeds = len(p.ref.WebSeeds)
	}
	if len(p.rec.Peers) > 0 && f.Private && f.Trackers == 0 {
		f.Private = false // peers that were named are a way to be found
	}
	f.UpLimit, f.DownLimit = sh.Limits.now(x.now)
	f.For = x.now.Sub(sh.Added)
	if k := x.n.keeper; k != nil {
		f.For = min(f.For, x.now.Sub(k.started))
	}
	if p.rec.Fetch != nil {
		x.room(&f, p)
	} else {
		sources(ctx, &f, p)
	}
	return f
}

// room compares what a fetch has still to write with what its disk has left.
func (x *examination) room(f *doctor.Share, p patient) {
	f.Path = p.rec.Fetch.Dir
	free, err := freeSpace(existing(f.Path))
	if err != nil || p.rec.Size == 0 {
		return
	}
	f.Free, f.Floor = free, x.n.opts.Floor
	f.Missing = max(0, p.rec.Size-p.share.Downloaded)
	if pr := p.share.Progress; pr != nil && pr.Total > 0 {
		f.Missing = pr.Total - pr.Done
	}
	if p.short != nil {
		f.Missing = p.short.more // it waits for that
	}
}

// existing is dir or the nearest folder above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// sources looks at files that are shared if there is a reason to: the share does not move, or the user asks. Those
// of the others are looked at all the time.
func sources(ctx context.Context, f *doctor.Share, p patient) {
	trouble := f.State == StateWaiting || f.State == StateFailed
	if f.Path == "" || p.rec.Finish || !trouble && (!f.Asked || f.State != StateSeeding) {
		return
	}
	m, err := p.torrent()
	if err != nil {
		return // the state says so
	}
	part, err := partOf(m, f.Path, p.rec.Part, "")
	if err != nil {
		return
	}
	if err := missing(m, f.Path, part.want()); err != nil {
		f.Gone = true
		return
	}
	at, err := p.at()
	if err != nil || at.Check(m) != nil {
		return
	}
	if _, err := at.Restamped(ctx); err != nil && ctx.Err() == nil {
		f.Source = err.Error()
	}
}

// network looks at everything that packets go through, all at once.
func (x *examination) network(ctx context.Context) error {
	var all errgroup.Group
	for _, look := range []func(context.Context) error{x.port, x.lan, x.dht, x.dns, x.sites} {
		all.Go(panics.Caught(func() error { return look(ctx) }))
	}
	err := all.Wait()
	if cut := ctx.Err(); cut != nil {
		return errors.Join(errors.New("looking was cut short"), cut, err)
	}
	return err
}
