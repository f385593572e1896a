package node_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// versions are two folders called name-1 and name-2, the second with bytes put into the middle of its large file.
func versions(t *testing.T, name string) (old, fresh string) {
	t.Helper()
	image := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(image) // it never fails
	put := func(v string, image []byte) string {
		return folder(t, name+"-"+v, map[string]string{"image.bin": string(image), "README": "this is version " + v})
	}
	return put("1", image), put("2", slices.Concat(image[:2<<20], []byte("what is new"), image[2<<20:]))
}

// fetchWith fetches in a node of its own until the content is there.
func fetchWith(t *testing.T, n *node.Node, r node.FetchRequest) (*node.Fetched, string, error) {
	t.Helper()
	var said strings.Builder
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Fetch(ctx, r, func(e node.Event) {
			if e.Message != "" {
				said.WriteString(e.Message + "\n")
			}
			on(e)
		})
	}, nil)
	return last.Fetched, said.String(), err
}

// served publishes a folder with an index beside its .torrent.
func served(t *testing.T, path string) (torrent, addr string) {
	t.Helper()
	torrent = filepath.Join(t.TempDir(), "app.torrent")
	pub, port, _, _ := publish(t, node.PublishRequest{Path: path, Output: torrent, Chunks: node.ChunksOn})
	if want := strings.TrimSuffix(torrent, ".torrent") + ".chunks"; pub.ChunksFile != want {
		t.Fatalf("the index is in %q, want %q", pub.ChunksFile, want)
	}
	return torrent, fmt.Sprintf("127.0.0.1:%d", port)
}

func TestFetchReuses(t *testing.T) {
	old, fresh := versions(t, "app")
	torrent, addr := served(t, fresh)
	const all, half = 6<<20 - 200<<10, 2<<20 - 200<<10
	empty := t.TempDir()
	for name, c := range map[string]struct {
		change func(t *testing.T, r *node.FetchRequest)
		least  int64
		most   int64
		says   string
	}{
		"the index beside the .torrent": {func(_ *testing.T, r *node.FetchRequest) { r.Reuse = []string{old} }, all, 6 << 20, "% of app-2 is on disk already"},
		"another file for the index": {func(t *testing.T, r *node.FetchRequest) {
			b, err := os.ReadFile(torrent)
			if err != nil {
				t.Fatal(err)
			}
			r.Ref, r.ChunksFile, r.Reuse = filepath.Join(t.TempDir(), "x.torrent"), strings.TrimSuffix(torrent, ".torrent")+".chunks", []string{empty, filepath.Dir(old)}
			if err := os.WriteFile(r.Ref, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, all, 6 << 20, "is reused"},
		"no index": {func(t *testing.T, r *node.FetchRequest) {
			r.Ref, r.Reuse = copyOf(t, torrent, nil), []string{old}
		}, half, 2 << 20, "is reused"},
		"an index of another torrent": {func(t *testing.T, r *node.FetchRequest) {
			other, _ := served(t, old)
			r.Ref, r.Reuse = copyOf(t, torrent, readFile(t, strings.TrimSuffix(other, ".torrent")+".chunks")), []string{old}
		}, half, 2 << 20, "does not match the torrent"},
		"an index that is none": {func(t *testing.T, r *node.FetchRequest) {
			r.Ref, r.Reuse = copyOf(t, torrent, []byte("nothing")), []string{old}
		}, half, 2 << 20, "only what has not moved"},
		"beside the target, unasked": {func(t *testing.T, r *node.FetchRequest) { r.Dir = filepath.Dir(old) }, all, 6 << 20, "is reused"},
		"nothing to reuse":           {func(*testing.T, *node.FetchRequest) {}, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := node.FetchRequest{Ref: torrent, Dir: t.TempDir(), Peers: []string{addr}}
			c.change(t, &r)
			got, said, err := fetchWith(t, open(t, quiet), r)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Path, fresh)
			if got.BytesFrom.Reused < c.least || got.BytesFrom.Reused > c.most {
				t.Errorf("reused %d bytes, want %d to %d", got.BytesFrom.Reused, c.least, c.most)
			}
			if sum := got.BytesFrom.Reused + got.BytesFrom.Peers; sum < got.Size {
				t.Errorf("%d bytes are accounted for, of %d", sum, got.Size)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if err := os.RemoveAll(got.Path); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// copyOf puts a .torrent elsewhere, with an index beside it if there is one.
func copyOf(t *testing.T, torrent string, index []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.torrent"), readFile(t, torrent), 0o600); err != nil {
		t.Fatal(err)
	}
	if index != nil {
		if err := os.WriteFile(filepath.Join(dir, "x.chunks"), index, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "x.torrent")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The index beside a .torrent on a web server is asked for if there is something to reuse, and missed by nobody.
func TestFetchReusesByURL(t *testing.T) {
	old, fresh := versions(t, "app")
	torrent, addr := served(t, fresh)
	for name, c := range map[string]struct {
		index   bool
		asked   int
		reuse   []string
		at      string
		atLeast int64
	}{
		"there":            {true, 1, []string{old}, "/app.torrent", 5 << 20},
		"not there":        {false, 1, []string{old}, "/app.torrent", 1 << 20},
		"nothing to reuse": {true, 0, nil, "/app.torrent", 0},
		"another name":     {true, 0, []string{old}, "/get?what=app", 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path != "/app.chunks":
					http.ServeFile(w, r, torrent)
				case c.index:
					asked++
					http.ServeFile(w, r, strings.TrimSuffix(torrent, ".torrent")+".chunks")
				default:
					asked++
					http.NotFound(w, r)
				}
			}))
			defer srv.Close()
			got, _, err := fetchWith(t, open(t, quiet), node.FetchRequest{Ref: srv.URL + c.at, Dir: t.TempDir(), Peers: []string{addr}, Reuse: c.reuse})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Path, fresh)
			if got.BytesFrom.Reused < c.atLeast || asked != c.asked {
				t.Errorf("reused %d bytes and asked %d times for the index, want %d and %d", got.BytesFrom.Reused, asked, c.atLeast, c.asked)
			}
		})
	}
}

