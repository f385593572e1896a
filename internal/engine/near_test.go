package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// join begins a fetch that gets nowhere by the engine's own protocol, and waits until a peer offers whole pieces.
func (p payload) join(t *testing.T, e *Engine, peer string) (tt *Torrent, url string) {
	t.Helper()
	m := &memory{data: make([]byte, len(p.data)), done: map[int]bool{}}
	tt, err := e.Add(Spec{V1: &p.hash, Info: p.info, Storage: m, Total: int64(len(p.data)), MaxDown: 1, Peers: []string{peer}})
	if err != nil {
		t.Fatal(err)
	}
	tt.Want(0, p.pieces)
	await(t, "an offer of whole pieces", func() bool { return len(tt.Near()) > 0 })
	return tt, tt.Near()[0]
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s there is not: %s", what)
		}
	}
}

// get asks on a connection of its own.
func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return (&http.Client{Transport: tr}).Get(url)
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := get(t, url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestNearGivesWholePieces(t *testing.T) {
	p := newPayload(t, 1<<20+5, false)
	a, b := start(t, nil), start(t, nil)
	seed := p.seed(t, a, Spec{})
	_, url := p.join(t, b, at(a))
	const length = 32 << 10
	for span, want := range map[string][]byte{
		NearPieces(0, 3):                   p.data[:3*length],
		NearPieces(7, 8):                   p.data[7*length : 8*length],
		NearPieces(p.pieces-2, p.pieces):   p.data[(p.pieces-2)*length:],
		NearPieces(p.pieces-1, p.pieces+0): p.data[(p.pieces-1)*length:],
	} {
		res, err := get(t, url+span)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !bytes.Equal(got, want) || res.ContentLength != int64(len(want)) {
			t.Errorf("pieces %s: got %d, %d bytes (%d told) and %v, want 200 and %d bytes as they are", span, res.StatusCode, len(got), res.ContentLength, err, len(want))
		}
	}
	blocks := seed.t.Stats().BytesWrittenData // by the engine's own protocol, to who is held back
	if got, want := seed.Stats().Uploaded-blocks.Int64(), int64(3*length+length+length+5+5); got < want-(64<<10) || got > want {
		t.Errorf("uploaded besides blocks: got %d, want %d", got, want)
	}
	base := url[:len(url)-41]
	for name, c := range map[string]struct{ path, at string }{
		"an infohash that is not here":    {"0-1", base + "0123456789012345678901234567890123456789/"},
		"half an infohash":                {"0-1", url[:len(url)-21] + "/"},
		"no infohash":                     {"0-1", base},
		"pieces after the last":           {fmt.Sprintf("0-%d", p.pieces+1), url},
		"no pieces":                       {"3-3", url},
		"pieces backwards":                {"3-2", url},
		"pieces before the first":         {"-1-2", url},
		"one number":                      {"3", url},
		"a number that is none":           {"0-x", url},
		"a number longer than any":        {"0-99999999999999999999", url},
		"another path of the same server": {"", base[:len(base)-len(nearPath)] + "/"},
	} {
		if got := status(t, c.at+c.path); got != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", name, got)
		}
	}
}

func TestNearGivesToAnOnlyFetcher(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	a := start(t, nil)
	p.seed(t, a, Spec{})
	url := fmt.Sprintf("http://%s%s%x/", at(a), nearPath, p.hash)
	if got := status(t, url+"0-1"); got != http.StatusNotFound {
		t.Errorf("who is no peer: got %d, want 404, as for what is not here", got)
	}
	b, c := start(t, nil), start(t, nil)
	mine, _ := p.join(t, b, at(a))
	if got := status(t, url+"0-1"); got != http.StatusOK {
		t.Errorf("the only fetcher: got %d, want 200", got)
	}
	if got := status(t, fmt.Sprintf("http://%s%s%x/0-1", at(b), nearPath, p.hash)); got != http.StatusServiceUnavailable {
		t.Errorf("from who has nothing: got %d, want 503", got)
	}
	other, _ := p.join(t, c, at(a))
	await(t, "a refusal while there are two", func() bool { return status(t, url+"0-1") == http.StatusServiceUnavailable })
	other.Close()
	await(t, "an answer for the one that is left", func() bool { return status(t, url+"0-1") == http.StatusOK })
	mine.Close()
	await(t, "nothing when all are gone", func() bool { return status(t, url+"0-1") == http.StatusNotFound })
}

func TestNearEndsWhenAnotherComes(t *testing.T) {
	p := newPayload(t, 96<<20, false) // more than sockets hold
	a, b, c := start(t, nil), start(t, nil), start(t, nil)
	p.seed(t, a, Spec{})
	_, url := p.join(t, b, at(a))
	res, err := get(t, url+NearPieces(0, p.pieces))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	p.join(t, c, at(a))
	await(t, "a refusal", func() bool { return status(t, url+"0-1") == http.StatusServiceUnavailable })
	n, err := io.Copy(io.Discard, res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that began before: got %v after %d bytes, want that it ends early", err, n)
	}
}

