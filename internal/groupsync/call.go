package groupsync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// memberURL stands for the member that the client reaches.
const memberURL = "https://member"

func (p *Peer) get(ctx context.Context, path string, limit int64, v any) error {
	b, err := p.fetch(ctx, path, limit)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return &PeerError{err}
	}
	return nil
}

func (p *Peer) post(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, memberURL+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return p.do(req, maxWantsBody, out)
}

// open asks for an answer that is well, and leaves its body to be read.
func (p *Peer) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, memberURL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := p.sameAgain(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.ahead, p.dated = time.Until(date), true
	}
	if err := status(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// errAnother is an address at which another machine answers than did before.
var errAnother = errors.New("another machine answers at this address")

// sameAgain takes note of who answers. The answers of two machines do not add up to the word of either: who forwards a part
// of the connections to a member would speak in its name.
func (p *Peer) sameAgain(resp *http.Response) error {
	if p.who == nil {
		return nil
	}
	k, err := p.who(resp)
	if err != nil {
		return err
	}
	if p.by != (signed.Key{}) && p.by != k {
		return errAnother
	}
	p.by = k
	return nil
}

func (p *Peer) fetch(ctx context.Context, path string, limit int64) ([]byte, error) {
	resp, err := p.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &PeerError{fmt.Errorf("an answer of more than %d bytes", limit)}
	}
	return b, nil
}

// list asks for an answer that is an object with a list of at most most texts, each of at most longest bytes as JSON, and gives
// them to take as they come.
func (p *Peer) list(ctx context.Context, path, name string, most, longest int, values map[string]any, take func(string) error) error {
	resp, err := p.open(ctx, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n := 0
	var taken error
	body := &source{r: resp.Body}
	err = object{int64(longest), values, map[string]func(string) error{name: func(s string) error {
		if n++; n > most {
			return fmt.Errorf("more than %d %s", most, name)
		}
		taken = take(s)
		return taken
	}}}.read(body)
	switch {
	case taken != nil:
		return taken
	case body.err != nil:
		return body.err // the connection's fault
	case err != nil:
		return &PeerError{err}
	}
	return nil
}

// source keeps the error of what is read from.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (p *Peer) do(req *http.Request, limit int64, out any) error {
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := status(resp); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(&gauge{resp.Body, limit}).Decode(out); err != nil {
		return &PeerError{err}
	}
	return nil
}

func status(resp *http.Response) error {
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusForbidden:
		return ErrRefused
	case resp.StatusCode == http.StatusUnprocessableEntity:
		why, err := io.ReadAll(io.LimitReader(resp.Body, 100))
		if r := signed.Reason(bytes.TrimSpace(why)); err == nil && passing(r) {
			return r
		}
		return errNotTaken
	case resp.StatusCode == http.StatusTooManyRequests:
		return ErrBusy
	}
	return fmt.Errorf("the member answers %d", resp.StatusCode)
}

// blame makes a peer's fault of what the vault refused, and leaves a full disk ours.
func blame(err error) error {
	var why *signed.Refusal
	if errors.As(err, &why) {
		return &PeerError{err}
	}
	return err
}
