package conform

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

const unknown = "ffffffffffffffffffffffffffffffffffffffff"

func (s *suite) verify() {
	dir := s.release(100_000, 1)
	file := filepath.Join(filepath.Dir(dir), "r.torrent")
	if err := s.other().Publish(s.Context(), node.PublishRequest{Path: dir, Output: file, NoSeed: true}, ignore); err != nil {
		s.Fatal(err)
	}
	v, err := s.b.Verify(s.Context(), node.VerifyRequest{Torrent: file}, ignore)
	if err != nil || !v.OK || v.Path != dir || v.Files != 4 || len(v.Bad) != 0 {
		s.Fatalf("content that is good: got %+v, %v", v, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs/a.txt"), []byte(strings.Repeat("x", 100)), 0o644); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more"), nil, 0o644); err != nil {
		s.Fatal(err)
	}
	v, err = s.b.Verify(s.Context(), node.VerifyRequest{Torrent: file, Data: dir}, ignore)
	if err != nil || v.OK || len(v.Bad) == 0 || len(v.Extra) != 1 || v.Extra[0] != "more" {
		s.Errorf("content that is not: got %+v, %v, want a bad file and one that is extra", v, err)
	}
	_, err = s.b.Verify(s.Context(), node.VerifyRequest{Torrent: file + ".none"}, ignore)
	s.refused("no torrent", err, fault.NotFound, false)
}

func (s *suite) status() {
	st, err := s.b.Status(s.Context(), node.StatusRequest{})
	if err != nil {
		s.Fatal(err)
	}
	if len(st.Shares) != 0 || st.Home != s.home || st.Version != "test" || st.PID == 0 || st.Started.IsZero() || len(st.Problems) != 0 {
		s.Errorf("a fresh home: got %+v", st)
	}
	dir := s.release(100_000, 1)
	pub, port, kept := s.share(node.PublishRequest{Path: dir})
	s.share(node.PublishRequest{Path: s.release(100_000, 2), Name: "second"})
	if st, err = s.b.Status(s.Context(), node.StatusRequest{}); err != nil || len(st.Shares) != 2 || st.Port != port {
		s.Errorf("two shares: got %+v, %v, want them and port %d", st, err, port)
	}
	for what, ref := range map[string]string{
		"ID": kept.ID, "name": "release", "infohash": pub.Infohash, "infohash in capitals": strings.ToUpper(pub.Infohash),
		"its first digits": pub.Infohash[:8], "magnet link": pub.Magnet, "path": dir,
	} {
		if l := s.list(ref); len(l) != 1 || l[0].ID != kept.ID {
			s.Errorf("by %s: got %+v, want the share %s", what, l, kept.ID)
		}
	}
	for _, ref := range []string{unknown, "nothing of this name", "/nowhere"} {
		_, err := s.b.Status(s.Context(), node.StatusRequest{Refs: []string{ref}})
		s.refused("status of "+ref, err, fault.NotFound, true)
	}
}

func (s *suite) stopAndStart() {
	dir := s.release(100_000, 1)
	pub, _, kept := s.share(node.PublishRequest{Path: dir})
	got, err := s.b.Change(s.Context(), node.ChangeRequest{Refs: []string{kept.ID}})
	if err != nil || len(got) != 1 || got[0].State != node.StateStopped {
		s.Fatalf("stop: got %+v, %v, want the share stopped", got, err)
	}
	s.await(kept.ID, node.StateStopped)
	if got, err = s.b.Change(s.Context(), node.ChangeRequest{All: true, Run: true}); err != nil || len(got) != 1 {
		s.Fatalf("start: got %+v, %v, want the share", got, err)
	}
	s.await(kept.ID, node.StateSeeding)
	st, err := s.b.Status(s.Context(), node.StatusRequest{})
	if err != nil {
		s.Fatal(err)
	}
	s.got(pub.Magnet, st.Port, dir)
	_, err = s.b.Change(s.Context(), node.ChangeRequest{Refs: []string{unknown}})
	s.refused("stop of what is not there", err, fault.NotFound, true)
	_, err = s.b.Change(s.Context(), node.ChangeRequest{})
	s.refused("stop of nothing", err, fault.Usage, false)
}

