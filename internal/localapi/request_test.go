//go:build unix

package localapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestRequests tests that every request and every answer travels whole.
func TestRequests(t *testing.T) {
	up := int64(5)
	windows := []node.Window{{Days: "mon", From: "08:00", To: "09:00", Up: 1, Down: 2}}
	limits, policy := node.Limits{Up: 1, Down: 2, Windows: windows}, node.Policy{Ratio: 1.5, Time: time.Hour, Copies: 3}
	publish := node.PublishRequest{
		Path: "/p", Name: "n", Format: "v1", PieceLength: 1 << 20, Private: true, Trackers: [][]string{{"a", "b"}, {"c"}}, WebSeeds: []string{"w"},
		Exclude: []string{"x"}, Comment: "<&>", Output: "/o", Sums: "/s", NoSeed: true, UntilCopies: 2, Peers: []string{"p:1"}, Announce: []string{"t"}, Limits: limits, Policy: policy,
		In: &node.InGroup{Group: "acme", As: "app@1", For: []string{"@crew"}, Note: "n", Offline: true, Seal: true, Replace: true},
	}
	fetch := node.FetchRequest{
		Ref: "magnet:?xt=urn:btih:x&dn=y", Dir: "/d", Only: []string{"*"}, Seed: true, Timeout: time.Minute, WebSeeds: []string{"w"},
		AllowPrivate: true, Peers: []string{"p:1"}, Announce: []string{"t"}, Limits: limits, Policy: policy,
		FromGroup: node.FromGroup{Sums: "/SUMS", MinisignKey: "RW", Receipt: "/r"},
	}
	seed := node.SeedRequest{Torrents: []string{"/a", "/b"}, Data: "/d", Peers: []string{"p:1"}, Announce: []string{"t"}, Limits: limits, Policy: policy}
	file := "/x"
	group := node.GroupRequest{
		Group: "p2pshare:abc", Offline: true, Create: &node.CreateGroup{Kind: "public", User: "u", Open: true, Stale: 5, Strict: true, Password: "p1 <&>", NoJoin: true},
		Join: &node.JoinGroup{As: "a", Peers: []string{"p:1"}, User: "u", Key: "/k", DeviceKey: "/d", Label: "l", Timeout: time.Second, Password: "p2 ü", Account: "ann"}, Show: &struct{}{},
		Passwd: &node.ChangePassword{User: "u", Group: true, Password: "p3", Old: "p7"}, Audit: &node.AuditQuery{User: "u", Since: time.Unix(5, 0).UTC(), Lines: 7},
		AddUsers: &node.AddUsers{Users: []node.AddUser{{Name: "n", Role: "backup", Password: "p4"}}, Out: "/out"}, ChangeUser: &node.ChangeUser{Name: "n", Role: &file, Until: &time.Time{}, Teams: &[]string{}, Passphrase: "p8", Draft: "/d"},
		AddUser: &node.AddUser{Name: "n", Role: "member", Teams: []string{"t"}, Until: time.Unix(5, 0).UTC(), Key: "/k"}, RemoveUser: &file,
		AddRule: &node.AddRule{Rule: "r", Before: "b"}, TestRule: &node.TestRule{User: "u", Right: "read", Path: "p"},
		Owners: &node.ChangeOwners{Own: true, Add: []string{"k"}, Rotate: true, Need: 2, Draft: "/d", Passphrase: "p5", Lock: new(node.Secret), Export: "/e", Import: "/i"}, Follow: &node.Follow{Keep: 1, Space: 2, Match: []string{"m"}, Dir: "/d"},
	}
	restore := node.GroupRequest{Group: "/backup", Restore: &node.RestoreGroup{As: "a", User: "u", Password: "p6", Label: "l", Follow: true}}
	catalog := node.CatalogRequest{Group: "acme", Offline: true, List: &node.ListCatalog{Search: "a b", All: true}, Show: &file, Verify: &struct{}{}, Export: &file, Import: &file, Drop: &file}
	f := &fake{}
	c := serve(t, f, "v").dial(t, "v")
	ctx := t.Context()
	tests := []struct {
		want any
		do   func() (any, error)
		back any
	}{
		{publish, func() (any, error) { return nil, c.Publish(ctx, publish, ignore) }, nil},
		{fetch, func() (any, error) { return nil, c.Fetch(ctx, fetch, ignore) }, nil},
		{seed, func() (any, error) { return nil, c.Seed(ctx, seed, ignore) }, nil},
		{node.RepairRequest{Ref: "r", Peers: []string{"p:1"}, Timeout: time.Second}, func() (any, error) {
			return nil, c.Repair(ctx, node.RepairRequest{Ref: "r", Peers: []string{"p:1"}, Timeout: time.Second}, ignore)
		}, nil},
		{node.VerifyRequest{Torrent: "/t", Data: "/d"}, func() (any, error) { return c.Verify(ctx, node.VerifyRequest{Torrent: "/t", Data: "/d"}, ignore) },
			&node.Verified{Path: "/t", OK: true, Bad: []node.VerifiedFile{}, Extra: []string{"a"}}},
		{node.DoctorRequest{Refs: []string{"r"}}, func() (any, error) { return c.Doctor(ctx, node.DoctorRequest{Refs: []string{"r"}}, ignore) },
			&node.Diagnosis{Findings: []node.Finding{{Code: "clock", Grave: true, What: "w"}}, Looked: []string{"l"}}},
		{group, func() (any, error) { return c.Group(ctx, group, ignore) },
			answered},
		{restore, func() (any, error) { return c.Group(ctx, restore, ignore) }, answered},
		{catalog, func() (any, error) { return c.Catalog(ctx, catalog, ignore) },
			&node.CatalogAnswer{Group: node.Group{Name: "acme", Warnings: []string{}}, Entries: []node.Entry{{Ref: "acme/a@1", Note: "<&>"}}, Problems: []string{"p"}, Records: 7}},
		{node.StatusRequest{Refs: []string{"r"}}, func() (any, error) { return c.Status(ctx, node.StatusRequest{Refs: []string{"r"}}) },
			&node.Status{Daemon: true, Version: "v", Shares: []node.Share{{ID: "1", Name: "one & <two>"}}}},
		{node.ChangeRequest{Refs: []string{"r"}, All: true, Run: true}, func() (any, error) {
			return c.Change(ctx, node.ChangeRequest{Refs: []string{"r"}, All: true, Run: true})
		},
			[]node.Share{{ID: "c"}}},
		{node.RemoveRequest{Refs: []string{"r"}, Data: true}, func() (any, error) { return c.Remove(ctx, node.RemoveRequest{Refs: []string{"r"}, Data: true}) },
			[]node.Share{{ID: "r"}}},
		{node.LimitRequest{Refs: []string{"r"}, Up: &up, Windows: &windows, Policy: &policy}, func() (any, error) {
			return c.Limit(ctx, node.LimitRequest{Refs: []string{"r"}, Up: &up, Windows: &windows, Policy: &policy})
		}, &node.Limited{Limits: node.Limits{Up: 1}, Shares: []node.Share{}}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T", tt.want), func(t *testing.T) {
			back, err := tt.do()
			if err != nil {
				t.Fatal(err)
			}
			if got := f.last(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("the request: got %+v, want %+v", got, tt.want)
			}
			if !reflect.DeepEqual(back, tt.back) {
				t.Errorf("the answer: got %+v, want %+v", back, tt.back)
			}
		})
	}
}

