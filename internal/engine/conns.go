package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	utp "github.com/anacrolix/go-utp"
)

// The client is given listeners and dialers of ours rather than its own, so that rates can be limited
// here (shaper.go): v1.62.0 takes no connection, in or out, while its download limiter has nothing left, which is all
// the time in a fetch with a limit, and reads handshakes through it. A limited fetch served nobody.

// port is the TCP sockets, and with uTP the UDP ones, of an engine.
type port struct {
	number    int
	listeners []net.Listener
	dialers   []dialer
}

// listenTries is how often a free port is looked for that every family has free.
const listenTries = 20

// listen opens hosts on TCP, and on UDP for uTP, all on one port. A family that the machine does not have is
// passed over.
func (e *Engine) listen(hosts []string) error {
	var err error
	for range listenTries {
		if err = e.listenOn(hosts, e.settings.Port); err == nil || e.settings.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		e.closeListeners()
		e.port, e.udp = port{}, newUDPPort(e.settings.Log)
	}
	return err
}

func (e *Engine) listenOn(hosts []string, number int) error {
	p := &e.port
	p.number = number
	for _, host := range hosts {
		family := "4"
		if net.ParseIP(host).To4() == nil {
			family = "6"
		}
		lc := net.ListenConfig{KeepAlive: -1} // peers send keep-alives of their own
		l, err := lc.Listen(e.ctx, "tcp"+family, net.JoinHostPort(host, strconv.Itoa(p.number)))
		if err != nil {
			if noFamily(err) && len(hosts) > 1 {
				continue
			}
			return err
		}
		p.number = l.Addr().(*net.TCPAddr).Port
		p.listeners = append(p.listeners, shapedListener{e.newSorter(l, e.hall, e.settings.TLS, e.nearby.take), e})
		// The engine dials each address with every dialer, and one of another family fails at once.
		tcp := dialFunc((&net.Dialer{KeepAlive: -1}).DialContext)
		if e.settings.UTP {
			tcp = e.mute.afterUTP(tcp)
		}
		p.dialers = append(p.dialers, dialer{"tcp" + family, tcp, e})
		if !e.settings.UTP {
			continue
		}
		pc, err := e.udp.listen("udp"+family, net.JoinHostPort(host, strconv.Itoa(p.number)))
		if err != nil {
			return err
		}
		s, err := utp.NewSocketFromPacketConn(pc, utp.WithLogger(e.settings.Log))
		if err != nil {
			return err
		}
		p.listeners = append(p.listeners, shapedListener{e.newSorter(utpListener{s}, e.utpHall, nil, nil), e})
		p.dialers = append(p.dialers, dialer{"udp" + family, s.DialContext, e})
	}
	if len(p.listeners) == 0 {
		return fmt.Errorf("no address of %v can be listened on", hosts)
	}
	return nil
}

// closeListeners leaves the fields as they are: whoever still shares as the engine closes asks for the port.
func (e *Engine) closeListeners() {
	for _, l := range e.port.listeners {
		l.Close()
	}
	e.udp.close()
}

// noFamily says whether the machine has no such address family at all.
func noFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// utpListener lets a uTP socket be closed as a listener.
type utpListener struct{ utp.Socket }

func (l utpListener) Close() error { return l.Socket.Close() }

// dialer is one network of the client's dialer interface.
type dialer struct {
	network string
	dial    dialFunc
	e       *Engine
}

func (d dialer) DialerNetwork() string { return d.network }

func (d dialer) Dial(ctx context.Context, addr string) (nc net.Conn, err error) {
	defer d.e.caught("dialling a peer", func() { nc, err = nil, errFault })
	if d.e.members != nil { // TLS has been there already
		c, err := d.raw(ctx, addr)
		if err != nil {
			return nil, err
		}
		return d.e.contain(c), nil
	}
	addr = d.e.zones.full(addr)
	careful, err := d.e.mayDial(addr)
	if err != nil {
		return nil, err
	}
	c, err := d.raw(ctx, addr)
	if err != nil {
		return nil, err
	}
	return d.e.contain(newGreeted(c, func() (net.Conn, error) {
		if careful {
			return nil, errPlainly
		}
		ctx, cancel := context.WithTimeout(d.e.ctx, plainTime)
		defer cancel()
		return d.raw(ctx, addr)
	})), nil
}

func (d dialer) raw(ctx context.Context, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, d.network, addr)
	if err != nil {
		return nil, err
	}
	return d.e.shape(&guest{Conn: c, ours: true}), nil
}

type shapedListener struct {
	net.Listener
	e *Engine
}

func (l shapedListener) Accept() (nc net.Conn, err error) {
	defer l.e.caught("accepting a peer", func() { nc, err = nil, errFault })
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.e.contain(l.e.shape(&guest{Conn: c})), nil
}