func (s *suite) limit() {
	_, _, kept := s.share(node.PublishRequest{Path: s.release(100_000, 1), Limits: node.Limits{Up: 1 << 20}, Policy: node.Policy{Ratio: 50}})
	if l := s.list(kept.ID); l[0].Limits.Up != 1<<20 || l[0].Policy.Ratio != 50 {
		s.Errorf("of the request: got %+v, %+v", l[0].Limits, l[0].Policy)
	}
	up, down := int64(2<<20), int64(3<<20)
	windows := []node.Window{{Days: "mon-fri", From: "08:00", To: "18:00", Up: 100_000, Down: 0}, {From: "00:00", To: "24:00", Up: 5, Down: 6}}
	got, err := s.b.Limit(s.Context(), node.LimitRequest{Up: &up, Down: &down, Windows: &windows})
	if err != nil || got.Limits.Up != up || got.Limits.Down != down || len(got.Limits.Windows) != 2 || got.Limits.Windows[0] != windows[0] {
		s.Fatalf("of all: got %+v, %v", got, err)
	}
	st, err := s.b.Status(s.Context(), node.StatusRequest{})
	if err != nil || st.Limits.Up != up || len(st.Limits.Windows) != 2 || st.Now.Up != 5 && st.Now.Up != 100_000 {
		s.Errorf("status: got %+v and now %+v, %v", st.Limits, st.Now, err)
	}
	policy := node.Policy{Ratio: 2, Time: time.Hour, Copies: 3}
	got, err = s.b.Limit(s.Context(), node.LimitRequest{Refs: []string{kept.ID}, Down: &down, Policy: &policy})
	if err != nil || len(got.Shares) != 1 || got.Shares[0].Limits.Up != 1<<20 || got.Shares[0].Limits.Down != down || got.Shares[0].Policy != policy {
		s.Errorf("of a share: got %+v, %v, want its up as it was, and the rest new", got, err)
	}
	negative := int64(-1)
	for what, r := range map[string]node.LimitRequest{
		"a negative rate":            {Up: &negative},
		"a window of no hour":        {Windows: &[]node.Window{{From: "25:00", To: "26:00"}}},
		"a window of no day":         {Windows: &[]node.Window{{Days: "someday", From: "08:00", To: "09:00"}}},
		"a policy of no share":       {Policy: &policy},
		"a negative ratio":           {Refs: []string{kept.ID}, Policy: &node.Policy{Ratio: -1}},
		"a negative number of peers": {Refs: []string{kept.ID}, Policy: &node.Policy{Copies: -1}},
	} {
		_, err := s.b.Limit(s.Context(), r)
		s.refused(what, err, fault.Usage, false)
	}
	_, err = s.b.Limit(s.Context(), node.LimitRequest{Refs: []string{unknown}, Up: &up})
	s.refused("what is not there", err, fault.NotFound, true)
}