func TestRefusedRequests(t *testing.T) {
	f := &fake{}
	d := serve(t, f, "1.2")
	big := `{"refs":["` + strings.Repeat("x", 5<<20) + `"]}`
	get := func(path, host string, headers ...string) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, strings.Join(append(headers, ""), "\r\n"))
	}
	tests := []struct {
		name, request string
		status        int
		kind, says    string
	}{
		{"no JSON", post("/v1/status", "hello"), 400, "usage", "no JSON object"},
		{"nothing", post("/v1/status", ""), 400, "usage", "no JSON object"},
		{"a list", post("/v1/status", "[]"), 400, "usage", "no JSON object"},
		{"null", post("/v1/status", "null"), 400, "usage", "no JSON object"},
		{"torn JSON", post("/v1/status", `{"refs":["a"`), 400, "usage", "malformed"},
		{"two values", post("/v1/status", `{} {}`), 400, "usage", "more than one"},
		{"an unknown field", post("/v1/status", `{"refs":[],"colour":1}`), 400, "usage", `unknown field "colour"`},
		{"an unknown field within", post("/v1/publish", `{"path":"/a","limits":{"upp":1},"policy":{}}`), 400, "usage", `unknown field "upp"`},
		{"a field of another type", post("/v1/fetch", `{"ref":"x","dir":"/d","timeout":"soon","limits":{},"policy":{}}`), 400, "usage", `"timeout"`},
		{"a number beyond all", post("/v1/publish", `{"path":"/a","piece_length":1e400}`), 400, "usage", "piece_length"},
		{"too large", post("/v1/status", big), 413, "usage", "larger than"},
		{"too deep", post("/v1/limit", strings.Repeat(`{"refs":[`, 20_000)), 400, "usage", "malformed"},
		{"a relative path", post("/v1/publish", `{"path":"release"}`), 400, "usage", `"release" is not absolute`},
		{"a relative folder", post("/v1/fetch", `{"ref":"x","dir":"."}`), 400, "usage", `"." is not absolute`},
		{"a relative torrent", post("/v1/seed", `{"torrents":["/a","b"]}`), 400, "usage", `"b" is not absolute`},
		{"a relative backup", post("/v1/group", `{"group":"backup","restore":{"user":"u","password":"p"}}`), 400, "usage", `"backup" is not absolute`},
		{"a relative list of passwords", post("/v1/group", `{"group":"g","add_users":{"users":[],"out":"o"}}`), 400, "usage", `"o" is not absolute`},
		{"a relative key of many", post("/v1/group", `{"group":"g","add_users":{"users":[{"name":"n","role":"r","key":"k"}],"out":"/o"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative draft", post("/v1/group", `{"group":"g","change_user":{"name":"n","draft":"d"}}`), 400, "usage", `"d" is not absolute`},
		{"a relative export of a key", post("/v1/group", `{"group":"g","owners":{"export":"e"}}`), 400, "usage", `"e" is not absolute`},
		{"a relative import of a key", post("/v1/group", `{"group":"g","owners":{"import":"i"}}`), 400, "usage", `"i" is not absolute`},
		{"a password that is none", post("/v1/group", `{"group":"g","passwd":{"password":12345}}`), 400, "usage", `"passwd.password" of the request cannot be a number`},
		{"a relative receipt", post("/v1/fetch", `{"ref":"x","dir":"/d","receipt":"r"}`), 400, "usage", `"r" is not absolute`},
		{"relative sums", post("/v1/fetch", `{"ref":"x","dir":"/d","sums":"s"}`), 400, "usage", `"s" is not absolute`},
		{"a relative export to join by", post("/v1/group", `{"group":"acme.p2pshare","join":{}}`), 400, "usage", `"acme.p2pshare" is not absolute`},
		{"a relative key", post("/v1/group", `{"group":"p2pshare:x","join":{"key":"k"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative device key", post("/v1/group", `{"group":"P2PSHARE:X","join":{"device_key":"k"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative key of a user", post("/v1/group", `{"group":"g","add_user":{"name":"n","role":"r","key":"k"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative draft", post("/v1/group", `{"group":"g","owners":{"draft":"k"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative mirror", post("/v1/group", `{"group":"g","follow":{"dir":"k"}}`), 400, "usage", `"k" is not absolute`},
		{"a relative export", post("/v1/catalog", `{"group":"g","export":"k"}`), 400, "usage", `"k" is not absolute`},
		{"a relative import", post("/v1/catalog", `{"group":"g","import":"k"}`), 400, "usage", `"k" is not absolute`},
		{"a path with a zero byte", post("/v1/verify", `{"torrent":"/a\u0000b"}`), 400, "usage", "zero byte"},
		{"an unknown path", post("/v1/reboot", "{}"), 404, "not-found", `p2pshare 1.2 does not serve POST "/v1/reboot"`},
		{"another version's path", post("/v2/status", "{}"), 404, "not-found", `"/v2/status"`},
		{"a path that climbs", post("/v1/../v1/status", "{}"), 404, "not-found", "does not serve"},
		{"the wrong method", get("/v1/status", "p2pshare"), 404, "not-found", "does not serve GET"},
		{"another host", get("/v1/version", "localhost:8080"), 403, "denied", `"localhost:8080"`},
		{"a host that DNS was turned to", get("/v1/version", "evil.example"), 403, "denied", "evil.example"},
		{"an origin", post("/v1/status", "{}", "Origin: http://evil.example"), 403, "denied", "Origin"},
		{"an origin of null", post("/v1/status", "{}", "Origin: null"), 403, "denied", "Origin"},
		{"a referer", post("/v1/status", "{}", "Referer: http://x/"), 403, "denied", "Referer"},
		{"a fetch mode", get("/v1/version", "p2pshare", "Sec-Fetch-Mode: no-cors"), 403, "denied", "Sec-Fetch-Mode"},
		{"a preflight", strings.Replace(get("/v1/status", "p2pshare", "Access-Control-Request-Method: POST"), "GET", "OPTIONS", 1), 403, "denied", "Access-Control"},
		{"a cookie", get("/v1/version", "p2pshare", "Cookie: a=b"), 403, "denied", "Cookie"},
		{"a browser's name", get("/v1/version", "p2pshare", "User-Agent: Mozilla/5.0 (X11)"), 403, "denied", "Mozilla"},
		{"a form", strings.Replace(post("/v1/status", "{}"), "application/json", "text/plain", 1), 415, "usage", "text/plain"},
		{"a form's type with a parameter", strings.Replace(post("/v1/status", "{}"), "application/json", "application/x-www-form-urlencoded", 1), 415, "usage", "urlencoded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.note(nil)
			resp, body := d.raw(t, tt.request)
			if resp.StatusCode != tt.status {
				t.Errorf("status: got %d, want %d", resp.StatusCode, tt.status)
			}
			r := readRefusal(t, body)
			if r.Problem.Kind != tt.kind || !strings.Contains(r.Problem.Text, tt.says) {
				t.Errorf("got %+v, want kind %s and %q", r.Problem, tt.kind, tt.says)
			}
			if resp.Header.Get("P2pshare-Api") != "1" || resp.Header.Get("P2pshare-Version") != "1.2" {
				t.Errorf("header: got %v, want both versions", resp.Header)
			}
			if got := f.last(); got != nil {
				t.Errorf("it reached the backend: %+v", got)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	d := serve(t, &fake{}, "1.2")
	_, body := d.raw(t, "GET /v1/version HTTP/1.1\r\nHost: p2pshare\r\n\r\n")
	var a localapi.About
	if err := json.Unmarshal([]byte(body), &a); err != nil || a.Version != "1.2" || a.API != 1 || a.Home != d.home || a.PID == 0 {
		t.Errorf("got %q, %v", body, err)
	}
	if a != d.dial(t, "x").About() {
		t.Errorf("the client knows %+v, want %+v", d.dial(t, "x").About(), a)
	}
}

// TestNoIdleConnections tests that no connection outlives its request, and that those without one do not keep
// others from being answered.
func TestNoIdleConnections(t *testing.T) {
	d := serve(t, &fake{}, "v")
	request := "GET /v1/version HTTP/1.1\r\nHost: p2pshare\r\nConnection: keep-alive\r\n\r\n"
	c := open(t, d, request+request)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if n := strings.Count(string(all), "HTTP/1.1 200"); n != 1 {
		t.Errorf("two requests on one connection: got %d answers, %v, want one and the end", n, err)
	}
	for range 500 {
		open(t, d, "")
	}
	if _, err := d.dial(t, "v").Status(t.Context(), node.StatusRequest{}); err != nil {
		t.Errorf("behind 500 connections that say nothing: %v", err)
	}
}

// FuzzRequest tests that no body gets by the decoder but as what it says.
func FuzzRequest(f *testing.F) {
	seeds := []struct{ path, body string }{
		{"/v1/status", `{"refs":["a"]}`}, {"/v1/change", `{"refs":["a"],"run":true}`}, {"/v1/remove", `{"all":true,"data":true}`},
		{"/v1/limit", `{"up":1,"windows":[{"from":"08:00","to":"09:00","up":1,"down":2}]}`},
		{"/v1/publish", `{"path":"/p","trackers":[["a"]],"limits":{"up":1,"down":0},"policy":{}}`},
		{"/v1/fetch", `{"ref":"r","dir":"/d","timeout":5}`}, {"/v1/seed", `{"torrents":["/a"]}`}, {"/v1/repair", `{"ref":"r"}`}, {"/v1/verify", `{"torrent":"/t"}`}, {"/v1/doctor", `{}`},
		{"/v1/group", `{"group":"g","show":{}}`}, {"/v1/catalog", `{"group":"g","list":{"search":"a b","all":true}}`}, {"/v1/end", `{}`},
		{"/v1/group", `{"group":"g","create":{"kind":"private","user":"u"}}`}, {"/v1/group", `{"group":"g","remove_user":"u","remove_device":"00"}`},
		{"/v1/catalog", `{"group":"g","drop":"a@1"}`}, {"/v1/status", `{"x":1}`}, {"/v1/status", `{"refs":["a"],"refs":["b"]}`}, {"/v1/status", `{"REFS":["a"]}`},
		{"/v1/status", `{"refs":null} {}`}, {"/v1/limit", `{"up":1e3}`}, {"/v1/limit", `{"up":-1}`}, {"/v1/fetch", "{\"ref\":\"\xff\\ud800\"}"},
	}
	var paths []string
	for _, s := range seeds {
		if !slices.Contains(paths, s.path) {
			paths = append(paths, s.path)
		}
		f.Add(uint8(slices.Index(paths, s.path)), s.body)
	}
	back := &fake{}
	server := localapi.NewServer(localapi.Options{Backend: back, Version: "v", Log: quiet})
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		path := paths[int(which)%len(paths)]
		back.note(nil)
		r := httptest.NewRequest(http.MethodPost, "http://p2pshare"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Del("User-Agent")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r.WithContext(context.Background()))
		got := back.last()
		if w.Code != http.StatusOK {
			if got != nil {
				t.Errorf("%q to %s was refused with %d and carried out as %+v", body, path, w.Code, got)
			}
			readRefusal(t, w.Body.String())
			return
		}
		// What was accepted is one object, and says the same when it is written again.
		again, err := json.Marshal(got)
		if err != nil || got == nil {
			t.Fatalf("%q to %s was accepted as %+v: %v", body, path, got, err)
		}
		back.note(nil)
		r = httptest.NewRequest(http.MethodPost, "http://p2pshare"+path, strings.NewReader(string(again)))
		r.Header.Set("Content-Type", "application/json")
		w = httptest.NewRecorder()
		server.ServeHTTP(w, r)
		twice, err := json.Marshal(back.last())
		if err != nil || string(twice) != string(again) {
			t.Errorf("%q became %s, and that %s", body, again, twice)
		}
	})
}
