package engine

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// mute are the addresses at which a TCP connection was made and ended before anything was said, as a libtorrent that is to
// speak uTP alone has them. The client (v1.62.0) dials TCP and uTP at once and takes what is connected first, so that a
// fetch by uTP depended on how fast it was, again and again. At these uTP is given utpLead.
type mute struct {
	mu    sync.Mutex
	addrs map[string]struct{}
}

func (m *mute) add(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.addrs == nil || len(m.addrs) >= maxMute {
		m.addrs = map[string]struct{}{}
	}
	m.addrs[addr] = struct{}{}
}

func (m *mute) remove(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.addrs, addr)
}

// wait lets uTP go first where it is to.
func (m *mute) wait(ctx context.Context, addr string) error {
	m.mu.Lock()
	_, after := m.addrs[addr]
	m.mu.Unlock()
	if !after {
		return ctx.Err()
	}
	timer := time.NewTimer(utpLead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterUTP makes of a way to dial TCP one that gives way to uTP.
func (m *mute) afterUTP(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := m.wait(ctx, addr); err != nil {
			return nil, err
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &listened{Conn: c, m: m, addr: addr}, nil
	}
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// listened is a TCP connection that was dialled. It notes whether the other side says anything.
type listened struct {
	net.Conn
	m      *mute
	addr   string
	heard  bool // belongs to the goroutine that reads
	closed atomic.Bool
}

func (c *listened) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	switch {
	case c.heard:
	case n > 0:
		c.heard = true
		c.m.remove(c.addr)
	case err != nil && !c.closed.Load() && !errors.Is(err, os.ErrDeadlineExceeded):
		c.m.add(c.addr)
	}
	return n, err
}

func (c *listened) Close() error {
	c.closed.Store(true) // what Read says from here on is our own doing
	return c.Conn.Close()
}
