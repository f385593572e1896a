package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/seeder"
)

const (
	// sourceEvery is how often the files of a share are looked at for changes that no read has met.
	sourceEvery = 5 * time.Second
	// seedingEvery is how often a share says how it goes.
	seedingEvery = 5 * time.Second
)

// share is one torrent that is kept available from files on disk.
type share struct {
	n      *Node
	w      swarm
	t      *engine.Torrent
	meta   *metafile.Torrent
	name   string // for the user
	path   string // of the content, for the user
	source *seeder.Source
	o      shareOptions

	changed chan error // a read or a look met a file that changed
	once    sync.Once
}

// shareOptions are what a request says of a share beside its torrent.
type shareOptions struct {
	peers, announce []string
	limits          Limits
	policy          Policy // ends run; a keeper has its own way, and gives none
	group           string // the ID of the private group that the content is of
	name            string // what the user knows it by; empty: the torrent's name
	part            *part  // what is here; nil: all. The share closes it
}

// share starts to serve verified content. old is a torrent that runs already (after a fetch), nil to add
// one.
func (n *Node) share(ctx context.Context, m *metafile.Torrent, at located, old *engine.Torrent, o shareOptions, on func(Event)) (*share, error) {
	w, err := n.swarmOf(ctx, m, o.group)
	if err != nil {
		o.part.close()
		return nil, err
	}
	s := &share{n: n, w: w, t: old, meta: m, name: cmp.Or(o.name, m.Name), path: contentPath(m, at), o: o, changed: make(chan error, 1)}
	s.source = n.files.NewSource(m, at, s.tell)
	if old != nil {
		return s, nil
	}
	if err := s.add(ctx, on); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// tell says that the files are not what they were.
func (s *share) tell(err error) {
	select {
	case s.changed <- err:
	default: // the first is the one to tell
	}
}

// add serves the source in the swarm.
func (s *share) add(ctx context.Context, on func(Event)) (err error) {
	spec := s.w.spec(ctx, s.n, s.meta, s.o.peers, s.o.announce, on)
	spec.Storage, spec.Rest = s.o.part.storage(s.source), s.o.part.rest(s.meta)
	spec.MaxUp, spec.MaxDown = s.o.limits.now(time.Now())
	if s.t, err = s.w.Add(spec); err != nil {
		return fmt.Errorf("sharing %q: %w", s.meta.Name, err)
	}
	return nil
}

// again hashes files that changed, and goes on if every byte of them is right: they may have another mode, link or time.
// changed is what is wrong with them otherwise.
func (s *share) again(ctx context.Context, changed error, on func(Event)) error {
	s.t.Close()
	s.t = nil
	s.source.Close()
	warn(on, "%v; it is looked at again", changed)
	at, err := content.At(s.meta, s.path)
	if err != nil {
		return changed
	}
	rep, err := check(ctx, s.meta, at, s.o.part, on)
	if err != nil {
		return err
	}
	if !rep.OK {
		return changed
	}
	at.Stamps = rep.Stamps
	for { // what was told of the files before they were hashed
		select {
		case <-s.changed:
			continue
		default:
		}
		break
	}
	s.source = s.n.files.NewSource(s.meta, at, s.tell)
	return s.add(ctx, on)
}

// run serves until ctx ends or the policy has enough, which are no errors, or the bytes of a file change, which is.
func (s *share) run(ctx context.Context, on func(Event)) error {
	look, report := time.NewTicker(sourceEvery), time.NewTicker(seedingEvery)
	defer look.Stop()
	defer report.Stop()
	var up rate
	var words heard
	begun := time.Now()
	on(Event{Seeding: s.seeding(&up)})
	for {
		var changed error
		select {
		case <-ctx.Done():
			return nil
		case changed = <-s.changed:
		case <-look.C:
			changed = s.source.Check(ctx)
		case <-report.C:
			now := s.seeding(&up)
			on(Event{Seeding: now})
			words.show(on, s.t.Stats().TrackerWords)
			if why := s.o.policy.enough(s.meta.Size-s.o.part.rest(s.meta), now.Uploaded, time.Since(begun), now.Copies); why != "" {
				s.t.Close()
				on(Event{Stopped: &Stopped{Name: s.name, Reason: why}})
				return nil
			}
		}
		if changed == nil || ctx.Err() != nil {
			continue
		}
		if err := s.again(ctx, changed, on); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return s.stop(err, on)
		}
		up = rate{}
	}
}

// runUntil is run until so many other machines hold every piece.
func (s *share) runUntil(ctx context.Context, copies int, on func(Event)) error {
	enough, stop := context.WithCancel(ctx)
	defer stop()
	return s.run(enough, func(e Event) {
		on(e)
		if e.Seeding != nil && e.Seeding.Copies >= copies {
			stop()
		}
	})
}

// look is for changes of the files, which go to changed, as a bug that the look meets does. It reports whether there are
// any.
func (s *share) look(ctx context.Context) (changed bool) {
	err := panics.Catch(func() error { return s.source.Check(ctx) })
	if bug, ok := errors.AsType[*panics.Error](err); ok {
		s.tell(bug)
	}
	return err != nil && ctx.Err() == nil
}

func (s *share) stop(err error, on func(Event)) error {
	on(Event{Stopped: &Stopped{Name: s.name, Reason: err.Error()}})
	return fault.Hint(fmt.Errorf("%q is not shared any more: %w", s.name, err),
		"publish it again to share it as it is now; that makes a new infohash")
}

func (s *share) seeding(up *rate) *Seeding {
	st := s.t.Stats()
	v1, v2 := hashes(s.meta)
	return &Seeding{
		Name: s.name, Infohash: v1, InfohashV2: v2, Path: s.path, Port: s.w.Port(), Peers: st.Peers,
		Magnet: magnetFor(s.meta),
		Up:     up.sample(time.Now(), st.Uploaded), Uploaded: st.Uploaded,
		Copies: st.Copies, WebSeeds: len(s.meta.Meta.UrlList),
	}
}

func (s *share) close() {
	s.once.Do(func() {
		if s.t != nil {
			s.t.Close()
		}
		s.source.Close()
		s.o.part.close()
	})
}

// tiers are a torrent's own trackers that can be announced to, and the command line's.
func (n *Node) tiers(own [][]string) (out [][]string) {
	seen := map[string]bool{}
	for _, tier := range own {
		var usable []string
		for _, u := range tier {
			if catalog.CheckTracker(u) == nil && !seen[u] {
				usable = append(usable, u)
				seen[u] = true
			}
		}
		if len(usable) > 0 {
			out = append(out, usable)
		}
	}
	for _, u := range n.opts.Network.Trackers {
		if !seen[u] {
			out = append(out, []string{u})
			seen[u] = true
		}
	}
	return out
}

// contentPath is where the user finds the content: the folder, or the single file.
func contentPath(m *metafile.Torrent, at located) string {
	if m.Dir || len(at.Paths) == 0 {
		return at.Root
	}
	return filepath.Join(at.Root, filepath.FromSlash(at.Paths[0]))
}
