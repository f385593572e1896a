package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// daemon opens a node that keeps what it is asked in home. Calling the function ends it.
func daemon(t *testing.T, home string, change func(*node.Options)) (*node.Node, func()) {
	t.Helper()
	o := node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler), Version: "test", Daemon: true}
	if change != nil {
		change(&o)
	}
	n, err := node.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end := func() {
		once.Do(func() {
			if err := n.Close(); err != nil {
				t.Errorf("ending the daemon: %v", err)
			}
		})
	}
	t.Cleanup(end)
	return n, end
}

// ask runs a request until it returns, or until is true of an event, when its caller goes. It gives the last event of
// each sort.
func ask(t *testing.T, do func(context.Context, func(node.Event)) error, until func(node.Event) bool) (last node.Event, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	err = do(ctx, func(e node.Event) {
		if e.Kept != nil {
			last.Kept = e.Kept
		}
		if e.Published != nil {
			last.Published = e.Published
		}
		if e.Fetched != nil {
			last.Fetched = e.Fetched
		}
		if e.Seeding != nil {
			last.Seeding = e.Seeding
		}
		if until != nil && until(e) {
			cancel()
		}
	})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("nothing came in time; last %+v, %v", last, err)
	}
	return last, err
}

func publishIn(t *testing.T, n *node.Node, path string) *node.Published {
	t.Helper()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	if err != nil || last.Published == nil {
		t.Fatalf("publishing %s: %v", path, err)
	}
	return last.Published
}

