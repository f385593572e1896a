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

// Daemon is a running p2pshare daemon and a client of its socket, which implements only what docs/SPEC.md says about the
// socket.
type Daemon struct {
	*Process
	API
}

// API is a client of the daemon of a home.
type API struct{ Home string }

// Share holds what tests need of a share in a daemon's answers.
type Share struct {
	ID, Kind, Name, Path, Infohash, Magnet string
	Size                                   int64
	State, Reason, Hint                    string
	Peers, Copies                          int
	Uploaded, Downloaded                   int64
	Progress                               *Progress
	Limits                                 Limits
}

// Limits are rates in bytes per second.
type Limits struct{ Up, Down int64 }

// Progress is the progress of a phase.
type Progress struct {
	Phase       string
	Done, Total int64
}

// Status is the status of a daemon.
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

// Refusal is an error in a daemon's answer.
type Refusal struct{ Kind, Text, Hint string }

func (r *Refusal) Error() string { return r.Text }

// Daemon runs `p2pshare daemon` on a host; nil is this machine itself. It returns when the daemon answers.
func (p P2PShare) Daemon(ctx context.Context, t testing.TB, h *netlab.Host, args ...string) (*Daemon, error) {
	if p.Home == "" {
		p.Home = filepath.Join(t.TempDir(), "home")
	}
	d := &Daemon{Start(t, p.Command(t, h, "daemon", args...)), API{p.Home}}
	return d, d.Answers(ctx)
}

// Answers waits until the daemon answers; it is an error if the daemon exits instead.
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
			return fmt.Errorf("the daemon exited: %s", tail(d.Stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("the daemon does not answer: %w: %s", context.Cause(ctx), tail(d.Stderr.String()))
		}
	}
}

// Term sends SIGTERM, as the system does at shutdown.
func (p *Process) Term() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Pid returns the process number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Gone says whether err means that no daemon is running, as opposed to an error in its answer.
func Gone(err error) bool {
	var no *Refusal
	return err != nil && !errors.As(err, &no)
}

// Get sends a request that has no body.
func (a API) Get(ctx context.Context, verb string, answer any) error {
	resp, err := a.send(ctx, http.MethodGet, verb, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(answer)
}

// Ask sends a request with a single answer. answer may be nil.
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

// Stream sends a request and passes its events to on, until the stream ends or on returns true. Then it closes the
// connection.
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

// Status returns the status of the daemon and its shares.
func (a API) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, a.Ask(ctx, "status", struct{}{}, &s)
}

// When waits until ok returns true for the daemon's status.
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

// socket returns the path of the socket. If the home's path is too long for a socket, a file there has the path of another.
func (a API) socket() string {
	var file struct{ Path string }
	if b, err := os.ReadFile(filepath.Join(a.Home, "socket")); err == nil && json.Unmarshal(b, &file) == nil {
		return file.Path
	}
	return filepath.Join(a.Home, "p2pshare.sock")
}

// Peer returns the address of a daemon on a host, for peers that connect to it.
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
