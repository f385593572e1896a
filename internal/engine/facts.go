package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"time"

	alog "github.com/anacrolix/log"
	"github.com/anacrolix/upnp"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// What a diagnosis wants to know of an engine and its network. Nothing here changes what the engine does.

// noteArrival counts connections that others opened to us; those of this machine say nothing of the way here.
func (e *Engine) noteArrival(from net.Addr) {
	if at := machineOf(from.String()); at.IsValid() && !e.ownMachine()[at] {
		e.arrivals.Add(1)
	}
}

// Arrivals is how many connections other machines have opened to the port.
func (e *Engine) Arrivals() int { return int(e.arrivals.Load()) }

// LANInterface is what a probe of multicast found on one interface.
type LANInterface struct {
	Name  string
	Heard bool   // a packet sent to a group there came back
	Err   string // why not
}

const (
	lanProbeWait  = 1500 * time.Millisecond
	lanProbeEvery = 300 * time.Millisecond // multicast is lossy
	// routerWait is how long the search for a router may take: two seconds for answers, and their reading.
	routerWait = 4 * time.Second
)

// ProbeLAN sends to the groups of BEP 14 on every interface that is up, loopback left out, and listens for it on
// the same machine. The packets have no infohash, and their hop limit of 0 keeps them here. The error is a bug.
func ProbeLAN(ctx context.Context) ([]LANInterface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, nil
	}
	var up []net.Interface
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			up = append(up, i)
		}
	}
	p := newLANProbe()
	defer p.close()
	ctx, cancel := context.WithTimeout(ctx, lanProbeWait)
	defer cancel()
	p.run(ctx, up)
	if err := p.close(); err != nil {
		return nil, err
	}
	out := make([]LANInterface, len(up))
	for i, n := range up {
		out[i] = LANInterface{Name: n.Name, Heard: p.heard[n.Name]}
		switch {
		case out[i].Heard:
		case n.Flags&net.FlagMulticast == 0:
			out[i].Err = "multicast is turned off"
		case len(p.conns) == 0:
			out[i].Err = "UDP port 6771 cannot be listened on: " + p.err.Error()
		case p.failed[n.Name] != nil:
			out[i].Err = p.failed[n.Name].Error()
		default:
			out[i].Err = "what is sent does not come back"
		}
	}
	return out, nil
}

// lanProbe is one probe of all interfaces.
type lanProbe struct {
	cookie string
	conns  []*lanConn
	err    error // there are no conns
	ears   panics.Group
	news   chan string // names of interfaces as they are heard

	heard  map[string]bool
	failed map[string]error
}

func newLANProbe() *lanProbe {
	var r [8]byte
	_, _ = rand.Read(r[:]) // it never fails
	p := &lanProbe{cookie: "P2PSHARE-PROBE " + hex.EncodeToString(r[:]) + " ", news: make(chan string, 64), heard: map[string]bool{}, failed: map[string]error{}}
	for _, open := range []func() (*lanConn, error){openLAN4, openLAN6} {
		c, err := open()
		if err != nil {
			p.err = err
			continue
		}
		c.local()
		p.conns = append(p.conns, c)
	}
	return p
}

func (p *lanProbe) close() error {
	for _, c := range p.conns {
		c.pc.Close()
	}
	return p.ears.Wait()
}

// run sends until every interface was heard or ctx ends.
func (p *lanProbe) run(ctx context.Context, up []net.Interface) {
	for _, c := range p.conns {
		for _, i := range up {
			_ = c.joinOn(&i) // one that cannot join will not be heard
		}
		p.ears.Start(func() { p.listen(ctx, c) })
	}
	again := time.NewTicker(lanProbeEvery)
	defer again.Stop()
	p.send(up)
	for len(p.heard) < len(up) {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			p.send(up)
		case name := <-p.news:
			p.heard[name] = true
		}
	}
}

func (p *lanProbe) send(up []net.Interface) {
	for _, i := range up {
		if i.Flags&net.FlagMulticast == 0 || p.heard[i.Name] {
			continue
		}
		var failed error // in every family that there is
		for n, c := range p.conns {
			err := c.sendOn(&i)
			if err == nil {
				_, err = c.pc.WriteTo([]byte(p.cookie+i.Name), c.to)
			}
			if n == 0 || err == nil {
				failed = err
			}
		}
		p.failed[i.Name] = failed
	}
}

func (p *lanProbe) listen(ctx context.Context, c *lanConn) {
	stop := context.AfterFunc(ctx, func() { _ = c.pc.SetReadDeadline(time.Now()) })
	defer stop()
	buf := make([]byte, 2048)
	for {
		n, _, err := c.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if name, ours := strings.CutPrefix(string(buf[:n]), p.cookie); ours {
			select {
			case p.news <- name:
			case <-ctx.Done():
				return
			}
		}
	}
}

// FindRouter says whether a router answers that opens ports when it is asked (UPnP). The error is a bug.
func FindRouter(ctx context.Context) (found bool, err error) {
	quiet := alog.NewLogger("upnp")
	quiet.SetHandlers(alog.DiscardHandler)
	looked := make(chan error, 1)
	// The library asks devices over HTTP without a time limit of ours: it is not waited for longer than that.
	go func() {
		looked <- panics.Catch(func() error {
			if len(upnp.Discover(0, routerWait/2, quiet)) == 0 {
				return errNoRouter
			}
			return nil
		})
	}()
	ctx, cancel := context.WithTimeout(ctx, routerWait)
	defer cancel()
	select {
	case err := <-looked:
		if err == errNoRouter {
			return false, nil
		}
		return err == nil, err
	case <-ctx.Done():
		return false, nil
	}
}

var errNoRouter = errors.New("no router answers")