// share waits until the share that ref names is as ok wants it.
func shareIn(t *testing.T, n *node.Node, ref string, ok func(node.Share) bool) node.Share {
	t.Helper()
	end := time.Now().Add(90 * time.Second)
	for {
		s, err := n.Status(t.Context(), node.StatusRequest{Refs: []string{ref}})
		if err != nil {
			t.Fatal(err)
		}
		if ok(s.Shares[0]) {
			return s.Shares[0]
		}
		if time.Now().After(end) {
			t.Fatalf("the share %q does not get there: %+v", ref, s.Shares[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func in(state string) func(node.Share) bool {
	return func(s node.Share) bool { return s.State == state }
}

func folder(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for f, body := range files {
		p := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fetchFrom fetches from a daemon with a node of its own, and compares.
func fetchFrom(t *testing.T, from *node.Node, magnet, want string) {
	t.Helper()
	to, err := node.Open(t.Context(), node.Options{Home: t.TempDir(), Network: quiet, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return to.Fetch(ctx, node.FetchRequest{Ref: magnet, Dir: t.TempDir(), Peers: []string{addrOf(t, from)}}, on)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, last.Fetched.Path, want)
}

func addrOf(t *testing.T, n *node.Node) string {
	t.Helper()
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil || s.Port == 0 {
		t.Fatalf("the port of a daemon: %+v, %v", s, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", s.Port)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSharesOutliveTheDaemon(t *testing.T) {
	home := t.TempDir()
	dir := folder(t, "release", map[string]string{"a": "first", "sub/b": strings.Repeat("b", 1<<20)})
	n, end := daemon(t, home, nil)
	pub := publishIn(t, n, dir)
	s := shareIn(t, n, "release", in(node.StateSeeding))
	if s.Infohash != pub.Infohash || s.Path != dir || s.Kind != "publish" || s.Size != 1<<20+5 || s.Files != 2 {
		t.Errorf("got %+v, want the share of %+v", s, pub)
	}
	fetchFrom(t, n, pub.Magnet, dir)
	up := shareIn(t, n, pub.Infohash, func(s node.Share) bool { return s.Uploaded >= s.Size }).Uploaded
	end()

	n, _ = daemon(t, home, nil)
	s = shareIn(t, n, s.ID, in(node.StateSeeding))
	if s.Uploaded < up {
		t.Errorf("uploaded: got %d after the restart, want %d", s.Uploaded, up)
	}
	fetchFrom(t, n, pub.Magnet, dir)
}

func TestARestartHashesOnlyWhatChanged(t *testing.T) {
	home := t.TempDir()
	same, touched, other := folder(t, "same", map[string]string{"f": "1"}), folder(t, "touched", map[string]string{"f": "2"}), folder(t, "other", map[string]string{"a": "right", "f": "3"})
	n, end := daemon(t, home, nil)
	for _, d := range []string{same, touched, other} {
		publishIn(t, n, d)
	}
	end()
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(touched, "f"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "f"), []byte("44"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	n, end = daemon(t, home, func(o *node.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	shareIn(t, n, "same", in(node.StateSeeding))
	shareIn(t, n, "touched", in(node.StateSeeding))
	s := shareIn(t, n, "other", in(node.StateFailed))
	// "a" is what it was, but shares a piece with the file that is not, which is the one to name.
	if !strings.Contains(s.Reason, `"other" is not what the torrent says: "f": `) || s.Hint == "" {
		t.Errorf("the changed share: got %q, %q, want a reason and a hint", s.Reason, s.Hint)
	}
	end()
	hashed := strings.Count(log.String(), "hashing a share again")
	if hashed != 2 || strings.Contains(log.String(), `again" share=same`) {
		t.Errorf("hashed %d shares again, want touched and other alone:\n%s", hashed, log.String())
	}
	// It stays failed, and does not cost a hashing at every start, until it is started again.
	n, _ = daemon(t, home, nil)
	shareIn(t, n, "other", in(node.StateFailed))
	if err := os.WriteFile(filepath.Join(other, "f"), []byte("3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{"other"}, Run: true}); err != nil {
		t.Fatal(err)
	}
	shareIn(t, n, "other", in(node.StateSeeding))
}

// TestPublishingAgainNamesTheShare: a publish of what is shared already becomes that share, and the last that its caller
// hears of IDs is the one that every command knows.
func TestPublishingAgainNamesTheShare(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "twice", map[string]string{"f": "x"})
	publishIn(t, n, dir)
	id := shareIn(t, n, "twice", in(node.StateSeeding)).ID
	var kept []node.Kept
	_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: dir}, on)
	}, func(e node.Event) bool {
		if e.Kept != nil {
			kept = append(kept, *e.Kept)
		}
		return e.Published != nil
	})
	if err != nil || len(kept) != 2 {
		t.Fatalf("got %v and %+v, want two that say what is kept", err, kept)
	}
	if want := (node.Kept{ID: id, Name: "twice", Ref: "twice", Was: kept[0].ID}); kept[1] != want {
		t.Errorf("got %+v after %+v, want %+v", kept[1], kept[0], want)
	}
}

func TestADriveThatGoesAway(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "drive", map[string]string{"f": "x"})
	pub := publishIn(t, n, dir)
	shareIn(t, n, "drive", in(node.StateSeeding))
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	s := shareIn(t, n, "drive", in(node.StateWaiting))
	if !strings.Contains(s.Reason, "away") {
		t.Errorf("reason: got %q", s.Reason)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	shareIn(t, n, "drive", in(node.StateSeeding))
	fetchFrom(t, n, pub.Magnet, dir)
}

func TestAFetchOutlivesCallerAndDaemon(t *testing.T) {
	dir := folder(t, "big", map[string]string{"f": strings.Repeat("0123456789abcdef", 1<<16)})
	source, _ := daemon(t, t.TempDir(), func(o *node.Options) { o.Network.MaxUp = 256 << 10 })
	pub := publishIn(t, source, dir)
	home, target := t.TempDir(), t.TempDir()
	n, end := daemon(t, home, nil)
	r := node.FetchRequest{Ref: pub.Magnet, Dir: target, Peers: []string{addrOf(t, source)}, Seed: true}
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) }, func(e node.Event) bool {
		return e.Progress != nil && e.Progress.Phase == "fetching" && e.Progress.Done > 0
	})
	if !errors.Is(err, context.Canceled) || last.Kept == nil {
		t.Fatalf("the caller went: got %v and %+v, want its own end after Kept", err, last)
	}
	shareIn(t, n, last.Kept.ID, in(node.StateFetching))
	end()
	if _, err := os.Stat(filepath.Join(target, "big")); !os.IsNotExist(err) {
		t.Fatalf("half a fetch is under its name: %v", err)
	}

	if _, err := source.Limit(t.Context(), node.LimitRequest{Up: new(int64)}); err != nil {
		t.Fatal(err)
	}
	n, _ = daemon(t, home, nil)
	s := shareIn(t, n, "big", in(node.StateSeeding))
	if s.ID != last.Kept.ID || s.Done.IsZero() || s.Path != filepath.Join(target, "big") {
		t.Errorf("got %+v", s)
	}
	same(t, filepath.Join(target, "big"), dir)
	// The same request again has nothing to do.
	last, err = ask(t, func(ctx context.Context, on func(node.Event)) error {
		r.Seed = false
		return n.Fetch(ctx, r, on)
	}, nil)
	if err != nil || last.Fetched == nil || last.Fetched.BytesFrom.Reused != 1<<20 {
		t.Errorf("again: got %+v, %v, want it reused", last.Fetched, err)
	}
	fetchFrom(t, n, pub.Magnet, dir)
}

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy node.Policy
		why    string
	}{
		{"ratio", node.Policy{Ratio: 0.5}, "sent 1.00 times its size"},
		{"time", node.Policy{Time: time.Second}, "seeded for 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			n, end := daemon(t, home, nil)
			dir := folder(t, "p", map[string]string{"f": strings.Repeat("x", 100_000)})
			pub := publishIn(t, n, dir)
			fetchFrom(t, n, pub.Magnet, dir)
			if _, err := n.Limit(t.Context(), node.LimitRequest{Refs: []string{"p"}, Policy: &c.policy}); err != nil {
				t.Fatal(err)
			}
			s := shareIn(t, n, "p", in(node.StateStopped))
			if !strings.Contains(s.Reason, c.why) {
				t.Errorf("reason: got %q, want %q", s.Reason, c.why)
			}
			end()
			n, _ = daemon(t, home, nil)
			s = shareIn(t, n, "p", in(node.StateStopped))
			if !strings.Contains(s.Reason, c.why) {
				t.Errorf("reason after a restart: got %q, want %q", s.Reason, c.why)
			}
			if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{"p"}, Run: true}); err != nil {
				t.Fatal(err)
			}
			shareIn(t, n, "p", in(node.StateSeeding))
		})
	}
}

func TestRemove(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	kept, gone := folder(t, "kept", map[string]string{"f": "1"}), folder(t, "gone", map[string]string{"sub/f": "2", "sub/extra": "mine"})
	publishIn(t, n, kept)
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: gone, Exclude: []string{"extra"}}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{"kept"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(kept, "f")); err != nil {
		t.Errorf("the user's files went with the share: %v", err)
	}
	if _, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{last.Published.Infohash}, Data: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(gone, "sub/f")); !os.IsNotExist(err) {
		t.Errorf("the content is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(gone, "sub/extra")); err != nil {
		t.Errorf("a file that was not shared is gone: %v", err)
	}
	if s, err := n.Status(t.Context(), node.StatusRequest{}); err != nil || len(s.Shares) != 0 {
		t.Errorf("shares: got %+v, %v, want none", s, err)
	}
}

