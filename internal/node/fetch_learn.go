package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// allow lets the guard pass the hosts that the user named: in flags always, in the reference only if
// asked, for a link may come from anybody.
func (f *fetch) allow() {
	f.n.guard.Allow(f.r.WebSeeds...)
	f.n.guard.Allow(f.r.Announce...)
	if f.ref.Kind == catalog.URL {
		f.n.guard.Allow(f.ref.URL)
	}
	if f.r.AllowPrivate {
		f.n.guard.Allow(f.ref.Trackers...)
		f.n.guard.Allow(f.ref.WebSeeds...)
		f.n.guard.Allow(f.ref.Sources...)
	}
}

// allowOwn lets the guard pass the hosts that the torrent itself names, if that was asked for.
func (f *fetch) allowOwn() {
	if f.r.AllowPrivate {
		f.n.guard.Allow(announceList(f.meta)...)
		f.n.guard.Allow(f.meta.Meta.UrlList...)
	}
}

// linked puts the peers that the reference names into a spec.
func (f *fetch) linked(ctx context.Context, s *engine.Spec) {
	s.Linked, s.LinkedPrivate = resolveLinked(ctx, slices.Concat(f.ref.Peers, f.r.Linked), f.on), f.r.AllowPrivate
}

// learn gets the info, from the .torrent or from peers, and judges it.
func (f *fetch) learn(ctx context.Context) error {
	if f.meta == nil && f.r.Entry != nil {
		f.meta = f.n.signedTorrent(f.r.Entry)
	}
	if f.meta != nil {
		return nil
	}
	var err error
	switch f.ref.Kind {
	case catalog.File:
		f.meta, err = metafile.ReadFile(f.ref.Path)
	case catalog.URL:
		var b []byte
		if b, err = netguard.FetchTorrent(ctx, f.n.guard.Client(), f.ref.URL); err == nil {
			f.meta, err = metafile.Decode(b)
		}
		if m, ok := errors.AsType[*netguard.MagnetError](err); ok {
			if err := f.follow(m.Link); err != nil {
				return err
			}
			return f.learnFromPeers(ctx)
		}
	default:
		return f.learnFromPeers(ctx)
	}
	if err != nil {
		return err
	}
	f.allowOwn()
	f.tellNotes()
	return nil
}

// follow goes on with the magnet link that the web address leads to. It is the last: what a magnet names as its source
// is a .torrent or nothing.
func (f *fetch) follow(link string) error {
	ref, err := catalog.ParseRef(link)
	if err == nil && ref.Kind != catalog.Magnet {
		err = errors.New("it is no magnet link")
	}
	if err != nil {
		return fault.Hint(fault.New(fault.Failed, "%q leads to a magnet link that is not one: %w", webaddr.RedactURL(f.ref.URL), err),
			"open the page and copy its magnet link, or the address of the .torrent")
	}
	tell(f.on, "the address leads to a magnet link, which is fetched")
	f.ref = ref
	f.allow()
	if f.keep.led != nil {
		return f.keep.led(link)
	}
	return nil
}

// tellNotes tells what of the torrent is odd, and that some of its trackers cannot be asked. Who wants to know which
// asks lint: their addresses may have passkeys in them.
func (f *fetch) tellNotes() {
	for _, note := range f.meta.Notes {
		f.on(Event{Level: "warn", Message: "about the torrent: " + note})
	}
	all := announceList(f.meta)
	unfit := 0
	for _, u := range all {
		if catalog.CheckTracker(u) != nil {
			unfit++
		}
	}
	if unfit > 0 {
		f.on(Event{Level: "warn", Message: fmt.Sprintf("%d of the torrent's %d trackers are passed over: what they have is not the address of a udp, http or https tracker (p2pshare lint names them)", unfit, len(all))})
	}
}

