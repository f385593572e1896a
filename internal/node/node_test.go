package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// quiet is a network on loopback that finds nobody by itself.
var quiet = node.Network{ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true}

func open(t *testing.T, n node.Network) *node.Node {
	t.Helper()
	nd, err := node.Open(t.Context(), node.Options{
		Home: t.TempDir(), Network: n, Version: "test", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nd.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return nd
}

// release is a folder with a large file, small ones, an empty one and one that can be run.
func release(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "release")
	src := rand.NewChaCha8([32]byte{1})
	for name, size := range map[string]int{"image.bin": 3 << 20, "docs/a.txt": 100, "docs/b.txt": 70_000, "empty": 0, "run.sh": 40} {
		b := make([]byte, size)
		src.Read(b)
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(p, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tree is what is below dir: mode and bytes by path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		fi, _ := d.Info()
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = fmt.Sprintf("%v %x", fi.Mode().Perm()&0o111 != 0, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got, want string) {
	t.Helper()
	g, w := tree(t, got), tree(t, want)
	for p := range w {
		if g[p] != w[p] {
			t.Errorf("%s differs", p)
		}
	}
	if len(g) != len(w) {
		t.Errorf("got %d files, want %d", len(g), len(w))
	}
}

// events gathers what a request tells.
type events struct {
	mu  sync.Mutex
	all []node.Event
	ch  chan node.Event
}

func newEvents() *events { return &events{ch: make(chan node.Event, 10_000)} }

func (e *events) on(ev node.Event) {
	e.mu.Lock()
	e.all = append(e.all, ev)
	e.mu.Unlock()
	e.ch <- ev
}

func (e *events) last(f func(node.Event) bool) (out node.Event, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if f(ev) {
			out, ok = ev, true
		}
	}
	return out, ok
}

// publish starts to share dir and waits until it can be fetched. The channel gets how it ended.
func publish(t *testing.T, r node.PublishRequest) (pub *node.Published, port int, ended chan error, stop func()) {
	t.Helper()
	nd := open(t, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	ev := newEvents()
	ended = make(chan error, 1)
	go func() { ended <- nd.Publish(ctx, r, ev.on) }()
	t.Cleanup(cancel)
	for {
		select {
		case e := <-ev.ch:
			if e.Published != nil {
				pub = e.Published
			}
			if e.Seeding != nil {
				return pub, e.Seeding.Port, ended, cancel
			}
		case err := <-ended:
			t.Fatalf("publish ended: %v", err)
		case <-time.After(30 * time.Second):
			t.Fatal("publish did not begin to seed")
		}
	}
}

func fetch(t *testing.T, port int, r node.FetchRequest) (*node.Fetched, error) {
	t.Helper()
	n := quiet
	if port != 0 {
		n.Peers = []string{fmt.Sprintf("127.0.0.1:%d", port)}
	}
	if r.Timeout == 0 {
		r.Timeout = time.Minute
	}
	ev := newEvents()
	if err := open(t, n).Fetch(t.Context(), r, ev.on); err != nil {
		return nil, err
	}
	e, ok := ev.last(func(e node.Event) bool { return e.Fetched != nil })
	if !ok {
		t.Fatal("the fetch ended without saying that it fetched")
	}
	return e.Fetched, nil
}

func TestPublishAndFetch(t *testing.T) {
	for _, format := range []string{"v1", "hybrid", "v2"} {
		for _, by := range []string{"magnet", "torrent"} {
			t.Run(format+" by "+by, func(t *testing.T) {
				src, out := release(t), t.TempDir()
				file := filepath.Join(t.TempDir(), "r.torrent")
				pub, port, _, _ := publish(t, node.PublishRequest{Path: src, Format: format, Output: file, PieceLength: 64 << 10})
				ref := pub.Magnet
				if by == "torrent" {
					ref = file
				}
				got, err := fetch(t, port, node.FetchRequest{Ref: ref, Dir: out})
				if err != nil {
					t.Fatalf("%v (%s)", err, fault.HintOf(err))
				}
				if want := filepath.Join(out, "release"); got.Path != want {
					t.Errorf("path %q, want %q", got.Path, want)
				}
				same(t, got.Path, src)
				if got.BytesFrom.Peers < pub.Size || got.BytesFrom.Reused != 0 {
					t.Errorf("bytes from %+v, want all %d from peers", got.BytesFrom, pub.Size)
				}
				if _, err := os.Stat(filepath.Join(out, ".p2pshare")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the staging folder is left behind: %v", err)
				}
				// Again: the target is there, and is used.
				again, err := fetch(t, 0, node.FetchRequest{Ref: file, Dir: out})
				if err != nil {
					t.Fatalf("second fetch: %v", err)
				}
				if again.BytesFrom.Reused != pub.Size {
					t.Errorf("second fetch reused %d bytes, want %d", again.BytesFrom.Reused, pub.Size)
				}
			})
		}
	}
}

func TestFetchedContentIsSeeded(t *testing.T) {
	src := release(t)
	pub, port, _, stop := publish(t, node.PublishRequest{Path: src})
	n := quiet
	n.Peers = []string{fmt.Sprintf("127.0.0.1:%d", port)}
	ctx, cancel := context.WithCancel(t.Context())
	ev, ended := newEvents(), make(chan error, 1)
	second := open(t, n)
	go func() {
		ended <- second.Fetch(ctx, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Seed: true}, ev.on)
	}()
	for e := range ev.ch {
		if e.Seeding != nil {
			port = e.Seeding.Port
			break
		}
	}
	stop() // from here on only the second has it
	got, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, src)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("seeding that was ended gave %v, want no error", err)
	}
}

func TestOnlyPart(t *testing.T) {
	src := release(t)
	pub, port, _, _ := publish(t, node.PublishRequest{Path: src, PieceLength: 32 << 10})
	got, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Only: []string{"docs/*"}})
	if err != nil {
		t.Fatal(err)
	}
	have := tree(t, got.Path)
	want := tree(t, src)
	for p := range have {
		if have[p] != want[p] {
			t.Errorf("%s differs", p)
		}
	}
	if len(have) != 2 || have["docs/a.txt"] == "" {
		t.Errorf("got %d files, want the two of docs", len(have))
	}
}