func TestReferences(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	a := publishIn(t, n, folder(t, "same", map[string]string{"f": "1"}))
	b := publishIn(t, n, folder(t, "same", map[string]string{"f": "2"}))
	for _, c := range []struct {
		ref  string
		want string // infohash; else the kind of the error
		kind fault.Kind
	}{
		{a.Infohash, a.Infohash, 0},
		{strings.ToUpper(b.Infohash), b.Infohash, 0},
		{b.Infohash[:8], b.Infohash, 0},
		{a.Magnet, a.Magnet, 0},
		{"same", "", fault.Usage},
		{"none", "", fault.NotFound},
		{a.Infohash[:3], "", fault.NotFound},
		{"", "", fault.NotFound},
	} {
		s, err := n.Status(t.Context(), node.StatusRequest{Refs: []string{c.ref}})
		if c.want == "" {
			if fault.KindOf(err) != c.kind || fault.HintOf(err) == "" {
				t.Errorf("%q: got %v, want kind %v and a hint", c.ref, err, c.kind)
			}
			continue
		}
		if err != nil || len(s.Shares) != 1 || s.Shares[0].Infohash != c.want && s.Shares[0].Magnet != c.want {
			t.Errorf("%q: got %+v, %v, want %s", c.ref, s, err, c.want)
		}
	}
}

