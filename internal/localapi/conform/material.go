package conform

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// patience is how long the suite waits for what has to come. It passes in no run that goes well.
const patience = 90 * time.Second

func after() <-chan time.Time { return time.After(patience) }

// release is a folder of size bytes and a few small files, other bytes for another seed.
func (s *suite) release(size int, seed byte) string {
	s.Helper()
	dir := filepath.Join(s.TempDir(), "release")
	src := rand.NewChaCha8([32]byte{seed})
	for name, n := range map[string]int{"image.bin": size, "docs/a.txt": 100, "docs/b.txt": 70_000, "empty": 0} {
		b := make([]byte, n)
		src.Read(b) // ChaCha8 gives no error
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			s.Fatal(err)
		}
	}
	return dir
}

// same tests that two folders hold the same files.
func (s *suite) same(got, want string) {
	s.Helper()
	n := 0
	err := filepath.WalkDir(want, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(want, p)
		if err != nil {
			return err
		}
		n++
		w, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if g, err := os.ReadFile(filepath.Join(got, rel)); err != nil || !bytes.Equal(g, w) {
			s.Errorf("%s: got %d bytes, %v, want the %d that were published", rel, len(g), err, len(w))
		}
		return nil
	})
	if err != nil || n == 0 {
		s.Fatalf("comparing with %q: %d files, %v", want, n, err)
	}
}

// share publishes a folder, waits until it can be fetched, and detaches.
func (s *suite) share(r node.PublishRequest) (pub *node.Published, port int, kept *node.Kept) {
	s.Helper()
	q := s.begin(s.publishing(r))
	pub = q.until("the torrent", isPublished).Published
	port = q.until("seeding", isSeeding).Seeding.Port
	q.cancel()
	if err := q.end(); err != nil {
		s.Fatalf("detaching from a share: got %v, want no error", err)
	}
	for _, e := range q.seen {
		if e.Kept != nil {
			kept = e.Kept
		}
	}
	if kept == nil || port == 0 || pub.Magnet+pub.Entry == "" {
		s.Fatalf("publishing: got %+v at port %d, kept %+v", pub, port, kept)
	}
	return pub, port, kept
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// list is the status of what refs name.
func (s *suite) list(refs ...string) []node.Share {
	s.Helper()
	st, err := s.b.Status(s.Context(), node.StatusRequest{Refs: refs})
	if err != nil {
		s.Fatalf("status of %q: %v (%s)", refs, err, fault.HintOf(err))
	}
	return st.Shares
}

// await waits until a share is in one of the states.
func (s *suite) await(ref string, states ...string) node.Share {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := after()
	for {
		list := s.list(ref)
		if len(list) != 1 {
			s.Fatalf("status of %q: got %d shares, want one", ref, len(list))
		}
		for _, want := range states {
			if list[0].State == want {
				return list[0]
			}
		}
		select {
		case <-tick.C:
		case <-late:
			s.Fatalf("%q is %s (%s), want %v", ref, list[0].State, list[0].Reason, states)
		}
	}
}

// got fetches by another node from the port given, and compares.
func (s *suite) got(magnet string, port int, want string) {
	s.Helper()
	out := s.TempDir()
	err := s.other(addr(port)).Fetch(s.Context(), node.FetchRequest{Ref: magnet, Dir: out, Timeout: patience}, ignore)
	if err != nil {
		s.Fatalf("fetching what is shared: %v (%s)", err, fault.HintOf(err))
	}
	s.same(filepath.Join(out, "release"), want)
}

// refused tests an error's kind and that it has a hint.
func (s *suite) refused(what string, err error, kind fault.Kind, hint bool) {
	s.Helper()
	switch {
	case err == nil:
		s.Errorf("%s: got no error, want one of kind %d", what, kind)
	case fault.KindOf(err) != kind:
		s.Errorf("%s: got %v (kind %d), want kind %d", what, err, fault.KindOf(err), kind)
	case hint && fault.HintOf(err) == "":
		s.Errorf("%s: %v has no hint", what, err)
	}
}