// Who is no peer gets the same answer for what is here and for what is not, to the byte.
func TestNearTellsNobodyWhatIsHere(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	e := start(t, nil)
	p.seed(t, e, Spec{})
	exchange := func(request string) string {
		c, err := net.Dial("tcp", at(e))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(b, []byte("Date: ")) // which may differ by a second
		_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		return string(b[:bytes.IndexByte(b, '\n')]) + string(rest)
	}
	none := p.hash
	none[0]++
	for _, form := range []string{
		"GET /p2pshare/pieces/%x/0-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /p2pshare/pieces/%x/0-1 HTTP/1.0\r\n\r\n",
		"GET /p2pshare/pieces/%x/5-4 HTTP/1.0\r\n\r\n",
		"GET http://other/p2pshare/pieces/%x/0-1?x=1 HTTP/1.0\r\n\r\n",
		"GET /p2pshare/pieces/%X/0-1 HTTP/1.0\r\nRange: bytes=0-\r\n\r\n",
		"GET /p2pshare/pieces/%x/0-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
		"GET /p2pshare/pieces/%x/0-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
	} {
		if here, not := exchange(fmt.Sprintf(form, p.hash)), exchange(fmt.Sprintf(form, none)); here != not {
			t.Errorf("%q: %q for what is here, %q for what is not", form, here, not)
		}
	}
}

// A request does not keep its place by a body that does not end.
func TestNearReadsNoBodies(t *testing.T) {
	e := start(t, nil)
	for _, length := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		c, err := net.Dial("tcp", at(e))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n1"); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "free places", func() bool { return e.nearby.places.Len() == 0 })
}

// FuzzNearRequest sends a server anything instead of a request.
func FuzzNearRequest(f *testing.F) {
	e := start(f, func(s *Settings) { s.Log = quiet() })
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "GET \x00 HTTP/1.1\r\n\r\n",
		"GET /p2pshare/pieces/0100000000000000000000000000000000000000/0-1 HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\nExpect: 100-continue\r\n\r\n", "GET / HTTP/0.9\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		ours.SetDeadline(time.Now().Add(30 * time.Second))
		e.nearby.take(from{theirs, "127.0.0.1:4000"})
		go func() {
			ours.Write(data)
			ours.Write([]byte("\r\n\r\nGET / HTTP/1.0\r\n\r\n"))
			ours.Close()
		}()
		got, _ := io.ReadAll(ours)
		if len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.")) || bytes.HasPrefix(got, []byte("HTTP/1.1 2")) {
			t.Errorf("%q is answered by %q", data, got)
		}
	})
}

func TestNearKeepsLimits(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	a, b := start(t, nil), start(t, nil)
	seed := p.seed(t, a, Spec{})
	_, url := p.join(t, b, at(a))
	seed.SetLimits(512<<10, 0)
	begun := time.Now()
	res, err := get(t, url+NearPieces(0, p.pieces))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); n != 1<<20 || err != nil {
		t.Fatalf("got %d bytes and %v", n, err)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("1 MiB at 512 KiB/s took %v", took)
	}
}

// A connection from elsewhere than the networks next to us is closed unread.
func TestNearIsForNeighbours(t *testing.T) {
	e := start(t, nil)
	for addr, served := range map[string]bool{"192.168.3.4": true, "[fe80::1]": true, "8.8.8.8": false, "[2001:db8::1]": false} {
		ours, theirs := net.Pipe()
		go e.nearby.take(from{theirs, addr + ":4000"})
		ours.SetDeadline(time.Now().Add(30 * time.Second))
		_, err := io.WriteString(ours, "GET / HTTP/1.0\r\n\r\n")
		if got := err == nil; got != served {
			t.Errorf("a request from %s: got %v, want served: %v", addr, err, served)
		}
		ours.Close()
	}
}

// from is a connection that comes from another address.
type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr { return tcpAddr(f.addr) }

type tcpAddr string

func (tcpAddr) Network() string  { return "tcp" }
func (a tcpAddr) String() string { return string(a) }

func FuzzNearPath(f *testing.F) {
	e, err := New(Settings{ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { e.Close() })
	t := &Torrent{pieces: 10, pieceLength: nearMost / 8}
	e.byShort[[20]byte{1}] = t
	const hash = "0100000000000000000000000000000000000000"
	for _, path := range []string{"0-10", "0-8", "9-10", "3-2", "-1-2", "0-11", "00-+1", "1-2-3", "", "0-99999999999999999999", "\xff-1"} {
		f.Add(nearPath + hash + "/" + path)
	}
	f.Add("/")
	f.Add(nearPath)
	f.Fuzz(func(test *testing.T, path string) {
		got, begin, end := e.nearby.asked(path)
		if got != nil && (got != t || begin < 0 || end <= begin || end > t.pieces || end-begin > 8) {
			test.Errorf("%q: pieces %d to %d of %d", path, begin, end, t.pieces)
		}
	})
}
