package groupsync_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// forever is a body of begin and then more, again and again, of which it is counted how much was read.
type forever struct {
	begin, more string
	n           int
	end         int // 0: never
}

func (f *forever) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && (f.end == 0 || f.n < f.end) {
		rest := f.more[max(f.n-len(f.begin), 0)%len(f.more):]
		if f.n < len(f.begin) {
			rest = f.begin[f.n:]
		}
		m := copy(p[n:], rest)
		n, f.n = n+m, f.n+m
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ask calls a handler with a body, in this goroutine.
func ask(h http.Handler, path string, body io.Reader, length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, body)
	r.ContentLength = length
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// closed is a shelf that nobody vouches for anybody in.
type closed struct{ *shelf }

func (closed) Vouched(signed.Key, []byte, bool) error {
	return &signed.Refusal{What: "log", Reason: signed.ErrUnsigned, Detail: "nobody vouches"}
}

// TestBodiesWithoutEnd: of a body that does not end little is read, and none of it is kept.
func TestBodiesWithoutEnd(t *testing.T) {
	d := newDevice(t, group)
	head, _, records := d.write(3)
	quoted := fmt.Sprintf("%q", head.Raw)
	log := "/v1/log/" + d.key().String()
	for name, c := range map[string]struct {
		path, begin, more string
		length            int64
		most              int // bytes that are read
		want              int
	}{
		"a head":                 {"/v1/heads", `{"root":1,"heads":["`, "a", 11_900_000, 20_000, 413},
		"heads":                  {"/v1/heads", `{"root":1,"heads":[` + quoted, "," + quoted, 12_000_000, 1_000_000, 413},
		"heads of no length":     {"/v1/heads", `{"root":1,"heads":[` + quoted, "," + quoted, -1, 1_000_000, 413},
		"blanks before heads":    {"/v1/heads", ``, " ", 12_000_000, 20_000, 413},
		"a number":               {"/v1/heads", `{"root":`, "1", 12_000_000, 20_000, 413},
		"depth":                  {"/v1/heads", `{"heads":`, "[", 12_000_000, 20_000, 400},
		"a root":                 {"/v1/root", `{"roots":["`, "a", 8_000_000, 300_000, 413},
		"roots":                  {"/v1/root", `{"roots":["root 1"`, `,"root 1"`, 8_000_000, 300_000, 413},
		"evidence":               {"/v1/forks", `{"forks":["`, "a", 4_000_000, 50_000, 413},
		"pieces of evidence":     {"/v1/forks", `{"forks":["fork"`, `,"fork"`, 4_000_000, 50_000, 413},
		"a log of nobody":        {log, string(head.Raw) + string(records[0]) + "\n", "x\n", 7 << 20, 100_000, 422},
		"a log beyond its head":  {log, string(head.Raw), "x\n", 7 << 20, 100_000, 422},
		"a log that is too long": {log, string(head.Raw), "x\n", 60 << 20, 0, 413},
		"a log of no length":     {log, string(head.Raw), "x\n", -1, 0, 411},
		"no head":                {log, "", "x\n", 7 << 20, 100_000, 400},
		"no line in a head":      {log, "", "x", 7 << 20, 100_000, 400},
	} {
		var vault groupsync.Vault = rooted(t)
		if name == "a log of nobody" {
			vault = closed{rooted(t)}
		}
		h := groupsync.NewHandler(groupsync.Options{Group: group, Vault: vault, Rights: all})
		body := &forever{begin: c.begin, more: c.more}
		if w := ask(h, c.path, body, c.length); w.Code != c.want {
			t.Errorf("%s: got %d %q, want %d", name, w.Code, w.Body, c.want)
		}
		if body.n > c.most {
			t.Errorf("%s: %d bytes were read, want below %d", name, body.n, c.most)
		}
	}
}

// TestWhatIsHeldIsNotJudgedAgain: a push of what is here costs nothing, however often it comes.
func TestWhatIsHeldIsNotJudgedAgain(t *testing.T) {
	s := rooted(t)
	d := newDevice(t, group)
	head, _, records := d.write(1)
	must(t, s.AddLog(t.Context(), head, 0, records))
	h := handlerOf(s)
	for range 100 {
		body := fmt.Sprintf(`{"root":1,"heads":[%s]}`, strings.Repeat(fmt.Sprintf("%q,", head.Raw), 999)+fmt.Sprintf("%q", head.Raw))
		if w := ask(h, "/v1/heads", strings.NewReader(body), int64(len(body))); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "device") {
			t.Fatalf("heads that are held: got %d %s", w.Code, w.Body)
		}
	}
	// What is not held is judged some time, and then no more for a while.
	code := 0
	for range 100 {
		strange, _, _ := newDevice(t, group).write(1)
		body := fmt.Sprintf(`{"root":1,"heads":[%s]}`, strings.Repeat(fmt.Sprintf("%q,", strange.Raw), 999)+fmt.Sprintf("%q", strange.Raw))
		if code = ask(h, "/v1/heads", strings.NewReader(body), int64(len(body))).Code; code != http.StatusOK {
			break
		}
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("100,000 signatures of one stranger: got %d at last, want 429", code)
	}
	if w := ask(h, "/v1/heads", strings.NewReader(`{"root":1,"heads":[]}`), -1); w.Code != http.StatusOK {
		t.Errorf("a push without signatures meanwhile: %d", w.Code)
	}
}