func TestChangedSourceStops(t *testing.T) {
	src := release(t)
	_, _, ended, _ := publish(t, node.PublishRequest{Path: src})
	if err := os.Truncate(filepath.Join(src, "image.bin"), 5); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "image.bin") || fault.HintOf(err) == "" {
			t.Errorf("got %v (hint %q), want an error that names image.bin and a way out", err, fault.HintOf(err))
		}
	case <-time.After(30 * time.Second):
		t.Error("a truncated file is still shared")
	}
}

func TestFetchRefusals(t *testing.T) {
	src := release(t)
	file := filepath.Join(t.TempDir(), "r.torrent")
	pub, port, _, _ := publish(t, node.PublishRequest{Path: src, Output: file})
	foreign := t.TempDir()
	if err := os.CopyFS(filepath.Join(foreign, "release"), os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "release/docs/a.txt"), bytes.Repeat([]byte{'x'}, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, foreign)
	tests := []struct {
		name string
		port int
		r    node.FetchRequest
		kind fault.Kind
		says string
	}{
		{"nobody has it", 0, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Timeout: time.Second}, fault.Timeout, "not fetched within 1s"},
		{"nobody has the bytes", 0, node.FetchRequest{Ref: file, Dir: t.TempDir(), Timeout: time.Second}, fault.Timeout, "not fetched within 1s"},
		{"target differs in a file of the same size", port, node.FetchRequest{Ref: file, Dir: foreign}, fault.Unverified, "docs/a.txt"},
		{"no such torrent", port, node.FetchRequest{Ref: "./none.torrent", Dir: t.TempDir()}, fault.NotFound, "none.torrent"},
		{"only matches nothing", port, node.FetchRequest{Ref: file, Dir: t.TempDir(), Only: []string{"*.nope"}}, fault.NotFound, "*.nope"},
		{"malformed", port, node.FetchRequest{Ref: "magnet:?xt=urn:btih:abc", Dir: t.TempDir()}, fault.Usage, "abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetch(t, tt.port, tt.r)
			if err == nil || fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v (kind %d), want kind %d and %q in it", err, fault.KindOf(err), tt.kind, tt.says)
			}
			if fault.HintOf(err) == "" && tt.kind != fault.NotFound {
				t.Errorf("%v has no hint", err)
			}
		})
	}
	if after := tree(t, foreign); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("the user's files were touched")
	}
}

