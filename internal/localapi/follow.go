package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// seen is what a stream has told so far.
type seen struct {
	kept             string // the name; empty: not kept
	seeding, fetched bool
}

func (s *seen) note(e *node.Event) {
	switch {
	case e.Kept != nil:
		if s.kept = e.Kept.Name; s.kept == "" {
			s.kept = e.Kept.ID
		}
	case e.Seeding != nil, e.Published != nil: // Published says that it can be fetched too
		s.seeding = true
	case e.Fetched != nil:
		s.fetched = true
	}
}

// streaming is who hears of a request, and when its caller may go without having missed the answer.
type streaming struct {
	on   func(node.Event)
	done func(seen) bool // nil: only at the end
	seen seen
}

// follow carries out a request that reports events. When ctx ends, the daemon is told, and what it says of that
// is the outcome, as if its node were in this process.
func follow[A any](ctx context.Context, c *Client, path string, r any, s *streaming) (*A, error) {
	x, err := c.send(ctx, http.MethodPost, path, r)
	if err != nil {
		return nil, err
	}
	defer x.close()
	defer context.AfterFunc(ctx, func() {
		// What this side has shut down the daemon takes for the caller's end, and can still answer.
		if x.conn.CloseWrite() != nil || x.conn.SetReadDeadline(time.Now().Add(detachWait)) != nil {
			x.close()
		}
	})()
	e, err := readStream[A](s, x.response.Body)
	switch {
	case err != nil && ctx.Err() != nil:
		if s.done != nil && s.done(s.seen) {
			return nil, nil
		}
		return nil, ctx.Err()
	case err != nil:
		return nil, c.gone(ctx, s.seen.kept, err)
	case e.Problem != nil && e.Problem.Code == codeEnding && ctx.Err() == nil:
		return nil, c.ended(s.seen.kept)
	case e.Problem == nil && e.Ending && ctx.Err() == nil && s.done != nil && s.done(s.seen):
		return nil, c.ended(s.seen.kept) // what was shared is not any more, and that is no success
	}
	if e.Problem != nil {
		return nil, e.Problem.err()
	}
	return e.Result, nil
}

// lineOf is a line whose result is decoded with it: a catalog's has tens of megabytes.
type lineOf[A any] struct {
	Event *node.Event `json:"event"`
	End   *endOf[A]   `json:"end"`
}

type endOf[A any] struct {
	Problem *problem `json:"problem"`
	Result  *A       `json:"result"`
	Ending  bool     `json:"ending"`
}

// readStream tells the events of a stream and returns its end. io.ErrUnexpectedEOF if there is none.
func readStream[A any](s *streaming, body io.Reader) (*endOf[A], error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		var l lineOf[A]
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("the daemon's answer is malformed: %w", err)
		}
		switch {
		case l.End != nil:
			return l.End, nil
		case l.Event != nil:
			s.seen.note(l.Event)
			s.on(*l.Event)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, io.ErrUnexpectedEOF
}

// ended is what is said when the daemon ended in an orderly way.
func (c *Client) ended(kept string) error {
	if c.groups {
		return c.leftUs()
	}
	if kept == "" {
		return fault.Hint(errors.New("the daemon ended before it had taken the request over; nothing of it is kept"),
			"start it (p2pshare daemon --detach) and give the command again")
	}
	return fault.Hint(fmt.Errorf("the daemon ended; it keeps %q and goes on with it when it is started again", kept),
		"p2pshare daemon --detach starts it")
}

// leftUs is said when the process in the other terminal ended.
func (c *Client) leftUs() error {
	return fault.Hint(fmt.Errorf("the p2pshare in another terminal (process %d), which held the groups of this home, ended while it carried this out", c.about.PID),
		"p2pshare group show says what holds now; then give the command again")
}

// gone explains a connection that broke: whether the daemon still lives, and whether the request does.
func (c *Client) gone(ctx context.Context, kept string, cause error) error {
	if c.groups && ctx.Err() == nil {
		return c.leftUs()
	}
	pid, alive := c.lives(ctx)
	switch {
	case alive && kept != "":
		return fault.Hint(fmt.Errorf("the daemon (process %d) closed the connection: %w; it goes on with %q", pid, cause, kept),
			"p2pshare status shows how it stands")
	case alive:
		return fault.Hint(fmt.Errorf("the daemon (process %d) closed the connection before it had taken the request over: %w", pid, cause),
			"give the command again; p2pshare log says what the daemon did")
	case ctx.Err() != nil:
		return ctx.Err()
	case kept != "":
		return fault.Hint(fmt.Errorf("the daemon ended without notice; it keeps %q and goes on with it when it is started again", kept),
			"p2pshare daemon --detach starts it; p2pshare log says why it ended")
	}
	return fault.Hint(errors.New("the daemon ended without notice before it had taken the request over; nothing of it is kept"),
		"start it (p2pshare daemon --detach) and give the command again; p2pshare log says why it ended")
}

// lives says whether the daemon still holds the home. The system closes the files of a process that was killed one
// after the other, so that the lock may be held a moment longer than the connection.
func (c *Client) lives(ctx context.Context) (pid int, alive bool) {
	short, stop := context.WithTimeout(ctx, deathWait)
	defer stop()
	for {
		pid, held, err := c.home.Holder(c.lock())
		if err != nil || !held || c.about.PID != 0 && pid != c.about.PID {
			return pid, false
		}
		if !rest(short, 10*time.Millisecond) {
			return pid, true
		}
	}
}
