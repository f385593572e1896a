// Package utp gives github.com/anacrolix/torrent the uTP (BEP 29) socket it imports as
// github.com/anacrolix/go-utp, on top of github.com/anacrolix/utp, which is pure Go.
//
// The upstream module of that name is not served by every module proxy, and its default needs cgo
// (libutp). The main module replaces it with this folder. Drop it, and the replace line in go.mod,
// once the upstream module resolves from the public proxy with a pure Go default.
package utp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/anacrolix/utp"
)

// Default names the implementation, for the engine's error texts.
const Default = "anacrolix/utp"

// FirewallCallback says whether a connection from addr is to be refused.
type FirewallCallback func(addr net.Addr) (block bool)

// Option configures a socket at its making.
type Option func(*socket)

// WithLogger takes the engine's logger. anacrolix/utp has no logger of its own to hand it to, so it
// is used only for what this adapter says.
func WithLogger(l *slog.Logger) Option { return func(s *socket) { s.log = l } }

// Socket is a packet connection that diverts uTP packets to its streams and leaves the others,
// such as the DHT's, to ReadFrom.
type Socket interface {
	net.PacketConn
	Accept() (net.Conn, error)
	Addr() net.Addr
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	SetFirewallCallback(FirewallCallback)
}

// NewSocket listens on a UDP address of its own.
func NewSocket(network, addr string, opts ...Option) (Socket, error) {
	pc, err := net.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	return NewSocketFromPacketConn(pc, opts...)
}

// NewSocketFromPacketConn takes over pc, and closes it with the socket.
func NewSocketFromPacketConn(pc net.PacketConn, opts ...Option) (Socket, error) {
	s := &socket{log: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(s)
	}
	s.door = newDoor(pc)
	u, err := utp.NewSocketFromPacketConn(s.door)
	if err != nil {
		pc.Close()
		return nil, err
	}
	s.Socket = u
	return s, nil
}

type socket struct {
	*utp.Socket
	log      *slog.Logger
	door     *door
	firewall FirewallCallback
}

func (s *socket) SetFirewallCallback(f FirewallCallback) { s.firewall = f }

// Accept passes over connections that the firewall refuses: anacrolix/utp has already answered
// their SYN by then, so they are closed at once.
func (s *socket) Accept() (net.Conn, error) {
	for {
		c, err := s.accept()
		if err != nil {
			return nil, err
		}
		if s.firewall != nil && s.firewall(c.RemoteAddr()) {
			s.log.Debug("utp connection refused by the firewall", "addr", c.RemoteAddr())
			c.Close()
			continue
		}
		s.door.knows(c.RemoteAddr())
		return &guarded{Conn: c, d: s.door}, nil
	}
}

// accept makes an error of a SYN of which anacrolix/utp panics: one with the number that a connection was dialled with
// after it came.
func (s *socket) accept() (c net.Conn, err error) {
	for {
		c, err = s.tryAccept()
		if !errors.Is(err, errBadSyn) {
			return c, err
		}
		s.log.Debug("a uTP connection was refused", "error", err)
	}
}

var errBadSyn = errors.New("the SYN is for a connection that was dialled")

// badSyn is what anacrolix/utp panics with for one, in Accept.
const badSyn = ":|"

func (s *socket) tryAccept() (c net.Conn, err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case badSyn:
			err = errBadSyn
		default:
			s.log.Error("accepting a uTP connection has met a bug", "panic", v, "stack", string(debug.Stack()))
			err = errBadSyn
		}
	}()
	return s.Socket.Accept()
}

// DialContext leaves the network empty: the engine passes "udp4" or "udp6", and anacrolix/utp
// resolves addr in the socket's own network either way.
func (s *socket) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	to, err := net.ResolveUDPAddr(s.LocalAddr().Network(), addr)
	if err != nil {
		return nil, err
	}
	s.door.knows(to) // its answer is let in
	c, err := s.Socket.DialContext(ctx, "", to.String())
	if err != nil {
		time.AfterFunc(lingers, func() { s.door.forget(to) })
		return nil, err
	}
	return &guarded{Conn: c, d: s.door}, nil
}