func TestInterruptedFetchResumes(t *testing.T) {
	src, out := release(t), t.TempDir()
	pub, port, _, _ := publish(t, node.PublishRequest{Path: src, PieceLength: 16 << 10})
	n := quiet
	n.Peers = []string{fmt.Sprintf("127.0.0.1:%d", port)}
	n.MaxDown = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	ev := newEvents()
	ended := make(chan error, 1)
	slow := open(t, n)
	go func() { ended <- slow.Fetch(ctx, node.FetchRequest{Ref: pub.Magnet, Dir: out}, ev.on) }()
	for e := range ev.ch {
		if e.Progress != nil && e.Progress.From.Peers > 1<<20 {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: got %v, want context.Canceled", err)
	}
	if _, err := os.Stat(filepath.Join(out, "release")); err == nil {
		t.Error("an interrupted fetch left something in the target")
	}
	got, err := fetch(t, port, node.FetchRequest{Ref: pub.Magnet, Dir: out})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, src)
	if got.BytesFrom.Reused < 512<<10 {
		t.Errorf("reused %d bytes of what came before, want at least half a MiB", got.BytesFrom.Reused)
	}
}

func TestWebSeed(t *testing.T) {
	src := release(t)
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(src))))
	defer web.Close()
	for _, format := range []string{"v1", "hybrid", "v2"} { // a hybrid has pads, which no web server has
		t.Run(format, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "r.torrent")
			nd := open(t, quiet)
			if err := nd.Publish(t.Context(), node.PublishRequest{
				Path: src, Format: format, Output: file, WebSeeds: []string{web.URL + "/"}, NoSeed: true,
			}, func(node.Event) {}); err != nil {
				t.Fatal(err)
			}
			warned := 0
			err := open(t, quiet).Fetch(t.Context(), node.FetchRequest{Ref: file, Dir: t.TempDir(), Timeout: 2 * time.Second}, func(e node.Event) {
				if e.Level == "warn" {
					warned++
				}
			})
			if fault.KindOf(err) != fault.Timeout || warned != 1 {
				t.Errorf("a web seed on a private address that the user did not name: got %v and %d warnings, want no fetch and one", err, warned)
			}
			own := quiet
			own.AllowNets = []string{"127.0.0.0/8"}
			out := t.TempDir()
			if err := open(t, own).Fetch(t.Context(), node.FetchRequest{Ref: file, Dir: out, Timeout: time.Minute}, func(node.Event) {}); err != nil {
				t.Errorf("in a network of the user's: %v", err)
			}
			same(t, filepath.Join(out, "release"), src)
			for name, r := range map[string]node.FetchRequest{
				"allowed": {AllowPrivate: true}, "named": {WebSeeds: []string{web.URL + "/"}},
			} {
				t.Run(name, func(t *testing.T) {
					r.Ref, r.Dir = file, t.TempDir()
					got, err := fetch(t, 0, r)
					if err != nil {
						t.Fatal(err)
					}
					same(t, got.Path, src)
					if got.BytesFrom.WebSeeds == 0 || got.BytesFrom.Peers != 0 {
						t.Errorf("bytes from %+v, want web seeds alone", got.BytesFrom)
					}
				})
			}
		})
	}
}

