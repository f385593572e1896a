package engine

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// udpPort owns the UDP sockets of the port. uTP and the DHT share them: a DHT packet is a bencoded
// dictionary and begins with 'd', a uTP header (BEP 29) begins with type<<4|1, which 'd' (0x64) is
// not, for 6 is no packet type and 4 no version.
type udpPort struct {
	log   *slog.Logger
	ctx   context.Context // ends with close
	end   context.CancelFunc
	mu    sync.Mutex
	socks map[string]*udpSocket // by local address
	wg    sync.WaitGroup
}

func newUDPPort(log *slog.Logger) *udpPort {
	p := &udpPort{log: log, socks: map[string]*udpSocket{}}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// listen gives the side of a socket that uTP reads: the packets that are not the DHT's.
func (p *udpPort) listen(network, addr string) (net.PacketConn, error) {
	s, err := p.open(network, addr)
	if err != nil {
		return nil, err
	}
	return s.other, nil
}

// dhtConns gives the DHT's side of the sockets at hosts, opening those that uTP has not opened.
func (p *udpPort) dhtConns(hosts []string, port int) ([]net.PacketConn, error) {
	var (
		conns []net.PacketConn
		last  error
	)
	for _, h := range hosts {
		network := "udp4"
		if net.ParseIP(h).To4() == nil {
			network = "udp6"
		}
		s, err := p.open(network, net.JoinHostPort(h, strconv.Itoa(port)))
		if err != nil {
			last = err // a machine may have only one family
			continue
		}
		conns = append(conns, s.dht)
	}
	if len(conns) == 0 {
		return nil, last
	}
	return conns, nil
}

func (p *udpPort) open(network, addr string) (*udpSocket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host == "" && network == "udp4" {
		host = "0.0.0.0"
	} else if host == "" {
		host = "::"
	}
	key := network + " " + net.JoinHostPort(host, port)
	if s := p.socks[key]; s != nil {
		return s, nil
	}
	pc, err := net.ListenPacket(network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	if u, ok := pc.(*net.UDPConn); ok {
		// uTP has no back-pressure below this buffer; the kernel caps what it will not give.
		_ = u.SetReadBuffer(2 << 20)
	}
	s := &udpSocket{PacketConn: pc, closed: make(chan struct{})}
	s.dht = &udpSide{udpSocket: s, in: make(chan packet, 256)}
	s.other = &udpSide{udpSocket: s, in: make(chan packet, 2048)}
	_, actual, _ := net.SplitHostPort(pc.LocalAddr().String())
	p.socks[network+" "+net.JoinHostPort(host, actual)] = s
	p.wg.Go(panics.Persist(p.ctx, func() { s.read(p.log) }, panics.Logged(p.log, "reading from UDP")))
	return s, nil
}

func (p *udpPort) close() {
	p.end()
	p.mu.Lock()
	for _, s := range p.socks {
		s.end()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

type packet struct {
	b    []byte
	from net.Addr
}

// udpSocket is one socket with two readers.
type udpSocket struct {
	net.PacketConn
	dht, other *udpSide
	once       sync.Once
	closed     chan struct{}
}

func (s *udpSocket) end() {
	s.once.Do(func() {
		close(s.closed)
		s.PacketConn.Close()
	})
}

func (s *udpSocket) read(log *slog.Logger) {
	var buf [64 << 10]byte
	for {
		n, from, err := s.PacketConn.ReadFrom(buf[:])
		if err != nil {
			select {
			case <-s.closed:
				return
			case <-time.After(50 * time.Millisecond):
				// An interface that goes down, or an ICMP answer to something we sent, shows here.
				// The DHT library would panic on it; the socket itself goes on working.
				log.Debug("reading from UDP", "addr", s.LocalAddr(), "err", err)
				continue
			}
		}
		if n > udpMaxPacket {
			continue // neither reader has any use for it, and what waits for them is to be bounded
		}
		side := s.other
		if n > 0 && buf[0] == 'd' {
			side = s.dht
		}
		select {
		case side.in <- packet{append([]byte(nil), buf[:n]...), from}:
		default: // a reader that is behind loses packets, as it would in the kernel
		}
	}
}

// udpSide is one reader's view of a socket. Closing it leaves the socket to the other.
type udpSide struct {
	*udpSocket
	in chan packet
}

func (s *udpSide) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-s.in:
		return copy(b, p.b), p.from, nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *udpSide) Close() error { return nil }
