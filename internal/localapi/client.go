package localapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Client is a daemon's node seen over its socket. Its methods may be called at the same time; each has a
// connection of its own.
type Client struct {
	home    *state.Home
	path    string // of the socket
	version string // of this program
	about   About
	groups  bool // it is no daemon, but holds the groups
}

// lock is the one that whoever answers holds for as long as it does.
func (c *Client) lock() string {
	if c.groups {
		return GroupsLock
	}
	return LockName
}

// About is who answered at Dial.
func (c *Client) About() About { return c.about }

// Daemon says that what the daemon keeps goes on when this process ends.
func (c *Client) Daemon() bool { return true }

// Close has nothing to close: no connection outlives its request.
func (c *Client) Close() error { return nil }

// Publish is Backend's.
func (c *Client) Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error {
	s := &streaming{on: on, done: func(seen seen) bool { return seen.seeding && !r.NoSeed }}
	_, err := follow[struct{}](ctx, c, pathPublish, r, s)
	return err
}

// Fetch is Backend's.
func (c *Client) Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error {
	s := &streaming{on: on, done: func(seen seen) bool { return seen.fetched && r.Seed }}
	_, err := follow[struct{}](ctx, c, pathFetch, r, s)
	return err
}

// Seed is Backend's.
func (c *Client) Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error {
	s := &streaming{on: on, done: func(seen seen) bool { return seen.seeding }}
	_, err := follow[struct{}](ctx, c, pathSeed, r, s)
	return err
}

// Repair is Backend's.
func (c *Client) Repair(ctx context.Context, r node.RepairRequest, on func(node.Event)) error {
	_, err := follow[struct{}](ctx, c, pathRepair, r, &streaming{on: on})
	return err
}

// Verify is Backend's.
func (c *Client) Verify(ctx context.Context, r node.VerifyRequest, on func(node.Event)) (*node.Verified, error) {
	return follow[node.Verified](ctx, c, pathVerify, r, &streaming{on: on})
}

// Doctor is Backend's.
func (c *Client) Doctor(ctx context.Context, r node.DoctorRequest, on func(node.Event)) (*node.Diagnosis, error) {
	return follow[node.Diagnosis](ctx, c, pathDoctor, r, &streaming{on: on})
}

// Group is Backend's.
func (c *Client) Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error) {
	return follow[node.GroupAnswer](ctx, c, pathGroup, r, &streaming{on: on})
}

// Catalog is Backend's.
func (c *Client) Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error) {
	return follow[node.CatalogAnswer](ctx, c, pathCatalog, r, &streaming{on: on})
}

// Status is Backend's.
func (c *Client) Status(ctx context.Context, r node.StatusRequest) (*node.Status, error) {
	return ask[*node.Status](ctx, c, pathStatus, r)
}

// Change is Backend's.
func (c *Client) Change(ctx context.Context, r node.ChangeRequest) ([]node.Share, error) {
	return ask[[]node.Share](ctx, c, pathChange, r)
}

// Remove is Backend's.
func (c *Client) Remove(ctx context.Context, r node.RemoveRequest) ([]node.Share, error) {
	return ask[[]node.Share](ctx, c, pathRemove, r)
}

// Limit is Backend's.
func (c *Client) Limit(ctx context.Context, r node.LimitRequest) (*node.Limited, error) {
	return ask[*node.Limited](ctx, c, pathLimit, r)
}

// ask carries out a plain request.
func ask[A any](ctx context.Context, c *Client, path string, r any) (A, error) {
	var v A
	x, err := c.send(ctx, http.MethodPost, path, r)
	if err != nil {
		return v, err
	}
	defer x.close()
	defer context.AfterFunc(ctx, x.close)()
	e, err := x.answer(maxLine)
	if err != nil {
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		return v, c.gone(ctx, "", err)
	}
	err = unpack(e, &v)
	return v, err
}

// unpack is the result of an end, or its error.
func unpack(e end, v any) error {
	if e.Problem != nil {
		return e.Problem.err()
	}
	if len(e.Result) == 0 {
		return nil
	}
	if err := json.Unmarshal(e.Result, v); err != nil {
		return fmt.Errorf("the daemon's answer is malformed: %w", err)
	}
	return nil
}

