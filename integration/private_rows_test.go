//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
	"github.com/p2pshare/p2pshare/integration/wire"
)

// tells is a tracker that names the members to whoever asks, and counts who does.
type tells struct {
	peers string // compact
	mu    sync.Mutex
	asked map[string]int // by IP address
}

func (tr *tells) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	tr.mu.Lock()
	tr.asked[host]++
	tr.mu.Unlock()
	fmt.Fprintf(w, "d8:intervali60e5:peers%d:%se", len(tr.peers), tr.peers)
}

// ordinaryClients have the .torrent from a member's home, or the infohash, and members' addresses. They get nothing.
func (g *guild) ordinaryClients(t *testing.T, gid string) {
	var peers []byte
	for _, m := range []*machine{g.admin, g.anna} {
		a := netip.MustParseAddr(m.h.IP).As4()
		peers = append(append(peers, a[:]...), client.Port>>8, client.Port&0xff)
	}
	tr := &tells{peers: string(peers), asked: map[string]int{}}
	announce := serveHTTP(t, g.lab.Hub(), tr) + "/announce"
	stolen := g.stolenTorrent(t, gid, announce)
	magnet := "magnet:?xt=urn:btih:" + g.open.Infohash + "&tr=" + announce
	direct := client.Libtorrent{Peers: []string{g.admin.h.IP + ":6881", g.anna.h.IP + ":6881"}}
	for _, c := range []struct {
		peer client.Peer
		ref  string
		host int
	}{
		{client.Aria2{}, stolen, hostClients},
		{client.Transmission{}, stolen, hostClients + 1},
		{direct, stolen, hostClients + 2},
		{client.Aria2{}, magnet, hostClients + 3},
		{direct, magnet, hostClients + 4},
	} {
		kind := "with the .torrent"
		if c.ref == magnet {
			kind = "with the infohash"
		}
		t.Run(c.peer.Name()+" "+kind, func(t *testing.T) {
			h, out, ctx := g.lab.Host(c.host), t.TempDir(), within(t, time.Minute)
			p, err := c.peer.Fetch(ctx, t, h, c.ref, out)
			if err != nil {
				t.Fatal(err)
			}
			// Each member was called on, and has hung up or said nothing.
			if _, err := g.watch.Await(ctx, "the client has called on both members", func(w *wire.Capture) bool {
				return w.Bytes(h.IP, g.admin.h.IP) > 0 && w.Bytes(h.IP, g.anna.h.IP) > 0
			}); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second) // for what else it may try
			p.Kill()
			seen, err := g.watch.Capture()
			if err != nil {
				t.Fatal(err)
			}
			// The port is also that of public torrents: a greeting that hides its infohash is answered with random bytes, at most
			// some 600 of them, before it is known what it asks for.
			for _, m := range []*machine{g.admin, g.anna} {
				if got := seen.Bytes(m.h.IP, h.IP); got > 20<<10 {
					t.Errorf("got %d bytes from %s, want none that matter", got, m.h.IP)
				}
			}
			g.nothingFound(t, out)
		})
	}
}

// wholePieces are asked for by who knows the infohash: the answer is that of one that nobody has.
func (g *guild) wholePieces(t *testing.T) {
	h := g.lab.Host(hostClients)
	for _, m := range []*machine{g.admin, g.anna} {
		ask := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}}
		var answers []string
		for _, hash := range []string{g.open.Infohash, strings.Repeat("5e", 20)} {
			res, err := ask.Get(fmt.Sprintf("http://%s:%d/p2pshare/pieces/%s/0-1", m.h.IP, client.Port, hash))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			res.Header.Del("Date")
			answers = append(answers, fmt.Sprint(res.Status, res.Header, string(body)))
		}
		if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "404 ") {
			t.Errorf("got %q for a share of the group and %q for what nobody has, want 404 for both", answers[0], answers[1])
		}
	}
}

// hostClients is the first of the hosts of ordinary clients, of which there are as many as clients.
const (
	hostClients = guildHosts + 1
	clients     = 5
)

