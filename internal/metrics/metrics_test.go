package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metrics"
	"github.com/p2pshare/p2pshare/internal/node"
)

func give(s *node.Status) func(context.Context) (*node.Status, error) {
	return func(context.Context) (*node.Status, error) { return s, nil }
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d: %s, want 200", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(page, "\n"+l+"\n") {
			name, _, _ := strings.Cut(l, " ")
			name, _, _ = strings.Cut(name, "{")
			t.Errorf("want %q, got:", l)
			for got := range strings.Lines(page) {
				if strings.HasPrefix(got, name) {
					t.Errorf("  %s", got)
				}
			}
		}
	}
}

func full() *node.Status {
	s := &node.Status{
		Version: "1.2.3", Started: time.Unix(1700000000, 0), DHTNodes: 12, Up: 5.5, Down: 7,
		Now: node.Limits{Up: 1000, Down: 2000}, Limits: node.Limits{Up: 1, Down: 2}, Problems: []string{"x"},
		Shares: []node.Share{
			{ID: "a", Name: "rel", Infohash: "01", State: node.StateSeeding, Uploaded: 100, Downloaded: 10, BadPieces: 2, Size: 50, Peers: 3, Copies: 1},
			{ID: "b", Name: "v2", InfohashV2: "02", State: node.StateFetching, Downloaded: 5, Peers: 4},
			{ID: "c", State: node.StateDamaged},
			{ID: "d", State: node.StateDamaged},
		},
	}
	s.Groups = []node.Group{
		{Name: "acme", ID: "ah3x", Kind: "public", Account: "ci", Role: "publisher", AdminSigned: time.Unix(1700000001, 500e6), Heard: time.Unix(1700000002, 0), Members: 3, Entries: 12, Warnings: []string{"w"},
			Mirror: &node.Mirror{Wanted: 10, Here: 8, Bytes: 5000, Free: 9000, Left: 2}},
		{Name: "films", ID: "ai7q", Kind: "private", Mirror: &node.Mirror{Free: -1}},
		{Name: "own", ID: "aj1z"},
	}
	s.From.Peers, s.From.WebSeeds, s.From.Reused = 70, 20, 3
	return s
}