// TestADrippingBodyGivesRoom: bodies that come a byte at a time keep nobody out, their own sender among them.
func TestADrippingBodyGivesRoom(t *testing.T) {
	s := rooted(t)
	srv := closing(t, handlerOf(s))
	d := newDevice(t, group)
	begin := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = fmt.Fprintf(c, "POST /v1/log/%v HTTP/1.1\r\nHost: member\r\nContent-Length: %d\r\n\r\np2pshare", d.key(), 3<<20)
		must(t, err)
		return c
	}
	first := begin()
	for range 20 {
		begin()
	}
	// The first one has been told, without having sent more.
	must(t, first.SetReadDeadline(time.Now().Add(20*time.Second))) // well below the time that a body has
	resp, err := http.ReadResponse(bufio.NewReader(first), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the body that drips keeps its room")
	}
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode/100 == 2 {
			t.Errorf("the body that dripped was taken: %d", resp.StatusCode)
		}
	}
	head, _, records := d.write(1)
	resp, err = http.Post(srv.URL+"/v1/log/"+d.key().String(), "", joined(head, records))
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent || s.count(d.key()) != 1 {
		t.Errorf("a log meanwhile: got %d, want that it is taken", resp.StatusCode)
	}
}

func joined(h signed.Head, records [][]byte) io.Reader {
	b := string(h.Raw)
	for _, r := range records {
		b += string(r) + "\n"
	}
	return strings.NewReader(b)
}

// TestAnswersWithoutEnd: a member that lies fills nobody's memory, and is not asked again soon.
func TestAnswersWithoutEnd(t *testing.T) {
	d := newDevice(t, group)
	head, _, _ := d.write(10)
	quoted := fmt.Sprintf("%q", head.Raw)
	heads := `{"cursor":"x","heads":[` + quoted + `]}`
	const mib = 1 << 20
	for name, c := range map[string]struct {
		path        string // that is answered without end
		begin, more string
		most        int64
	}{
		"a root":                {"/v1/root", `{"roots":["`, "a", mib},
		"roots":                 {"/v1/root", `{"roots":["root 1"`, `,"root 1"`, mib},
		"blanks":                {"/v1/root", "", " ", mib},
		"fields":                {"/v1/root", `{"a":1`, `,"a":1`, mib},
		"a number":              {"/v1/heads", `{"forks":`, "1", mib},
		"a cursor":              {"/v1/heads", `{"cursor":"`, "1", mib},
		"a head":                {"/v1/heads", `{"heads":["`, "a", mib},
		"heads":                 {"/v1/heads", `{"heads":[` + quoted, "," + quoted, 8 * mib},
		"a record":              {"/v1/log/", "", "a", 3 * mib},
		"records":               {"/v1/log/", "", "{\"n\":1,\"op\":\"x\"}\n", 3 * mib},
		"records without bytes": {"/v1/log/", "", "\n", 3 * mib},
	} {
		var wrote atomic.Int64
		srv := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, c.path):
				body := &forever{begin: c.begin, more: c.more, end: 200 * mib}
				b := make([]byte, 32<<10)
				for {
					n, err := body.Read(b)
					if err == nil {
						n, err = w.Write(b[:n])
					}
					if wrote.Add(int64(n)); err != nil {
						return
					}
				}
			case r.URL.Path == "/v1/root":
				fmt.Fprint(w, `{"roots":[]}`)
			case r.URL.Path == "/v1/heads":
				fmt.Fprint(w, heads)
			}
		}))
		to := rooted(t)
		_, err := groupsync.NewPeer(client(addrOf(srv)), group, to).Pull(t.Context(), 0)
		if !errors.As(err, new(*groupsync.PeerError)) {
			t.Errorf("%s: got %v, want that the member is blamed", name, err)
		}
		if n := wrote.Load(); n > c.most+8*mib { // what the sockets hold
			t.Errorf("%s: %d MiB were read", name, n>>20)
		}
	}
}

// TestHeadsOfStrangers: who shows the heads of many devices that nobody vouches for has made them.
func TestHeadsOfStrangers(t *testing.T) {
	from, few := rooted(t), rooted(t)
	for i := range 80 {
		d := newDevice(t, group)
		d.into(from, 1)
		if i < 10 {
			d.n, d.tree = 0, signed.Tree{}
			d.into(few, 1)
		}
	}
	pull := func(s *shelf) error {
		_, err := groupsync.NewPeer(client(addrOf(serve(t, handlerOf(s)))), group, closed{rooted(t)}).Pull(context.Background(), 0)
		return err
	}
	if err := pull(from); !errors.As(err, new(*groupsync.PeerError)) {
		t.Errorf("80 strangers: got %v, want that the member is blamed", err)
	}
	if err := pull(few); err != nil {
		t.Errorf("10 strangers: %v", err)
	}
}

// TestACutAnswerIsNoLie: who loses his connection in the middle is asked again.
func TestACutAnswerIsNoLie(t *testing.T) {
	for _, path := range []string{"/v1/root", "/v1/heads"} {
		srv := closing(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case path:
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, `{"roots":["root 1"`)
				panic(http.ErrAbortHandler)
			default:
				fmt.Fprint(w, `{"roots":[]}`)
			}
		}))
		_, err := groupsync.NewPeer(client(addrOf(srv)), group, rooted(t)).Pull(t.Context(), 0)
		if err == nil || errors.As(err, new(*groupsync.PeerError)) {
			t.Errorf("%s: got %v, want a fault of the connection", path, err)
		}
	}
}
