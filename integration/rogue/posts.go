package rogue

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// Posts sends requests to a member over and over: endless bodies, unsigned records, logs of devices that do not exist, and
// names of other members.
type Posts struct {
	Member Member
	At     int // number of parallel requests

	Asked atomic.Int64
}

// Run runs until ctx ends.
func (p *Posts) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for w := range p.At {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i++ {
				p.one(ctx, i)
			}
		})
	}
}

func (p *Posts) one(ctx context.Context, i int) {
	client := p.Member.client()
	defer client.CloseIdleConnections()
	device := hex.EncodeToString(NewKey().Public().(ed25519.PublicKey))
	own := device
	if p.Member.Key != nil {
		own = hex.EncodeToString(p.Member.Key.Public().(ed25519.PublicKey))
	}
	noise := base64.StdEncoding.EncodeToString(make([]byte, 300+i%1000))
	list := func(key string, n int) io.Reader {
		return strings.NewReader(fmt.Sprintf(`{%q:[%s]}`, key, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%q,", noise), n), ",")))
	}
	for _, r := range []struct {
		method, path string
		body         io.Reader
	}{
		{http.MethodPost, "/v1/root", endless{`{"roots":["`, "A"}.reader(8 << 20)},
		{http.MethodPost, "/v1/heads", endless{`{"heads":[`, `"AAAA",`}.reader(8 << 20)},
		{http.MethodPost, "/v1/root", list("roots", 50)},
		{http.MethodPost, "/v1/heads", list("heads", 200)},
		{http.MethodPost, "/v1/forks", list("forks", 20)},
		{http.MethodPost, "/v1/log/" + own + "?from=0", strings.NewReader(strings.Repeat(noise, 100))},
		{http.MethodPost, "/v1/log/" + device + "?from=0", strings.NewReader(strings.Repeat(noise, 100))},
		{http.MethodGet, "/v1/root?from=1", nil},
		{http.MethodGet, "/v1/heads", nil},
		{http.MethodGet, "/v1/have", nil},
		{http.MethodGet, "/v1/log/" + device + "?from=0", nil},
		{http.MethodGet, "/v1/slot/" + device, nil},
		{http.MethodGet, "/v1/torrent/" + strings.Repeat("ab", 20), nil},
	} {
		req, err := http.NewRequestWithContext(ctx, r.method, "https://member"+r.path, r.body)
		if err != nil {
			continue
		}
		resp, err := client.Do(req)
		p.Asked.Add(1)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 8<<20)) // as much as arrives
		resp.Body.Close()
	}
}

// endless is a body that repeats forever after its beginning.
type endless struct{ begin, again string }

func (e endless) reader(most int64) io.Reader {
	return io.LimitReader(io.MultiReader(strings.NewReader(e.begin), repeated(e.again)), most)
}

// repeated is an endlessly repeated text.
type repeated string

func (r repeated) Read(b []byte) (n int, err error) {
	for n < len(b) {
		n += copy(b[n:], r)
	}
	return n, nil
}