// learnFromPeers joins the swarm of a magnet to ask for its info (BEP 9).
func (f *fetch) learnFromPeers(ctx context.Context) error {
	if f.group() != "" {
		return fault.Hint(fault.New(fault.NotFound, "no member that is online has the torrent of %q", f.r.Entry.Ref), "try again when one is; its publisher has it")
	}
	// Who asks everyone for it tells everyone of it.
	if m, name := f.n.listed(f.ref.V1, f.ref.V2); m != nil {
		return fault.Hint(fault.New(fault.Denied, "this is %q of the private group %q, and is asked for among its members alone", name, m.Name()),
			"p2pshare fetch %s/%s", m.Name(), name)
	}
	e, err := f.n.network()
	if err != nil {
		return err
	}
	f.w = swarm{Engine: e}
	spec := engine.Spec{V1: f.ref.V1, V2: f.ref.V2, Name: f.ref.DisplayName}
	spec.Trackers = f.n.tiers(append(single(f.ref.Trackers), single(f.r.Announce)...))
	spec.Peers = resolvePeers(ctx, slices.Concat(f.r.Peers, f.n.opts.Network.Peers), f.on)
	f.linked(ctx, &spec)
	spec.MaxUp, spec.MaxDown = f.r.Limits.now(time.Now())
	if f.t, err = e.Add(spec); err != nil {
		return err
	}
	f.join()
	var m *metafile.Torrent
	err = f.watch(ctx, "metadata", f.ref.DisplayName, 0, 0, func() error {
		m, err = f.firstInfo(ctx)
		return err
	})
	if err != nil {
		return err
	}
	f.meta = m
	// The torrent is added again with its info, once that is judged: what was added without is private
	// to nobody, and has no place to put bytes.
	f.known, f.t = f.t.Found(), nil
	f.join()
	f.allowOwn()
	f.tellNotes()
	return nil
}

// firstInfo is what peers give, or a source of the magnet, whoever is first.
func (f *fetch) firstInfo(ctx context.Context) (*metafile.Torrent, error) {
	ctx, stop := context.WithCancel(ctx)
	var both panics.Group // neither of which panics: what is in them is caught
	defer both.Wait()
	defer stop()
	type found struct {
		m   *metafile.Torrent
		err error
	}
	first := make(chan found, 2)
	both.Start(func() {
		var m *metafile.Torrent
		err := panics.Catch(func() error {
			info, err := f.t.Metadata(ctx)
			if err == nil {
				m, err = metafile.FromInfo(info)
			}
			return err
		})
		first <- found{m, err}
	})
	both.Start(func() {
		var m *metafile.Torrent
		err := panics.Catch(func() error { m = f.fromSources(ctx); return nil })
		if m != nil || err != nil {
			first <- found{m, err}
		}
	})
	got := <-first
	return got.m, got.err
}

// fromSources asks the magnet's sources for the .torrent, one after the other, and is nil if none gives it. They are
// judged as its web seeds are, for whoever wrote the link chose them; what they give has to hash to its infohash.
func (f *fetch) fromSources(ctx context.Context) *metafile.Torrent {
	if len(f.ref.Sources) == 0 {
		return nil
	}
	client := f.n.guard.Client()
	defer client.CloseIdleConnections()
	for _, u := range f.ref.Sources {
		b, err := netguard.FetchTorrent(ctx, client, u)
		var m *metafile.Torrent
		if err == nil {
			m, err = metafile.Decode(b)
		}
		if err == nil && !f.isAsked(m) {
			err = errors.New("it is of another torrent")
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			return m
		}
		if isRefused(err) {
			_ = f.n.refused(err) // says enough
			continue
		}
		warn(f.on, "the source %q of the magnet link is not used: %v", webaddr.RedactURL(u), err)
	}
	return nil
}

// isAsked says whether m has every infohash that the reference names.
func (f *fetch) isAsked(m *metafile.Torrent) bool {
	v1 := f.ref.V1 == nil || m.V1 != nil && *m.V1 == *f.ref.V1
	v2 := f.ref.V2 == nil || m.V2 != nil && *m.V2 == *f.ref.V2
	return v1 && v2
}

// learnLayers takes up the piece layers (BEP 52) that peers sent beside a v2 magnet's info: who is to serve the files, or to
// verify them, needs them again.
func (f *fetch) learnLayers() {
	if f.t == nil || f.meta.V1 != nil || len(f.meta.Meta.PieceLayers) > 0 {
		return
	}
	f.meta.Meta.PieceLayers = f.t.PieceLayers()
	f.layered = len(f.meta.Meta.PieceLayers) > 0
}

// single makes a tier of each: a magnet's trackers have no order, and all are asked.
func single(urls []string) (tiers [][]string) {
	for _, u := range urls {
		tiers = append(tiers, []string{u})
	}
	return tiers
}
