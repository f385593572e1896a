//go:build linux

package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/netlab"
)

// Daemon is a p2pshare daemon that runs, and the other end of its socket: what docs/SPEC.md says of the socket and
// no more.
type Daemon struct {
	*Process
	API
}

// API speaks to the daemon of a home.
type API struct{ Home string }

// Share is what a test needs of a share in a daemon's answers.
type Share struct {
	ID, Kind, Name, Path, Infohash, Magnet string
	Size                                   int64
	State, Reason, Hint                    string
	Peers, Copies                          int
	Uploaded, Downloaded                   int64
	Progress                               *Progress
	Limits                                 Limits
}

// Limits are rates in bytes a second.
type Limits struct{ Up, Down int64 }

// Progress is how far a phase is.
type Progress struct {
	Phase       string
	Done, Total int64
}

// Status is how a daemon stands.
type Status struct {
	PID      int
	Port     int
	DHTNodes int `json:"dht_nodes"`
	Limits   Limits
	Shares   []Share
	Problems []string
}

// Event is a line of a stream.
type Event struct {
	Kept      *struct{ ID, Name string }
	Published *struct{ Name, Infohash, Magnet string }
	Seeding   *struct{ Copies, Peers int }
	Fetched   *struct{ Path string }
	Progress  *Progress
	Message   string
}

// Refusal is a problem that a daemon answers with.
type Refusal struct{ Kind, Text, Hint string }

func (r *Refusal) Error() string { return r.Text }

// Daemon runs `p2pshare daemon` on a host; a nil one is this machine itself. It returns when the daemon answers.
func (p P2PShare) Daemon(ctx context.Context, t testing.TB, h *netlab.Host, args ...string) (*Daemon, error) {
	if p.Home == "" {
		p.Home = filepath.Join(t.TempDir(), "home")
	}
	d := &Daemon{Start(t, p.Command(t, h, "daemon", args...)), API{p.Home}}
	return d, d.Answers(ctx)
}

// Answers waits until the daemon answers; an error if it ends instead.
func (d *Daemon) Answers(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var about struct{ PID int }
		if err := d.Get(ctx, "version", &about); err == nil && about.PID == d.cmd.Process.Pid {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.done:
			return fmt.Errorf("the daemon ended: %s", tail(d.Stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("the daemon does not answer: %w: %s", context.Cause(ctx), tail(d.Stderr.String()))
		}
	}
}

// Term is what an orderly end of the system sends.
func (p *Process) Term() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Gone says whether err is that of a daemon that is not there, or no more, rather than its answer.
func Gone(err error) bool {
	var no *Refusal
	return err != nil && !errors.As(err, &no)
}

// Get asks for what needs no question.
func (a API) Get(ctx context.Context, verb string, answer any) error {
	resp, err := a.send(ctx, http.MethodGet, verb, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(answer)
}

// Ask sends a plain request. answer may be nil.
func (a API) Ask(ctx context.Context, verb string, request, answer any) error {
	resp, err := a.send(ctx, http.MethodPost, verb, request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var end end
	if err := json.NewDecoder(resp.Body).Decode(&end); err != nil {
		return fmt.Errorf("the answer to %s: %w", verb, err)
	}
	return end.read(answer)
}

// Stream sends a request and hears its events until its end, or until on says that it has heard enough, when this end
// leaves.
func (a API) Stream(ctx context.Context, verb string, request any, on func(Event) (enough bool)) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	resp, err := a.send(ctx, http.MethodPost, verb, request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var end end
		if err := json.NewDecoder(resp.Body).Decode(&end); err != nil {
			return fmt.Errorf("the answer to %s: %w", verb, err)
		}
		return end.read(nil)
	}
	lines := bufio.NewReader(resp.Body)
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("the events of %s: %w", verb, err)
		}
		var l struct {
			Event *Event
			End   *end
		}
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("the events of %s: %w in %q", verb, err, raw)
		}
		switch {
		case l.End != nil:
			return l.End.read(nil)
		case l.Event != nil && on(*l.Event):
			return nil
		}
	}
}

// Status asks how all shares stand.
func (a API) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, a.Ask(ctx, "status", struct{}{}, &s)
}

// When waits until ok is true of a daemon's status.
func (a API) When(ctx context.Context, what string, ok func(*Status) bool) (*Status, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		s, err := a.Status(ctx)
		if err == nil && ok(s) {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b, _ := json.Marshal(s) // for the message
			return s, fmt.Errorf("waiting until %s: %w; last %v, %s", what, context.Cause(ctx), err, b)
		}
	}
}

// Publish publishes path and returns its magnet link as soon as it can be fetched.
func (a API) Publish(ctx context.Context, path string) (magnet string, err error) {
	err = a.Stream(ctx, "publish", map[string]any{"path": path}, func(e Event) bool {
		if e.Published != nil {
			magnet = e.Published.Magnet
		}
		return e.Published != nil
	})
	if err == nil && magnet == "" {
		err = errors.New("the publish ended without a magnet link")
	}
	return magnet, err
}

type end struct {
	Problem *Refusal
	Result  json.RawMessage
	Ending  bool
}

func (e end) read(answer any) error {
	switch {
	case e.Problem != nil:
		return e.Problem
	case answer == nil:
		return nil
	}
	return json.Unmarshal(e.Result, answer)
}

func (a API) send(ctx context.Context, method, verb string, request any) (*http.Response, error) {
	body := []byte{}
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://p2pshare/v1/"+verb, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", a.socket())
		},
	}}
	return c.Do(req)
}

// socket is where the daemon answers. A path that is too long for a socket has a file that names another.
func (a API) socket() string {
	var place struct{ Path string }
	if b, err := os.ReadFile(filepath.Join(a.Home, "socket")); err == nil && json.Unmarshal(b, &place) == nil {
		return place.Path
	}
	return filepath.Join(a.Home, "p2pshare.sock")
}

// Peer is the address of a daemon's port on a host, for who is to connect to it.
func (a API) Peer(ctx context.Context, h *netlab.Host) (string, error) {
	s, err := a.Status(ctx)
	if err != nil {
		return "", err
	}
	ip := "127.0.0.1"
	if h != nil {
		ip = h.IP
	}
	return net.JoinHostPort(ip, strconv.Itoa(s.Port)), nil
}