func TestMetrics(t *testing.T) {
	has(t, scrape(t, metrics.New(give(full()))),
		`p2pshare_start_time_seconds 1.7e+09`,
		`p2pshare_content_bytes_total{source="peers"} 70`,
		`p2pshare_content_bytes_total{source="webseeds"} 20`,
		`p2pshare_content_bytes_total{source="reused"} 3`,
		`p2pshare_origin_saved_bytes_total 73`,
		`p2pshare_uploaded_bytes_total 100`,
		`p2pshare_downloaded_bytes_total 15`,
		`p2pshare_bad_pieces_total 2`,
		`p2pshare_transfer_bytes_per_second{direction="up"} 5.5`,
		`p2pshare_transfer_bytes_per_second{direction="down"} 7`,
		`p2pshare_limit_bytes_per_second{direction="up"} 1000`,
		`p2pshare_limit_bytes_per_second{direction="down"} 2000`,
		`p2pshare_peers 7`,
		`p2pshare_dht_nodes 12`,
		`p2pshare_home_problems 1`,
		`p2pshare_shares{state="seeding"} 1`,
		`p2pshare_shares{state="damaged"} 2`,
		`p2pshare_shares{state="queued"} 0`,
		`p2pshare_shares_unlisted 0`,
		`p2pshare_share_uploaded_bytes_total{id="a",infohash="01",name="rel"} 100`,
		`p2pshare_share_downloaded_bytes_total{id="b",infohash="02",name="v2"} 5`,
		`p2pshare_share_bad_pieces_total{id="a",infohash="01",name="rel"} 2`,
		`p2pshare_share_size_bytes{id="a",infohash="01",name="rel"} 50`,
		`p2pshare_share_peers{id="b",infohash="02",name="v2"} 4`,
		`p2pshare_share_copies{id="a",infohash="01",name="rel"} 1`,
		`p2pshare_share_info{id="d",infohash="",name="",state="damaged"} 1`,
		`p2pshare_group_info{account="ci",group="acme",id="ah3x",kind="public",role="publisher"} 1`,
		`p2pshare_group_admin_signed_timestamp_seconds{group="acme",id="ah3x"} 1.7000000015e+09`,
		`p2pshare_group_heard_timestamp_seconds{group="acme",id="ah3x"} 1.700000002e+09`,
		`p2pshare_group_members{group="acme",id="ah3x"} 3`,
		`p2pshare_group_entries{group="acme",id="ah3x"} 12`,
		`p2pshare_group_warnings{group="acme",id="ah3x"} 1`,
		`p2pshare_group_mirror_wanted{group="acme",id="ah3x"} 10`,
		`p2pshare_group_mirror_here{group="acme",id="ah3x"} 8`,
		`p2pshare_group_mirror_bytes{group="acme",id="ah3x"} 5000`,
		`p2pshare_group_mirror_left_out{group="acme",id="ah3x"} 2`,
		`p2pshare_group_mirror_free_bytes{group="acme",id="ah3x"} 9000`,
		`p2pshare_group_mirror_wanted{group="films",id="ai7q"} 0`,
	)
	for _, none := range []string{`mirror_free_bytes{group="films"`, `mirror_wanted{group="own"`, `signed_timestamp_seconds{group="films"`} {
		if strings.Contains(scrape(t, metrics.New(give(full()))), none) {
			t.Errorf("there is a series %s", none)
		}
	}
	if page := scrape(t, metrics.New(give(full()))); !strings.Contains(page, `p2pshare_build_info{go_version="go1.`) || !strings.Contains(page, `version="1.2.3"} 1`) ||
		!strings.Contains(page, "process_resident_memory_bytes") {
		t.Errorf("got\n%s\nwant it to include the build and the process", page)
	}
}

func TestLint(t *testing.T) {
	page := scrape(t, metrics.New(give(full())))
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestCountersDoNotFall(t *testing.T) {
	s := full()
	h := metrics.New(give(s))
	has(t, scrape(t, h), "p2pshare_uploaded_bytes_total 100")
	s.Shares[0].Uploaded = 150
	has(t, scrape(t, h), "p2pshare_uploaded_bytes_total 150")
	s.Shares = s.Shares[1:] // removed
	has(t, scrape(t, h), "p2pshare_uploaded_bytes_total 150", "p2pshare_bad_pieces_total 2", "p2pshare_downloaded_bytes_total 15")
	s.Shares = append(s.Shares, node.Share{ID: "e", Uploaded: 7})
	has(t, scrape(t, h), "p2pshare_uploaded_bytes_total 157")
}

func TestNumberOfSeriesIsBounded(t *testing.T) {
	s := &node.Status{}
	for i := range 1500 {
		// The newest come first: the order of the status must not decide which are listed.
		s.Shares = append(s.Shares, node.Share{ID: fmt.Sprintf("s%04d", i), Added: time.Unix(int64(10000-i), 0), State: node.StateSeeding})
	}
	page := scrape(t, metrics.New(give(s)))
	if got := strings.Count(page, "\np2pshare_share_peers{"); got != 1000 {
		t.Errorf("got %d shares, want 1000", got)
	}
	has(t, page, "p2pshare_shares_unlisted 500", `p2pshare_shares{state="seeding"} 1500`, `p2pshare_share_peers{id="s1499",infohash="",name=""} 0`)
	if strings.Contains(page, `id="s0000"`) {
		t.Error("the newest share is listed, want the oldest")
	}
	if s.Shares[0].ID != "s0000" {
		t.Error("the caller's status was sorted")
	}
}

func TestNamesOfStrangers(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"quotes":    {"a\"b\\c", `a\"b\\c`},
		"line end":  {"a\nb", "a\ufffdb"},
		"not UTF-8": {"a\xffb", "a\ufffdb"},
		"direction": {"a\u202eb", "a\ufffdb"},
		"long":      {strings.Repeat("é", 200), strings.Repeat("é", 127)},
	} {
		t.Run(name, func(t *testing.T) {
			page := scrape(t, metrics.New(give(&node.Status{Shares: []node.Share{{ID: "x", Name: c.in}}})))
			has(t, page, `p2pshare_share_peers{id="x",infohash="",name="`+c.want+`"} 0`)
		})
	}
}

