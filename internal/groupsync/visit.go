package groupsync

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// keepUp pulls and pushes until something fails.
func (c *PeerSet) keepUp(ctx context.Context, m *member) error {
	client := c.o.Client(m.addr)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	c.mu.Lock()
	m.end = cancel
	c.mu.Unlock()
	p := NewPeer(client, c.o.Group, c.o.Vault)
	p.pool, p.who, p.self = c.o.Pool, c.o.Who, c.o.Self
	if c.o.Visit != nil {
		err := c.o.Visit(ctx, p)
		if err == nil {
			c.mu.Lock()
			m.good, m.fails, m.met = time.Now(), 0, true
			c.mu.Unlock()
		}
		return err
	}
	if err := c.pull(ctx, m, p, 0); err != nil {
		return err
	}
	c.once.Do(func() { close(c.first) })
	var asked time.Time
	pushed := make(chan error, 1)
	to := NewPeer(client, c.o.Group, c.o.Vault)
	to.pool = c.o.Pool
	to.port, to.self = c.o.Port, c.o.Self
	wg.Go(func() { pushed <- panics.Catch(func() error { return c.push(ctx, m.addr, to) }) })
	end := time.Now().Add(c.o.Stay/2 + rand.N(c.o.Stay))
	// A member that answers at once that there is no news would be asked again without end.
	pace := rate.NewLimiter(pullsPerSecond, pullsAtOnce)
	for {
		pause := wait
		if left := time.Until(end); left > 0 {
			pause = min(wait, max(left, time.Second))
		}
		if c.o.Ask && time.Since(asked) > askEvery && c.askPeers(ctx, p) {
			asked = time.Now()
		}
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		if err := c.pull(ctx, m, p, pause); err != nil {
			return err
		}
		if time.Now().After(end) && c.othersWait(m) {
			return errOthers
		}
		select {
		case err := <-pushed:
			if errors.Is(err, ErrRefused) {
				continue // we may read, and not hand in
			}
			return err
		default:
		}
	}
}

func (c *PeerSet) pull(ctx context.Context, m *member, p *Peer, wait time.Duration) error {
	_, err := p.Pull(ctx, wait)
	if err != nil {
		if ctx.Err() == nil {
			c.o.Log.Debug("a member of the group", "addr", m.addr, "error", err)
		}
		return err
	}
	c.mu.Lock()
	m.good, m.fails, m.met, m.by = time.Now(), 0, true, p.by
	m.ahead, m.dated = p.Ahead()
	c.mu.Unlock()
	if c.o.Told != nil {
		c.o.Told(p.by, p.own)
	}
	return nil
}

// has notes that a member has everything up to a number of the vault.
func (c *PeerSet) has(now uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now > c.pushed {
		c.pushed = now
		close(c.passed)
		c.passed = make(chan struct{})
	}
}

// push hands over what is new here, now and whenever something is, until it fails.
func (c *PeerSet) push(ctx context.Context, addr string, p *Peer) error {
	for {
		changed, now := c.o.Vault.Changed()
		if c.o.May == nil || c.o.May(addr) {
			err := p.Push(ctx)
			switch {
			case errors.Is(err, ErrTaken):
				c.said.Do(func() { close(c.taken) })
			case err != nil:
				return err
			default:
				c.has(now)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
