package groupsync_test

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// held is more than what is on its way without being read.
const held = 24 << 20

// endless is a body that counts what is read of it, and ends when it is told to.
type endless struct {
	read *atomic.Int64
	end  chan struct{}
}

func (e endless) Read(b []byte) (int, error) {
	select {
	case <-e.end:
		return 0, io.EOF
	default:
	}
	if e.read.Add(int64(len(b))) > held { // enough to see it; the rest is kept waiting
		<-e.end
		return 0, io.EOF
	}
	clear(b)
	return len(b), nil
}

// TestManyLongLogs: who hands in many long logs at a time fills no memory with them, and short ones go on.
func TestManyLongLogs(t *testing.T) {
	s := rooted(t)
	d := newDevice(t, group)
	srv := serve(t, handlerOf(s))
	url := srv.URL + "/v1/log/" + d.key().String()
	const many = 12
	bodies := make([]endless, many)
	ended := make(chan struct{}, many)
	for i := range bodies {
		bodies[i] = endless{new(atomic.Int64), make(chan struct{})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bodies[i])
		must(t, err)
		req.ContentLength = 60 << 20
		go func() {
			defer func() { ended <- struct{}{} }()
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
		}()
	}
	begun := func() (n int) {
		for _, b := range bodies {
			if b.read.Load() > held {
				n++
			}
		}
		return n
	}
	waitFor(t, "four logs are read", func() bool { return begun() >= 4 })
	head, _, records := d.write(1)
	resp, err := http.Post(url, "", joined(head, records))
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("a short log meanwhile: got %d, want that it is taken", resp.StatusCode)
	}
	if n := begun(); n != 4 {
		t.Errorf("%d long logs are read at a time, want 4", n)
	}
	for _, b := range bodies {
		close(b.end)
	}
	for range bodies {
		select {
		case <-ended:
		case <-time.After(60 * time.Second):
			t.Fatal("a call does not end")
		}
	}
}

func joined(h signed.Head, records [][]byte) io.Reader {
	b := append([]byte(nil), h.Raw...)
	for _, r := range records {
		b = append(append(b, r...), '\n')
	}
	return bytes.NewReader(b)
}