func TestOneHomeOneDaemon(t *testing.T) {
	home := t.TempDir()
	_, end := daemon(t, home, nil)
	_, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler), Daemon: true})
	if fault.KindOf(err) != fault.InUse || !strings.Contains(err.Error(), "process") {
		t.Errorf("a second daemon: got %v, want InUse and the process", err)
	}
	alone, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if _, err := alone.Remove(t.Context(), node.RemoveRequest{All: true}); fault.KindOf(err) != fault.InUse {
		t.Errorf("a change beside the daemon: got %v, want InUse", err)
	}
	end()
	if _, err := alone.Remove(t.Context(), node.RemoveRequest{All: true}); err != nil {
		t.Errorf("a change after the daemon: %v", err)
	}
}

// TestRestingHome changes shares while no daemon runs.
func TestRestingHome(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	publishIn(t, n, folder(t, "one", map[string]string{"f": "1"}))
	publishIn(t, n, folder(t, "two", map[string]string{"f": "2"}))
	end()
	alone, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if s := shareIn(t, alone, "one", in(node.StateWaiting)); s.Reason != "no daemon runs" {
		t.Errorf("got %+v", s)
	}
	got, err := alone.Change(t.Context(), node.ChangeRequest{Refs: []string{"one"}})
	if err != nil || len(got) != 1 || got[0].State != node.StateStopped {
		t.Errorf("stop: got %+v, %v", got, err)
	}
	up := int64(1000)
	if l, err := alone.Limit(t.Context(), node.LimitRequest{Up: &up}); err != nil || l.Limits.Up != up {
		t.Errorf("limit: got %+v, %v", l, err)
	}
	if _, err := alone.Remove(t.Context(), node.RemoveRequest{Refs: []string{"two"}}); err != nil {
		t.Error(err)
	}
	n, _ = daemon(t, home, nil)
	s, err := n.Status(t.Context(), node.StatusRequest{})
	if err != nil || len(s.Shares) != 1 || s.Shares[0].Name != "one" || s.Shares[0].State != node.StateStopped || s.Limits.Up != up {
		t.Errorf("the daemon after it: got %+v, %v", s, err)
	}
}

// Who publishes from a folder whose files were published before hears what became of those.
func TestPublishingFromTheSamePlace(t *testing.T) {
	n, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "release", map[string]string{"a": "first", "docs/b": "first"})
	told := func(path string) (warned, ways []string) {
		t.Helper()
		_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
			return n.Publish(ctx, node.PublishRequest{Path: path}, func(e node.Event) {
				if strings.Contains(e.Message, "whose files are changed now") {
					warned = append(warned, e.Message)
				}
				if strings.Contains(e.Message, "brings it back") {
					ways = append(ways, e.Message)
				}
				on(e)
			})
		}, func(e node.Event) bool { return e.Published != nil })
		must(t, err)
		return warned, ways
	}
	first := publishIn(t, n, dir)
	shareIn(t, n, first.Infohash, in(node.StateSeeding))
	for _, path := range []string{dir, filepath.Join(dir, "docs")} { // the same, and a part of it: nothing has changed
		if warned, _ := told(path); len(warned) > 0 {
			t.Errorf("publishing %s: got %q, want no warning", path, warned)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("second"), 0o644))
	id := shareIn(t, n, first.Infohash, func(node.Share) bool { return true }).ID
	want := fmt.Sprintf("%q was published as \"release\" (%s), whose files are changed now: \"release\" (%s) can no longer be seeded from here", dir, id, id)
	if warned, ways := told(dir); len(warned) != 1 || warned[0] != want || len(ways) != 1 || !strings.Contains(ways[0], first.Infohash) {
		t.Errorf("got %q and %q, want %q and the way out with %s", warned, ways, want, first.Infohash)
	}
	// What was told of once is not told of with each version that follows.
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("third"), 0o644))
	if warned, ways := told(dir); len(warned) != 1 || len(ways) != 1 || strings.Contains(ways[0], first.Infohash) {
		t.Errorf("got %q and %q, want the second version alone", warned, ways)
	}
}