func TestStatusFails(t *testing.T) {
	h := metrics.New(func(context.Context) (*node.Status, error) { return nil, errors.New("the store is on fire") })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "the store is on fire") {
		t.Errorf("got %d %q, want 500 and the reason", w.Code, w.Body)
	}
}

// serve runs a server and returns its address and a function that ends it.
func serve(t *testing.T, addr string) (string, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := metrics.Listen(ctx, addr)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- metrics.ServeOn(ctx, l, slog.New(slog.DiscardHandler), give(full())) }()
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the end of ctx: got %v, want nil", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server did not end")
		}
	}
	t.Cleanup(end)
	return l.Addr().String(), end
}

func get(t *testing.T, method, url, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestServer(t *testing.T) {
	addr, _ := serve(t, ":0")
	if ap, err := net.ResolveTCPAddr("tcp", addr); err != nil || !ap.IP.IsLoopback() {
		t.Errorf("without a host: got %s, %v, want loopback", addr, err)
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range []struct {
		name, method, path, host string
		code                     int
		body                     string
	}{
		{"metrics", "GET", "/metrics", addr, 200, "p2pshare_peers 7"},
		{"localhost", "GET", "/metrics", "localhost:" + port, 200, "p2pshare_peers 7"},
		{"IPv6", "GET", "/metrics", "[::1]:" + port, 200, "p2pshare_peers 7"},
		{"no port", "GET", "/metrics", "LocalHost", 200, "p2pshare_peers 7"},
		{"DNS rebinding", "GET", "/metrics", "evil.example:" + port, 421, "not the host"},
		{"another address", "GET", "/metrics", "192.0.2.1:" + port, 421, "not the host"},
		{"another page", "GET", "/", addr, 404, "/metrics"},
		{"profiles", "GET", "/debug/pprof/", addr, 404, "/metrics"},
		{"a change", "POST", "/metrics", addr, 405, "only be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := get(t, c.method, "http://"+addr+c.path, c.host)
			if code != c.code || !strings.Contains(body, c.body) {
				t.Errorf("got %d %.200q, want %d and %q", code, body, c.code, c.body)
			}
		})
	}
}

func TestServerOnANamedAddress(t *testing.T) {
	addr, _ := serve(t, "0.0.0.0:0")
	_, port, _ := net.SplitHostPort(addr)
	// A server that is open to the network may be scraped by a name of the network.
	if code, _ := get(t, "GET", "http://127.0.0.1:"+port+"/metrics", "nas.local:"+port); code != 200 {
		t.Errorf("got %d, want 200", code)
	}
}

func TestServerEndsWithOpenConnections(t *testing.T) {
	addr, end := serve(t, "127.0.0.1:0")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\n"); err != nil { // and the rest never comes
		t.Fatal(err)
	}
	start := time.Now()
	end()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("ending took %v, want at most 3 s", took)
	}
}

func TestListenRefuses(t *testing.T) {
	ctx := context.Background()
	if err := metrics.Serve(ctx, "nonsense", slog.New(slog.DiscardHandler), give(full())); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("a malformed address: got %v, want a usage error with a hint", err)
	}
	addr, _ := serve(t, "127.0.0.1:0")
	if err := metrics.Serve(ctx, addr, slog.New(slog.DiscardHandler), give(full())); err == nil || fault.HintOf(err) == "" {
		t.Errorf("an address in use: got %v, want an error with a hint", err)
	}
}