// What may be a passkey goes into every link that is handed on, which is said.
func TestPublishSaysWhatItCarries(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	n := open(t, quiet)
	var said []string
	err := n.Publish(t.Context(), node.PublishRequest{Path: release(t), NoSeed: true, WebSeeds: []string{"https://w.example/pub/", "https://w.example/?token=" + key},
		Trackers: [][]string{{"https://t.example/announce", "https://t.example/" + key + "/announce"}, {"udp://u.example:6969/announce"}}},
		func(e node.Event) {
			if e.Level == "warn" {
				said = append(said, e.Message)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if len(said) != 2 || !strings.Contains(said[0], "carry all of https://t.example/redacted/announce") || !strings.Contains(said[0], "p2pshare seed FILE.torrent --tracker URL") ||
		!strings.Contains(said[1], "the web seed https://w.example/?redacted") || strings.Contains(said[0]+said[1], key) {
		t.Errorf("got %q, want a word of the passkey and of the token, without either", said)
	}
}

func TestPublishFiles(t *testing.T) {
	src, dir := release(t), t.TempDir()
	nd := open(t, quiet)
	once := func(r node.PublishRequest) error {
		r.Path, r.NoSeed = src, true
		return nd.Publish(t.Context(), r, func(node.Event) {})
	}
	out, sums := filepath.Join(dir, "r.torrent"), filepath.Join(dir, "SHA256SUMS")
	if err := once(node.PublishRequest{Output: out, Sums: sums}); err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(out)
	if err := once(node.PublishRequest{Output: out, Sums: sums}); err != nil {
		t.Errorf("over its own files: %v", err)
	}
	if again, _ := os.ReadFile(out); !bytes.Equal(again, first) {
		t.Error("the same folder made another .torrent the second time")
	}
	letter := filepath.Join(dir, "letter")
	if err := os.WriteFile(letter, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]node.PublishRequest{
		"over a file of the user's": {Output: letter},
		"sums over a file":          {Sums: letter},
		"inside the folder":         {Output: filepath.Join(src, "r.torrent")},
		"tracker of no kind":        {Trackers: [][]string{{"gopher://x"}}},
	} {
		if err := once(r); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want a usage error with a hint", name, err)
		}
	}
	if b, _ := os.ReadFile(letter); string(b) != "dear" {
		t.Error("the user's file was written over")
	}
}

func TestSeedAndVerify(t *testing.T) {
	src := release(t)
	file := filepath.Join(t.TempDir(), "r.torrent")
	nd := open(t, quiet)
	if err := nd.Publish(t.Context(), node.PublishRequest{Path: src, Output: file, NoSeed: true}, func(node.Event) {}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ev, ended := newEvents(), make(chan error, 1)
	go func() {
		ended <- nd.Seed(ctx, node.SeedRequest{Torrents: []string{file}, Data: filepath.Dir(src)}, ev.on)
	}()
	for e := range ev.ch {
		if e.Seeding != nil {
			got, err := fetch(t, e.Seeding.Port, node.FetchRequest{Ref: file, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Path, src)
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	check := func() *node.Verified {
		v, err := nd.Verify(t.Context(), node.VerifyRequest{Torrent: file, Data: src}, func(node.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := check(); !v.OK || len(v.Bad) != 0 {
		t.Errorf("untouched content: %+v", v)
	}
	os.Remove(filepath.Join(src, "empty"))
	os.WriteFile(filepath.Join(src, "docs/a.txt"), bytes.Repeat([]byte{'x'}, 100), 0o644)
	os.WriteFile(filepath.Join(src, "new"), nil, 0o644)
	v := check()
	bad := map[string]string{}
	for _, f := range v.Bad {
		bad[f.Path] = f.Problem
	}
	if v.OK || bad["empty"] != "missing" || bad["docs/a.txt"] == "" || len(v.Extra) != 1 {
		t.Errorf("changed content: %+v", v)
	}
	if err := nd.Seed(t.Context(), node.SeedRequest{Torrents: []string{file}, Data: filepath.Dir(src)}, func(node.Event) {}); fault.KindOf(err) != fault.Unverified {
		t.Errorf("seeding changed content: got %v, want it refused", err)
	}
}

func TestOpenRefusals(t *testing.T) {
	for name, n := range map[string]node.Network{
		"listen on a name": {ListenHost: "example"}, "port": {Port: 70000}, "peer without port": {Peers: []string{"10.0.0.1"}},
		"DHT node without host": {DHTNodes: []string{":1"}}, "tracker": {Trackers: []string{"nope"}},
	} {
		_, err := node.Open(t.Context(), node.Options{Home: t.TempDir(), Network: n, Log: slog.New(slog.DiscardHandler)})
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}