// stolenTorrent is the .torrent of the share for all out of anna's home, with a tracker.
func (g *guild) stolenTorrent(t *testing.T, gid, announce string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(g.anna.home, "groups", gid, "torrents", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file map[string]bencode.Bytes
		if err := bencode.Unmarshal(raw, &file); err != nil || !bytes.Contains(raw, []byte("sommerfest")) {
			continue
		}
		for _, key := range []string{"announce", "announce-list", "url-list", "nodes"} {
			if file[key] != nil {
				t.Errorf("the torrent of a private share has %q: %s", key, file[key])
			}
		}
		if !bytes.Contains(file["info"], []byte("7:privatei1e")) {
			t.Error("the torrent of a private share is not marked private")
		}
		file["announce"] = bencode.MustMarshal(announce)
		out := filepath.Join(t.TempDir(), "stolen.torrent")
		if err := os.WriteFile(out, bencode.MustMarshal(file), 0o600); err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Fatalf("no torrent of the share for all among %v", list)
	return ""
}

// nothingFound looks for content in the files below a folder.
func (g *guild) nothingFound(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := g.treasure.in(raw)
		if slices.Contains(found, contents) {
			t.Errorf("%s has bytes of the content", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// hybrid: what a member may have is given by the v1 infohash and by the short v2 one; what is not for him, by neither.
func (g *guild) hybrid(t *testing.T, gid string) {
	const size = 700_001
	content := payload.Bytes(size, size)[:32]
	for as, flags := range map[string][]string{"filme/zwitter": nil, "personal/zwitter": {"--for", "direktorin,berthold"}} {
		g.admin.must(append([]string{"publish", payloadFile(t, "zwitter.bin", size), "--group", "geheimbund", "--as", as + "@1", "--format", "hybrid"}, flags...)...)
		g.bert.until(as, "catalog", "list", "geheimbund")
		e := g.bert.entry("geheimbund/" + as)
		for kind, hash := range map[string]string{"v1": e.Infohash, "v2": e.InfoSHA256} {
			for name, m := range map[string]*machine{"anna": g.anna, "bert": g.bert} {
				who := g.admin.reaching(g.other.h, m.stolen(gid), parsed(t, g.link))
				got, err := who.Take(within(t, 20*time.Second), [20]byte(unhex(t, hash)), 2, 20<<10)
				if may := flags == nil || m == g.bert; may != bytes.Contains(got, content) || !may && len(got) > 0 {
					t.Errorf("%s asks for %s by its %s infohash: got %d bytes, %v", name, as, kind, len(got), err)
				}
			}
		}
	}
}

// garbage: carl lies. Who fetches from him alone does not finish and is told his name; with others there it is whole.
func (g *guild) garbage(t *testing.T) {
	into := t.TempDir()
	// Slow, until nobody is left but carl: it knows then what the torrent is, and has little of it.
	p := client.Start(t, g.bert.h.Command(context.Background(), us.Bin, "fetch", "geheimbund/filme/sommerfest", "--no-seed", "--max-down", "20KiB", "-o", into, "--home", g.bert.home))
	eventually(t, "the fetch has begun", func() bool {
		var st client.Status
		err := json.Unmarshal([]byte(g.bert.must("status", "--json")), &st)
		return err == nil && slices.ContainsFunc(st.Shares, func(s client.Share) bool { return s.Infohash == g.open.Infohash && s.Downloaded > 0 })
	})
	for _, i := range []int{host1Admin, host2Anna} {
		if err := g.lab.Down(i); err != nil {
			t.Fatal(err)
		}
	}
	g.bert.must("limit", g.open.Infohash, "--down", "0")
	liar := &rogue.Peer{Pieces: openPieces, Block: rogue.Garbage}
	who := g.bert.reaching(g.carl.h, g.carl.stolen(parsed(t, g.link).GID()), parsed(t, g.link))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	eventually(t, "bert's audit names carl", func() bool {
		if c, err := who.TLS(ctx, rogue.Swarm); err == nil {
			go func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				_ = liar.Call(c, [20]byte(unhex(t, g.open.Infohash))) // until bert has had enough of him
			}()
		}
		return strings.Contains(g.bert.must("group", "audit", "geheimbund", "--user", "carlotta", "--json"), `"garbage"`)
	})
	stop()
	if !p.Running() {
		t.Error("the fetch has ended with nobody there but who sends garbage")
	}
	for _, i := range []int{host1Admin, host2Anna} {
		if err := g.lab.Up(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Finished(within(t, 90*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(g.content, filepath.Join(into, filepath.Base(g.content))); err != nil {
		t.Error(err)
	}
}

// held is a connection that a thief holds, and when it ended.
type held struct {
	what string
	end  chan error
}

// hold opens a connection for what a member may do and keeps it open.
func hold(ctx context.Context, t *testing.T, what string, who rogue.Member, infohash [20]byte) *held {
	t.Helper()
	h := &held{what, make(chan error, 1)}
	if what == "sync" {
		begun := make(chan struct{})
		a, err := who.Get(ctx, "/v1/root?from=1")
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("sync before the removal: got %v, %v", a, err)
		}
		go func() {
			close(begun)
			cursor := "?wait=60"
			if a, err := who.Get(ctx, "/v1/heads?wait=0"); err == nil {
				if _, rest, ok := strings.Cut(string(a.Body), `"cursor":"`); ok {
					c, _, _ := strings.Cut(rest, `"`)
					cursor += "&since=" + c
				}
			}
			_, err := who.Get(ctx, "/v1/heads"+cursor)
			h.end <- err
		}()
		<-begun
		return h
	}
	c, err := who.TLS(ctx, rogue.Swarm)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(rogue.Handshake(infohash)); err != nil {
		t.Fatal(err)
	}
	var hello [68]byte
	if _, err := io.ReadFull(c, hello[:]); err != nil {
		t.Fatalf("the handshake before the removal: %v", err)
	}
	go func() {
		_, err := io.Copy(io.Discard, c)
		c.Close()
		h.end <- err
	}()
	return h
}

// removed: bert is put out while he fetches. What he holds open is cut, and he gets nothing any more, with the old link and his
// key.
func (g *guild) removed(t *testing.T, gid string) {
	long := payloadFile(t, "langfilm.mkv", 40_000_000)
	g.admin.must("publish", long, "--group", "geheimbund", "--as", "filme/lang@1")
	g.bert.until("filme/lang", "catalog", "list", "geheimbund")
	hash := [20]byte(unhex(t, g.admin.entry("geheimbund/filme/lang").Infohash))
	ctx := within(t, 2*time.Minute)
	// A rogue peer with bert's key, which holds connections open and asks for nothing; and bert's own program, in the middle.
	old := g.link
	who := g.admin.reaching(g.other.h, g.bert.stolen(gid), parsed(t, old))
	all := []*held{hold(ctx, t, "sync", who, hash), hold(ctx, t, "content", who, hash)}
	into := t.TempDir()
	p := client.Start(t, g.bert.h.Command(context.Background(), us.Bin, "fetch", "geheimbund/filme/lang", "--no-seed", "--json", "--max-down", "1MiB", "-o", into, "--home", g.bert.home))
	before := func() int {
		seen, err := g.watch.Capture()
		if err != nil {
			t.Fatal(err)
		}
		return seen.Bytes(g.admin.h.IP, g.bert.h.IP) + seen.Bytes(g.anna.h.IP, g.bert.h.IP) + seen.Bytes(g.carl.h.IP, g.bert.h.IP)
	}
	start := before()
	eventually(t, "bert is in the middle of the fetch", func() bool { return before() > start+2<<20 })
	begun := time.Now()
	a := g.admin.asks("group", "user", "remove", "geheimbund", "berthold")
	t.Logf("the removal was answered after %v", time.Since(begun))
	for _, h := range all {
		select {
		case err := <-h.end:
			t.Logf("%s was cut %v after the command began: %v", h.what, time.Since(begun), err)
		case <-ctx.Done():
			t.Errorf("%s was not cut", h.what)
		}
	}
	// From when nothing comes any more, nothing does.
	quiet := 0
	eventually(t, "bert gets nothing more", func() bool {
		was := quiet
		<-time.After(500 * time.Millisecond)
		quiet = before()
		return quiet-was < 16<<10
	})
	<-time.After(3 * time.Second)
	if more := before() - quiet; more > 64<<10 {
		t.Errorf("after the cut bert was sent %d bytes more, want refused handshakes at most", more)
	}
	p.Kill()
	if a.Link == "" || a.Link == old {
		t.Errorf("the link after the removal: got %q, want another than before", a.Link)
	}
	g.link, g.gone = a.Link, old
	for _, m := range []*machine{g.admin, g.anna} {
		eventually(t, "the removal is heard of", func() bool { return strings.Contains(m.people("geheimbund"), "berthold removed") })
		for name, thief := range map[string]rogue.Member{
			"his key, the old link":             m.reaching(g.other.h, g.bert.stolen(gid), parsed(t, old)),
			"his key, the new link":             m.reaching(g.other.h, g.bert.stolen(gid), parsed(t, a.Link)),
			"no key but that of the old link":   m.reaching(g.other.h, rogue.Member{Key: parsed(t, old).Lobby()}, parsed(t, old)),
			"the old link's key, the new name":  m.reaching(g.other.h, rogue.Member{Key: parsed(t, old).Lobby()}, parsed(t, a.Link)),
			"a key of his own, and the old one": m.reaching(g.other.h, rogue.Member{Key: rogue.NewKey()}, parsed(t, old)),
		} {
			step(t, g.all(), name+" at "+m.h.IP, func(t *testing.T) { g.cells(t, g.loot(t, thief), nil) })
		}
	}
}

// replay sends again what a member once sent a machine, from the first byte of TLS on.
func (g *guild) replay(t *testing.T) {
	seen, err := g.watch.Capture()
	if err != nil {
		t.Fatal(err)
	}
	var best wire.Stream
	for _, s := range seen.Streams {
		if s.From.Addr().String() == g.anna.h.IP && s.To.String() == g.admin.h.IP+":6881" && len(s.Data) > len(best.Data) {
			best = s
		}
	}
	if len(best.Data) < 1000 {
		t.Fatalf("anna has said %d bytes on one connection, want more to play again", len(best.Data))
	}
	c, err := g.other.h.Dial(within(t, 30*time.Second), "tcp", g.admin.h.IP+":6881")
	if err != nil {
		t.Fatal(err)
	}
	got := dialogue(t, c, best.Data)
	if len(got) > 3000 {
		t.Errorf("got %d bytes for %d that were played again, want the server's half of a handshake at most", len(got), len(best.Data))
	}
	if found := g.treasure.in(got); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

// flood has strangers do something at once, from one host, until stop. count says how often they did.
func flood(ctx context.Context, h *netlab.Host, at string, strangers int, do func(net.Conn)) (stop func(), count func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	var done atomic.Int64
	var wg sync.WaitGroup
	for range strangers {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := h.Dial(ctx, "tcp", at)
				if err != nil {
					continue
				}
				end := context.AfterFunc(ctx, func() { c.Close() })
				do(c)
				end()
				c.Close()
				done.Add(1)
			}
		})
	}
	return func() { cancel(); wg.Wait() }, done.Load
}
