package conform

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func (s *suite) publishing(r node.PublishRequest) func(context.Context, func(node.Event)) error {
	return func(ctx context.Context, on func(node.Event)) error { return s.b.Publish(ctx, r, on) }
}

func (s *suite) fetching(r node.FetchRequest) func(context.Context, func(node.Event)) error {
	return func(ctx context.Context, on func(node.Event)) error { return s.b.Fetch(ctx, r, on) }
}

func (s *suite) seeding(r node.SeedRequest) func(context.Context, func(node.Event)) error {
	return func(ctx context.Context, on func(node.Event)) error { return s.b.Seed(ctx, r, on) }
}

func (s *suite) publish() {
	dir, files := s.release(1<<20, 1), s.TempDir()
	r := node.PublishRequest{Path: dir, Output: filepath.Join(files, "r.torrent"), Sums: filepath.Join(files, "SHA256SUMS"), Comment: "a <b> & c"}
	q := s.begin(s.publishing(r))
	pub := q.until("the torrent", isPublished).Published
	seeding := q.until("seeding", isSeeding).Seeding
	if pub.Name != "release" || pub.Files != 4 || pub.Size != 1<<20+70_100 || !strings.HasPrefix(pub.Magnet, "magnet:?") || pub.Infohash == "" {
		s.Errorf("published: got %+v", pub)
	}
	if pub.TorrentFile != r.Output || pub.SumsFile != r.Sums {
		s.Errorf("files: got %q and %q, want %q and %q", pub.TorrentFile, pub.SumsFile, r.Output, r.Sums)
	}
	for _, f := range []string{r.Output, r.Sums} {
		if info, err := os.Stat(f); err != nil || info.Size() == 0 {
			s.Errorf("%s was not written: %v", f, err)
		}
	}
	if seeding.Infohash != pub.Infohash || seeding.Name != "release" || seeding.Path != dir {
		s.Errorf("seeding: got %+v, want the share of %q", seeding, dir)
	}
	s.got(pub.Magnet, seeding.Port, dir)
	q.cancel()
	if err := q.end(); err != nil {
		s.Errorf("the end of a share that is seeded: got %v, want no error", err)
	}
	q.keptFirst()
}

func (s *suite) publishOnly() {
	dir, out := s.release(100_000, 1), filepath.Join(s.TempDir(), "r.torrent")
	q := s.begin(s.publishing(node.PublishRequest{Path: dir, Output: out, NoSeed: true}))
	q.until("the torrent", isPublished)
	if err := q.end(); err != nil {
		s.Fatal(err)
	}
	if _, err := os.Stat(out); err != nil {
		s.Error(err)
	}
	if l := s.list(); len(l) != 0 {
		s.Errorf("without seeding there are %d shares, want none: %+v", len(l), l)
	}
}

func (s *suite) publishTwice() {
	dir := s.release(100_000, 1)
	first, _, kept := s.share(node.PublishRequest{Path: dir})
	again, port, _ := s.share(node.PublishRequest{Path: dir})
	if first.Infohash != again.Infohash {
		s.Errorf("the same folder became %s and %s", first.Infohash, again.Infohash)
	}
	if l := s.list(); len(l) != 1 || l[0].ID != kept.ID {
		s.Errorf("the same folder twice: got %d shares, want the one of ID %s: %+v", len(l), kept.ID, l)
	}
	s.got(first.Magnet, port, dir)
}

func (s *suite) publishDetached() {
	dir := s.release(1<<20, 1)
	pub, port, kept := s.share(node.PublishRequest{Path: dir})
	sh := s.await(kept.ID, node.StateSeeding)
	if sh.Name != kept.Name || sh.Kind != "publish" || sh.Infohash != pub.Infohash || sh.Path != dir || sh.Size != pub.Size || sh.Files != 4 || sh.Magnet == "" || sh.Added.IsZero() {
		s.Errorf("share: got %+v, want what was published", sh)
	}
	s.got(pub.Magnet, port, dir)
	if sh := s.await(kept.ID, node.StateSeeding); sh.Uploaded < pub.Size {
		s.Errorf("uploaded: got %d, want at least the %d that another fetched", sh.Uploaded, pub.Size)
	}
}