func TestFetchRefusesWhatIsNotThere(t *testing.T) {
	_, fresh := versions(t, "app")
	torrent, _ := served(t, fresh)
	garbage := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("x"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    node.FetchRequest
		kind fault.Kind
		want string
	}{
		"nothing to reuse from": {node.FetchRequest{Reuse: []string{"/nowhere/at/all"}}, fault.NotFound, "/nowhere/at/all"},
		"no index":              {node.FetchRequest{ChunksFile: "/nowhere/x.chunks"}, fault.NotFound, "/nowhere/x.chunks"},
		"no index at all":       {node.FetchRequest{ChunksFile: garbage}, fault.Unverified, "not a chunk index"},
		"a folder as index":     {node.FetchRequest{ChunksFile: t.TempDir()}, fault.Failed, "no file"},
	} {
		c.r.Ref, c.r.Dir = torrent, t.TempDir()
		if _, _, err := fetchWith(t, open(t, quiet), c.r); fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want kind %v and %q", name, err, c.kind, c.want)
		}
	}
}

func TestPublishIndex(t *testing.T) {
	old, _ := versions(t, "app")
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.chunks")
	if err := os.WriteFile(kept, []byte("the user's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    node.PublishRequest
		want string
	}{
		"no place":       {node.PublishRequest{Chunks: node.ChunksOn}, "needs a place"},
		"no such way":    {node.PublishRequest{Chunks: "perhaps"}, "perhaps"},
		"over a file":    {node.PublishRequest{Chunks: node.ChunksOn, Output: filepath.Join(dir, "kept.torrent")}, "is no index of chunks"},
		"what is sealed": {node.PublishRequest{Chunks: node.ChunksOn, In: &node.InGroup{Group: "g", As: "x", Seal: true}}, "encrypts anew"},
	} {
		c.r.Path, c.r.NoSeed = old, true
		err := open(t, quiet).Publish(t.Context(), c.r, func(node.Event) {})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if got := string(readFile(t, kept)); got != "the user's own" {
		t.Errorf("a file in the way was written over: %q", got)
	}
	// Nobody asked for one: none is made.
	if err := open(t, quiet).Publish(t.Context(), node.PublishRequest{Path: old, NoSeed: true, Output: filepath.Join(dir, "plain.torrent")}, func(node.Event) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "plain.chunks")); !os.IsNotExist(err) {
		t.Errorf("an index that nobody asked for: %v", err)
	}
	// The same content gives the same index, over the one before.
	var last []byte
	for range 2 {
		r := node.PublishRequest{Path: old, NoSeed: true, Output: filepath.Join(dir, "app.torrent"), Chunks: node.ChunksOn}
		if err := open(t, quiet).Publish(t.Context(), r, func(node.Event) {}); err != nil {
			t.Fatal(err)
		}
		b := readFile(t, filepath.Join(dir, "app.chunks"))
		if last != nil && !bytes.Equal(b, last) || len(b)*50 > 6<<20 {
			t.Errorf("an index of %d bytes, the one before of %d; want the same, and at most 2 %%", len(b), len(last))
		}
		last = b
	}
}

// In a group the index comes with the entry, and the version before is found by itself.
func TestGroupReuses(t *testing.T) {
	owner, reader, link := acme(t)
	old, fresh := versions(t, "app")
	if _, err := publishAs(t, owner, old, "acme", "app@1"); err != nil {
		t.Fatal(err)
	}
	waitEntries(t, reader, "acme/app@1 by alice")
	got, _, err := fetchWith(t, reader, node.FetchRequest{Ref: "acme/app", Dir: t.TempDir(), Seed: false})
	if err != nil || got.BytesFrom.Reused != 0 {
		t.Fatalf("the first version: %+v, %v, want nothing reused", got, err)
	}
	if _, err := publishAs(t, owner, fresh, "acme", "app@2"); err != nil {
		t.Fatal(err)
	}
	waitEntries(t, reader, "acme/app@2 by alice, acme/app@1 by alice")
	got, said, err := fetchWith(t, reader, node.FetchRequest{Ref: "acme/app", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, fresh)
	if got.BytesFrom.Reused < 5<<20 || got.BytesFrom.Peers > 1<<20 {
		t.Errorf("from %+v, want nearly all reused; said %s", got.BytesFrom, said)
	}
	// Who only visits the group, and has the version before, is given the index too.
	visitor := open(t, quiet)
	got, said, err = fetchWith(t, visitor, node.FetchRequest{Ref: link + "/app@2", Dir: t.TempDir(), Reuse: []string{old}, Peers: []string{addrOf(t, owner)}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, fresh)
	if got.BytesFrom.Reused < 5<<20 {
		t.Errorf("a visitor: from %+v, want nearly all reused; said %s", got.BytesFrom, said)
	}
}

// A daemon keeps the index of a fetch that is not done: the file that was named may be gone when it starts again.
func TestDaemonKeepsTheIndex(t *testing.T) {
	old, fresh := versions(t, "app")
	torrent, addr := served(t, fresh)
	home, dir, index := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "x.chunks")
	if err := os.WriteFile(index, readFile(t, strings.TrimSuffix(torrent, ".torrent")+".chunks"), 0o600); err != nil {
		t.Fatal(err)
	}
	reuse := filepath.Join(t.TempDir(), "old") // there when it is asked for, and empty: nothing is reused the first time
	if err := os.Mkdir(reuse, 0o755); err != nil {
		t.Fatal(err)
	}
	n, end := daemon(t, home, nil)
	_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Fetch(ctx, node.FetchRequest{Ref: copyOf(t, torrent, nil), Dir: dir, ChunksFile: index, Reuse: []string{reuse}}, on)
	}, func(e node.Event) bool { return e.Progress != nil && e.Progress.Phase == "fetching" })
	if err != nil && fault.KindOf(err) != fault.Failed {
		t.Fatal(err)
	}
	end()
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(reuse, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	n, _ = daemon(t, home, func(o *node.Options) { o.Network.Peers = []string{addr} })
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		st, err := n.Status(t.Context(), node.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Shares) == 1 && st.Shares[0].State == node.StateSeeding {
			if st.From.Reused < 5<<20 {
				t.Errorf("from %+v, want nearly all reused", st.From)
			}
			break
		}
		if time.Since(begun) > 90*time.Second {
			t.Fatalf("the fetch does not end: %+v", st.Shares)
		}
	}
	same(t, filepath.Join(dir, "app-2"), fresh)
}