func (s *suite) remove() {
	dir, second := s.release(100_000, 1), s.release(100_000, 2)
	_, _, kept := s.share(node.PublishRequest{Path: dir})
	s.share(node.PublishRequest{Path: second, Name: "second"})
	got, err := s.b.Remove(s.Context(), node.RemoveRequest{Refs: []string{kept.ID}})
	if err != nil || len(got) != 1 || got[0].ID != kept.ID || got[0].Path != dir {
		s.Fatalf("remove: got %+v, %v, want the share as it was", got, err)
	}
	if l := s.list(); len(l) != 1 || l[0].Name != "second" {
		s.Errorf("after that: got %+v, want the other share alone", l)
	}
	if _, err := os.Stat(filepath.Join(dir, "image.bin")); err != nil {
		s.Errorf("the user's files: %v", err)
	}
	for what, r := range map[string]node.RemoveRequest{"again": {Refs: []string{kept.ID}}, "unknown": {Refs: []string{unknown}}} {
		_, err := s.b.Remove(s.Context(), r)
		s.refused(what, err, fault.NotFound, true)
	}
	_, err = s.b.Remove(s.Context(), node.RemoveRequest{})
	s.refused("nothing", err, fault.Usage, false)
	if got, err = s.b.Remove(s.Context(), node.RemoveRequest{All: true, Data: true}); err != nil || len(got) != 1 {
		s.Fatalf("remove with data: got %+v, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(second, "image.bin")); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("the content that was to go is there: %v", err)
	}
	if l := s.list(); len(l) != 0 {
		s.Errorf("after all were removed: got %+v", l)
	}
}

// restart tests that what was confirmed outlives the backend.
func (s *suite) restart() {
	dir := s.release(100_000, 1)
	pub, _, kept := s.share(node.PublishRequest{Path: dir, Policy: node.Policy{Ratio: 9}})
	_, _, stopped := s.share(node.PublishRequest{Path: s.release(100_000, 2), Name: "second"})
	if _, err := s.b.Change(s.Context(), node.ChangeRequest{Refs: []string{stopped.ID}}); err != nil {
		s.Fatal(err)
	}
	up := int64(7 << 20)
	if _, err := s.b.Limit(s.Context(), node.LimitRequest{Up: &up}); err != nil {
		s.Fatal(err)
	}
	before := s.await(kept.ID, node.StateSeeding)
	waiting := s.begin(s.publishing(node.PublishRequest{Path: dir, Policy: node.Policy{Ratio: 9}}))
	waiting.until("seeding", isSeeding)
	s.close()
	if err := waiting.end(); err == nil {
		s.Log("the request that waited ended without an error") // in one process that is the same as its caller's end
	}
	s.start()
	now := s.await(kept.ID, node.StateSeeding)
	if now.Infohash != pub.Infohash || now.Path != dir || now.Policy.Ratio != 9 || !now.Added.Equal(before.Added) {
		s.Errorf("after a restart: got %+v, want %+v", now, before)
	}
	if l := s.list(stopped.ID); l[0].State != node.StateStopped {
		s.Errorf("what was stopped is %s after a restart", l[0].State)
	}
	st, err := s.b.Status(s.Context(), node.StatusRequest{})
	if err != nil || st.Limits.Up != up {
		s.Errorf("limits after a restart: got %+v, %v, want up %d", st.Limits, err, up)
	}
	s.got(pub.Magnet, st.Port, dir)
}

func (s *suite) doctor() {
	s.share(node.PublishRequest{Path: s.release(100_000, 1)})
	d, err := s.b.Doctor(s.Context(), node.DoctorRequest{}, ignore)
	if err != nil || d == nil || len(d.Findings)+len(d.Looked) == 0 {
		s.Errorf("got %+v, %v, want what was looked at", d, err)
	}
	_, err = s.b.Doctor(s.Context(), node.DoctorRequest{Refs: []string{unknown}}, ignore)
	s.refused("what is not there", err, fault.NotFound, true)
}

func (s *suite) refusals() {
	dir := s.release(100_000, 1)
	letter := filepath.Join(s.TempDir(), "letter")
	if err := os.WriteFile(letter, []byte("dear"), 0o644); err != nil {
		s.Fatal(err)
	}
	for _, x := range []struct {
		what string
		r    node.PublishRequest
		kind fault.Kind
		hint bool
	}{
		{"publish what is not there", node.PublishRequest{Path: dir + "-none"}, fault.NotFound, false},
		{"the torrent inside the folder", node.PublishRequest{Path: dir, Output: filepath.Join(dir, "r.torrent")}, fault.Usage, true},
		{"over a file of the user's", node.PublishRequest{Path: dir, Output: letter}, fault.Usage, true},
		{"a tracker of no kind", node.PublishRequest{Path: dir, Trackers: [][]string{{"gopher://x"}}}, fault.Usage, true},
	} {
		s.refused(x.what, s.b.Publish(s.Context(), x.r, ignore), x.kind, x.hint)
	}
	for _, x := range []struct {
		what string
		r    node.FetchRequest
		kind fault.Kind
		hint bool
	}{
		{"a malformed magnet", node.FetchRequest{Ref: "magnet:?xt=urn:btih:abc"}, fault.Usage, true},
		{"no such torrent", node.FetchRequest{Ref: letter + ".torrent"}, fault.NotFound, false},
	} {
		x.r.Dir = s.TempDir()
		s.refused(x.what, s.b.Fetch(s.Context(), x.r, ignore), x.kind, x.hint)
	}
	if l := s.list(); len(l) != 0 {
		s.Errorf("what was refused is kept: %+v", l)
	}
	if b, err := os.ReadFile(letter); string(b) != "dear" {
		s.Errorf("the user's file: got %q, %v", b, err)
	}
}

// manyAtOnce tests that requests do not disturb each other.
func (s *suite) manyAtOnce() {
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		dir := s.release(10_000, byte(10+i))
		wg.Go(func() { s.share(node.PublishRequest{Path: dir, Name: "many" + string(rune('a'+i))}) })
	}
	for range 100 {
		wg.Go(func() { s.list() })
	}
	wg.Wait()
	if l := s.list(); len(l) != n {
		s.Errorf("got %d shares, want %d", len(l), n)
	}
}