// source shares a folder by another node and returns its port; maxUp bounds it.
func (s *suite) source(dir, torrent string, maxUp int64) (pub *node.Published, port int) {
	s.Helper()
	n := quiet
	n.MaxUp = maxUp
	nd, err := node.Open(s.Context(), node.Options{Home: s.TempDir(), Network: n, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	r := node.PublishRequest{Path: dir, Output: torrent, PieceLength: 64 << 10}
	q := s.begin(func(ctx context.Context, on func(node.Event)) error { return nd.Publish(ctx, r, on) })
	s.Cleanup(func() {
		q.cancel()
		if err := errors.Join(q.end(), nd.Close()); err != nil {
			s.Errorf("ending the source: %v", err)
		}
	})
	for pub == nil || port == 0 {
		e := q.until("the source", func(e node.Event) bool { return e.Published != nil || e.Seeding != nil })
		if e.Published != nil {
			pub = e.Published
		} else {
			port = e.Seeding.Port
		}
	}
	return pub, port
}

func (s *suite) fetch() {
	dir, out := s.release(1<<20, 2), s.TempDir()
	pub, port := s.source(dir, "", 0)
	q := s.begin(s.fetching(node.FetchRequest{Ref: pub.Magnet, Dir: out, Peers: []string{addr(port)}}))
	got := q.until("the content", isFetched).Fetched
	if err := q.end(); err != nil {
		s.Fatalf("after the content is there: got %v, want no error", err)
	}
	q.keptFirst()
	want := filepath.Join(out, "release")
	if got.Path != want || !got.Verified || got.Size != pub.Size || got.Infohash != pub.Infohash || got.BytesFrom.Peers < pub.Size {
		s.Errorf("fetched: got %+v, want all of it from peers in %q", got, want)
	}
	s.same(want, dir)
	if sh := s.await(pub.Infohash, node.StateSeeding); sh.Kind != "fetch" || sh.Path != want || sh.Done.IsZero() {
		s.Errorf("share: got %+v, want a fetch that is done and seeded", sh)
	}
}

func (s *suite) fetchAndSeed() {
	dir, out := s.release(1<<20, 2), s.TempDir()
	pub, port := s.source(dir, "", 0)
	q := s.begin(s.fetching(node.FetchRequest{Ref: pub.Magnet, Dir: out, Seed: true, Peers: []string{addr(port)}}))
	q.until("the content", isFetched)
	port = q.until("seeding", isSeeding).Seeding.Port
	q.cancel()
	if err := q.end(); err != nil {
		s.Errorf("the end after the content is there: got %v, want no error", err)
	}
	q.keptFirst()
	s.await(pub.Infohash, node.StateSeeding)
	s.got(pub.Magnet, port, dir)
}

func (s *suite) fetchDetached() {
	dir, out := s.release(2<<20, 2), s.TempDir()
	pub, port := s.source(dir, "", 1<<20)
	q := s.begin(s.fetching(node.FetchRequest{Ref: pub.Magnet, Dir: out, NoSeed: true, Peers: []string{addr(port)}}))
	id := q.until("the word that it is kept", isKept).Kept.ID
	q.cancel()
	if err := q.end(); !errors.Is(err, context.Canceled) {
		s.Errorf("detached from a fetch: got %v, want context.Canceled", err)
	}
	s.await(id, node.StateDone)
	s.same(filepath.Join(out, "release"), dir)
}

func (s *suite) fetchTimeout() {
	const nobody = "0123456789abcdef0123456789abcdef01234567"
	q := s.begin(s.fetching(node.FetchRequest{Ref: nobody, Dir: s.TempDir(), Timeout: 200 * time.Millisecond}))
	s.refused("nobody has it", q.end(), fault.Timeout, true)
}

func (s *suite) seed() {
	dir := s.release(100_000, 3)
	file := filepath.Join(filepath.Dir(dir), "r.torrent")
	if err := s.other().Publish(s.Context(), node.PublishRequest{Path: dir, Output: file, NoSeed: true}, ignore); err != nil {
		s.Fatal(err)
	}
	q := s.begin(s.seeding(node.SeedRequest{Torrents: []string{file}}))
	seeding := q.until("seeding", isSeeding).Seeding
	q.cancel()
	if err := q.end(); err != nil {
		s.Errorf("the end of seeding: got %v, want no error", err)
	}
	q.keptFirst()
	if sh := s.await(seeding.Infohash, node.StateSeeding); sh.Kind != "seed" || sh.Path != dir {
		s.Errorf("share: got %+v, want a seed of %q", sh, dir)
	}
	s.got(seeding.Magnet, seeding.Port, dir)

	other := s.release(100_000, 4) // other bytes under the same names
	err := s.b.Seed(s.Context(), node.SeedRequest{Torrents: []string{file}, Data: filepath.Dir(other)}, ignore)
	if err == nil {
		s.Error("content that is not the torrent's is seeded")
	}
	s.refused("no torrent", s.b.Seed(s.Context(), node.SeedRequest{Torrents: []string{file + ".none"}}, ignore), fault.NotFound, false)
}

// endedBefore tests that a caller who has gone already leaves nothing behind.
func (s *suite) endedBefore() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if err := s.b.Publish(ctx, node.PublishRequest{Path: s.release(1000, 1)}, ignore); !errors.Is(err, context.Canceled) {
		s.Errorf("publish: got %v, want context.Canceled", err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := after(); ; {
		l := s.list()
		if len(l) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			s.Fatalf("it left %+v", l)
		}
	}
}