// greet asks who answers. Whoever accepts a connection and says nothing is waited for, but not for ever.
func (c *Client) greet(ctx context.Context) error {
	short, stop := context.WithTimeout(ctx, answerWait)
	defer stop()
	x, err := c.send(short, http.MethodGet, pathVersion, nil)
	if err == nil {
		defer x.close()
		defer context.AfterFunc(short, x.close)()
		err = json.NewDecoder(io.LimitReader(x.response.Body, maxProblem)).Decode(&c.about)
	}
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		pid, _, _ := c.home.Holder(c.lock()) // for the message alone
		return silent(c.home.Dir(), pid)
	}
	return err
}

// exchange is a request that was sent, and its answer.
type exchange struct {
	conn     *net.UnixConn
	response *http.Response
}

func (x *exchange) close() { x.conn.Close() }

func (x *exchange) answer(limit int64) (e end, err error) {
	err = json.NewDecoder(io.LimitReader(x.response.Body, limit)).Decode(&e)
	return e, err
}

// send sends a request until the daemon has time for it, and returns when it has accepted it. The end of ctx ends
// it at any point.
func (c *Client) send(ctx context.Context, method, path string, r any) (*exchange, error) {
	var body []byte
	if r != nil {
		var err error
		if body, err = encode(r); err != nil {
			return nil, err
		}
		if len(body) > maxBody {
			return nil, fault.Hint(fault.New(fault.Usage, "the request is larger than the daemon takes (%d bytes)", maxBody), "divide it into several")
		}
	}
	late := time.Now().Add(busyWait)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		x, again, err := c.try(ctx, method, path, body)
		if ctx.Err() != nil {
			if x != nil {
				x.close()
			}
			return nil, ctx.Err()
		}
		if !again || time.Now().After(late) {
			if errors.Is(err, errDeaf) && c.about.PID != 0 {
				err = c.gone(ctx, "", err) // it was there at Dial
			}
			return x, err
		}
		if !rest(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}

// try is one attempt; again says that another may do better.
func (c *Client) try(ctx context.Context, method, path string, body []byte) (x *exchange, again bool, err error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", c.path)
	switch {
	case err != nil && deaf(err):
		return nil, false, errDeaf
	case err != nil:
		return nil, crowded(err), fmt.Errorf("connecting to the daemon: %w", err)
	}
	conn := raw.(*net.UnixConn) // as "unix" was dialled
	keep := false
	defer func() {
		if !keep {
			conn.Close()
		}
	}()
	if err := checkPeer(conn, true); err != nil {
		return nil, false, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", typeJSON)
	}
	req.Header.Set("User-Agent", "p2pshare/"+c.version)
	req.Header.Set(headerAPI, strconv.Itoa(api))
	// A daemon that refuses may answer before it has read all, and close: the answer decides, not the write.
	sent := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		// What could not be sent whole was not carried out: the daemon had closed by then, as it does with who connects
		// and says nothing for seconds, which on a machine this busy can be said of anybody.
		return nil, sent != nil, c.gone(ctx, "", errors.Join(sent, err))
	}
	x = &exchange{conn: conn, response: resp}
	if theirs := resp.Header.Get(headerAPI); theirs != strconv.Itoa(api) {
		if theirs == "" {
			return nil, false, fault.Hint(fmt.Errorf("whoever listens on %q is no p2pshare", c.path), "move the socket away, or name another home with --home")
		}
		return nil, false, c.otherAPI(theirs, resp.Header.Get(headerProgram))
	}
	if resp.StatusCode == http.StatusOK {
		if keep = stop(); !keep {
			return nil, false, ctx.Err()
		}
		return x, false, nil
	}
	e, err := x.answer(maxProblem)
	if err != nil || e.Problem == nil {
		return nil, false, fmt.Errorf("the daemon answered %q", resp.Status)
	}
	return nil, e.Problem.Code == codeBusy, c.refused(path, resp, e.Problem)
}

// refused is what the daemon would not carry out.
func (c *Client) refused(path string, resp *http.Response, p *problem) error {
	switch p.Code {
	case codePath, codeField:
		theirs := resp.Header.Get(headerProgram)
		return fault.Hint(fmt.Errorf("the daemon is p2pshare %s, this is p2pshare %s, and they do not understand each other at %s: %s", theirs, c.version, path, p.Text),
			restartHint)
	case codeEnding:
		return c.ended("")
	}
	return p.err()
}