// In a private group the index goes to those who may have the content, as the .torrent does.
func TestPrivateGroupReuses(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := versions(t, "app")
	if _, err := publishAs(t, alice, fresh, "family", "app@2"); err != nil {
		t.Fatal(err)
	}
	waitNames(t, bob, "family/app@2")
	got, said, err := fetchWith(t, bob, node.FetchRequest{Ref: "family/app", Dir: t.TempDir(), Reuse: []string{old}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, fresh)
	if got.BytesFrom.Reused < 5<<20 {
		t.Errorf("from %+v, want nearly all reused; said %s", got.BytesFrom, said)
	}
	// A torrent for everyone, which may ask just whether this home has the content, does not find it.
	torrent, addr := served(t, old)
	got, _, err = fetchWith(t, bob, node.FetchRequest{Ref: torrent, Dir: t.TempDir(), Peers: []string{addr}})
	if err != nil || got.BytesFrom.Reused != 0 {
		t.Errorf("a torrent for everyone: got %+v, %v, want nothing of the group's content reused", got, err)
	}
}

// A mirror has the index of what it mirrors, so that others have it when the publisher is offline.
func TestMirrorHoldsTheIndex(t *testing.T) {
	owner, endOwner := daemon(t, t.TempDir(), nil)
	a := askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	old, fresh := versions(t, "app")
	if _, err := publishAs(t, owner, fresh, "acme", "app@2"); err != nil {
		t.Fatal(err)
	}
	join := func(at *node.Node) *node.Node {
		n, _ := daemon(t, t.TempDir(), nil)
		askGroup(t, n, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Peers: []string{addrOf(t, at)}, Timeout: 20 * time.Second}})
		return n
	}
	mirror := join(owner)
	askGroup(t, mirror, node.GroupRequest{Group: "acme", Follow: &node.Follow{Dir: t.TempDir()}})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		st, err := mirror.Status(t.Context(), node.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Shares) == 1 && st.Shares[0].State == node.StateSeeding {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing is mirrored: %+v", st.Shares)
		}
	}
	endOwner()
	got, said, err := fetchWith(t, join(mirror), node.FetchRequest{Ref: "acme/app", Dir: t.TempDir(), Reuse: []string{old}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Path, fresh)
	if got.BytesFrom.Reused < 5<<20 {
		t.Errorf("from %+v, want nearly all reused; said %s", got.BytesFrom, said)
	}
}
