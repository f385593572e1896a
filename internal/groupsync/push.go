package groupsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Push hands the peer what is new here since the last Push.
func (p *Peer) Push(ctx context.Context) error {
	_, now := p.vault.Changed()
	if now == p.pushed {
		return nil
	}
	heads := p.vault.Heads(p.pushed)
	all := p.pushed == 0 && len(heads) <= maxPushed
	for _, h := range p.again {
		if !slices.ContainsFunc(heads, func(o signed.Head) bool { return o.Device == h.Device }) {
			heads = append(heads, h)
		}
	}
	p.again = nil
	forks, err := p.pushHeads(ctx, heads, all)
	if err == nil || errors.Is(err, ErrTaken) {
		var sent bool
		var ferr error
		if sent, ferr = p.pushForks(ctx, forks); sent && ferr == nil {
			// It may have learnt that other records of a device count than it has.
			_, ferr = p.pushHeads(ctx, p.vault.Heads(0), false)
		}
		if ferr != nil {
			return ferr
		}
		p.pushed = now
	}
	return err
}

// pushHeads shows the peer heads, and hands it the logs that it wants; all says that they are all that is here. It gives the sum
// of the peer's evidence.
func (p *Peer) pushHeads(ctx context.Context, heads []signed.Head, all bool) (forks string, err error) {
	out := pushRequest{Root: int64(len(p.vault.Roots(1))), All: all, Heads: []string{}, Port: p.port}
	byDevice := map[signed.Key]signed.Head{}
	for _, h := range heads[:min(len(heads), maxPushed)] {
		out.Heads = append(out.Heads, string(h.Raw))
		byDevice[h.Device] = h
	}
	var in pushAnswer
	if err := p.post(ctx, "/v1/heads", out, &in); err != nil {
		return "", err
	}
	if in.Root > 0 {
		roots := p.vault.Roots(in.Root)
		body := rootsAnswer{Roots: []string{}}
		for _, r := range roots[:min(len(roots), maxRoots)] {
			body.Roots = append(body.Roots, string(r))
		}
		if err := p.post(ctx, "/v1/root", body, nil); err != nil {
			return "", err
		}
	}
	var early []want
	var mine error
	asked := map[signed.Key]bool{}
	for _, w := range in.Want[:min(len(in.Want), maxPushed)] {
		h, ours := byDevice[w.Device]
		if !ours || asked[w.Device] || w.From < 0 || w.From > h.Size {
			continue
		}
		asked[w.Device] = true // once: a log may have 64 MiB
		err := p.pushLog(ctx, h, w.From)
		switch {
		case passing(err):
			p.again = slices.DeleteFunc(p.again, func(o signed.Head) bool { return o.Device == h.Device })
			p.again = append(p.again, h)
			p.again = p.again[max(0, len(p.again)-maxLater):]
			if h.Device == p.self && errors.Is(err, signed.ErrTaken) {
				mine = ErrTaken
			}
		case errors.Is(err, errNotTaken) && w.From > 0:
			// It may hold another history of the device: all of this one is the evidence.
			early = append(early, want{w.Device, 0})
		case errors.Is(err, errNotTaken):
			early = append(early, w) // what vouches for the device may come with the next
		case err != nil:
			return "", err
		}
	}
	for _, w := range early {
		if err := p.pushLog(ctx, byDevice[w.Device], w.From); err != nil && !errors.Is(err, errNotTaken) {
			return "", err
		}
	}
	return in.Forks, mine
}

// pushLog hands over the records of a head from one on. They are read as they are sent, so that members who ask for long
// logs, and then take them slowly, do not have them held in memory.
func (p *Peer) pushLog(ctx context.Context, h signed.Head, from int64) error {
	length, err := io.Copy(io.Discard, &logReader{v: p.vault, h: h, at: from})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*answerTime)
	defer cancel()
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(h.Raw), &logReader{v: p.vault, h: h, at: from})), nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, memberURL+fmt.Sprintf("/v1/log/%v?from=%d", h.Device, from), http.NoBody)
	if err != nil {
		return err
	}
	req.Body, _ = body()
	req.GetBody = body // for a connection that was closed meanwhile
	req.ContentLength = int64(len(h.Raw)) + length
	return p.do(req, 0, nil)
}

// logReader reads the records of a head from one on, each ended by a newline.
type logReader struct {
	v  Shelf
	h  signed.Head
	at int64  // the next record that is not in b
	b  []byte // to be read
}

func (r *logReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 && r.at == r.h.Size {
		return 0, io.EOF
	}
	if len(r.b) == 0 {
		b, err := r.v.Records(r.h.Device, r.at, maxChunk)
		n := int64(bytes.Count(b, []byte("\n")))
		switch {
		case err != nil:
			return 0, err
		case n == 0:
			return 0, fmt.Errorf("record %d of device %v is missing here", r.at, r.h.Device)
		case n > r.h.Size-r.at: // it has grown since
			n = r.h.Size - r.at
			b = cutLines(b, n)
		}
		r.b, r.at = b, r.at+n
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// cutLines gives the first n lines.
func cutLines(b []byte, n int64) []byte {
	end := 0
	for range n {
		end += bytes.IndexByte(b[end:], '\n') + 1
	}
	return b[:end]
}
