package node_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// bobsApp is a private group of alice's whose app bob has fetched into dir.
func bobsApp(t *testing.T, path, dir string) (bob *node.Node) {
	t.Helper()
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	must(t, err)
	publishFor(t, alice, path, node.InGroup{As: "app@1"})
	waitNames(t, bob, "family/app@1")
	if _, err := fetchNamed(t, bob, node.FetchRequest{Ref: "family/app", Dir: dir, Seed: true}); err != nil {
		t.Fatal(err)
	}
	return bob
}

// What a home has of a private group is not looked into for a torrent for everyone, wherever it lies, but where the user
// names it: what a fetch has at once tells its swarm what was on disk.
func TestPrivateContentIsNotReusedForOthers(t *testing.T) {
	old, fresh := versions(t, "app")
	dir := t.TempDir()
	bob := bobsApp(t, old, dir)
	torrent, addr := served(t, fresh)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	for _, c := range []struct {
		name  string
		into  string
		reuse []string
		least int64
	}{
		{"beside it, unasked", dir, nil, 0},
		{"beside it, through a link", link, nil, 0},
		{"the folder above is named", t.TempDir(), []string{dir}, 0},
		{"a link to the folder above is named", t.TempDir(), []string{link}, 0},
		{"it is named", t.TempDir(), []string{filepath.Join(dir, "app-1")}, 5 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := fetchWith(t, bob, node.FetchRequest{Ref: torrent, Dir: c.into, Reuse: c.reuse, Peers: []string{addr}})
			must(t, err)
			same(t, got.Path, fresh)
			if got.BytesFrom.Reused < c.least || c.least == 0 && got.BytesFrom.Reused != 0 {
				t.Errorf("reused %d bytes, want at least %d, and 0 if it is 0", got.BytesFrom.Reused, c.least)
			}
			_, err = bob.Remove(t.Context(), node.RemoveRequest{Refs: []string{got.Name}, Data: true})
			must(t, err)
		})
	}
}

// Who may not have the content is not given its index either, nor may a member who has the hash from elsewhere tell by it.
func TestIndexIsForThoseWhoMayHaveTheContent(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	link := linkOf(t, a.Link)
	devices := map[string]string{}
	for _, name := range []string{"bob", "carol"} {
		home := t.TempDir()
		n, end := daemon(t, home, quickly)
		if _, err := tryJoin(t, n, alice, a.Link, node.JoinGroup{Password: a.Password, Account: name}); err != nil {
			t.Fatal(err)
		}
		end()
		devices[name] = home
	}
	waitAccounts(t, alice, "alice bob carol join")
	_, fresh := versions(t, "app")
	publishFor(t, alice, fresh, node.InGroup{As: "app@1", For: []string{"bob"}})
	list, err := filepath.Glob(filepath.Join(folderOf(t, alice), "torrents", "*.chunks"))
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("indexes of the group: %q, want one", list)
	}
	index := string(readFile(t, list[0]))
	path := "/v1/torrent/" + strings.TrimSuffix(filepath.Base(list[0]), ".chunks")
	for name, want := range map[string]int{"bob": 200, "carol": 404} {
		got, body := asks(t, caller(t, alice, link, thief(t, devices[name]).Device()), "GET", path, "")
		if got != want || (string(body) == index) != (want == 200) {
			t.Errorf("%s asks for the index: got %d with %d bytes, want %d", name, got, len(body), want)
		}
	}
}

// What is sealed is encrypted anew each time: who asks for reuse hears that there is none.
func TestSealedContentIsNotReused(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	must(t, err)
	old, fresh := versions(t, "app")
	publishFor(t, alice, fresh, node.InGroup{As: "app@2", Seal: true})
	waitNames(t, bob, "family/app@2")
	got, said, err := fetchWith(t, bob, node.FetchRequest{Ref: "family/app", Dir: t.TempDir(), Reuse: []string{old}, Timeout: time.Minute})
	must(t, err)
	same(t, got.Path, fresh)
	if got.BytesFrom.Reused != 0 || !strings.Contains(said, "encrypts anew") {
		t.Errorf("reused %d bytes and said %q, want 0 and why", got.BytesFrom.Reused, said)
	}
}

// A mirror that keeps one version makes the next of what it has, and then drops that.
func TestMirrorReusesWhatItDrops(t *testing.T) {
	owner, reader, _ := acme(t)
	dir := t.TempDir()
	askGroup(t, reader, node.GroupRequest{Group: "acme", Follow: &node.Follow{Keep: 1, Dir: dir}})
	old, fresh := versions(t, "app")
	for i, path := range []string{old, fresh} {
		if _, err := publishAs(t, owner, path, "acme", fmt.Sprintf("app@%d", i+1)); err != nil {
			t.Fatal(err)
		}
		shareIn2(t, reader, filepath.Base(path), in(node.StateSeeding))
	}
	same(t, filepath.Join(dir, "app@2", "app-2"), fresh)
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		st, err := reader.Status(t.Context(), node.StatusRequest{})
		must(t, err)
		if _, err := os.Stat(filepath.Join(dir, "app@1")); os.IsNotExist(err) && len(st.Shares) == 1 {
			if st.From.Reused < 5<<20 {
				t.Errorf("from %+v, want nearly all of the second version reused", st.From)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the old version is kept: %+v", st.Shares)
		}
	}
}

func makeFIFO(t *testing.T, path string) {
	t.Helper()
	if out, err := exec.Command("mkfifo", path).CombinedOutput(); err != nil {
		t.Fatalf("mkfifo: %v: %s", err, out)
	}
}

// An index that cannot be read at once is none.
func TestIndexIsNoFIFO(t *testing.T) {
	old, fresh := versions(t, "app")
	torrent, addr := served(t, fresh)
	fifo := filepath.Join(t.TempDir(), "x.chunks")
	makeFIFO(t, fifo)
	_, _, err := fetchWith(t, open(t, quiet), node.FetchRequest{Ref: torrent, Dir: t.TempDir(), ChunksFile: fifo})
	if err == nil || fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "no file") {
		t.Errorf("a FIFO that is named: got %v, want it refused", err)
	}
	beside := copyOf(t, torrent, nil)
	makeFIFO(t, strings.TrimSuffix(beside, ".torrent")+".chunks")
	got, _, err := fetchWith(t, open(t, quiet), node.FetchRequest{Ref: beside, Dir: t.TempDir(), Reuse: []string{old}, Peers: []string{addr}})
	must(t, err)
	same(t, got.Path, fresh)
}
