package engine

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2"

	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// bootstrapWait is how long the names of the DHT's first nodes may take to be looked up, all at once.
	bootstrapWait = 5 * time.Second
	// bootstrapAgain is when they are looked up again if none of them was found.
	bootstrapAgain = 30 * time.Second
)

// bootstrap looks up the nodes by which a node enters the DHT: those that the user named, or else the public ones.
// A name server that does not answer must hold up nothing but that.
type bootstrap struct {
	ctx   context.Context // of the node
	hosts []string        // HOST:PORT
	note  func(netip.AddrPort)
	look  func(ctx context.Context, host string) ([]netip.Addr, error)
	now   func() time.Time

	mu    sync.Mutex
	addrs []dht.Addr
	begun time.Time
	ready chan struct{} // closed once an address is known, or none of the names has one; nil: nobody has looked
}

// Entries are where a node enters the DHT, as HOST:PORT: the nodes that the user named, or else the public ones.
func Entries(named []string) []string {
	if len(named) == 0 {
		return dht.DefaultGlobalBootstrapHostPorts
	}
	return named
}

// newBootstrap makes a bootstrap. note is told of the addresses of nodes that the user named.
func newBootstrap(ctx context.Context, named []string, note func(netip.AddrPort)) *bootstrap {
	b := &bootstrap{ctx: ctx, hosts: named, note: note, now: time.Now}
	if len(named) == 0 {
		b.hosts, b.note = Entries(nil), func(netip.AddrPort) {}
	}
	b.look = func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	return b
}

// nodes gives what is known, after at most bootstrapWait.
func (b *bootstrap) nodes() ([]dht.Addr, error) {
	b.wait(b.ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]dht.Addr{}, b.addrs...), nil
}

// wait returns when the nodes are looked up as far as they will be, or ctx ends. It says whether one is known: then nodes does
// not wait.
func (b *bootstrap) wait(ctx context.Context) (known bool) {
	b.mu.Lock()
	if len(b.addrs) == 0 && (b.ready == nil || b.now().Sub(b.begun) >= bootstrapAgain) {
		b.ready, b.begun = make(chan struct{}), b.now()
		ready := b.ready
		enough := sync.OnceFunc(func() { close(ready) })
		go panics.Guard(func() { b.lookUp(enough) }, func(*panics.Error) { enough() })()
	}
	ready := b.ready
	b.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
	case <-b.ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.addrs) > 0
}

// lookUp looks up every name at the same time. The first that has an address is enough for who waits.
func (b *bootstrap) lookUp(enough func()) {
	defer enough()
	ctx, cancel := context.WithTimeout(b.ctx, bootstrapWait)
	defer cancel()
	var wg sync.WaitGroup
	for _, hp := range b.hosts {
		wg.Go(panics.Guard(func() {
			if b.add(ctx, hp) {
				enough()
			}
		}, func(*panics.Error) {}))
	}
	wg.Wait()
}

func (b *bootstrap) add(ctx context.Context, hostPort string) (found bool) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return false
	}
	ips, err := b.look(ctx, host)
	if err != nil {
		return false // the others may be there
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ip := range ips {
		at := netip.AddrPortFrom(ip.Unmap(), uint16(n))
		b.note(at)
		b.addrs = append(b.addrs, dht.NewAddr(net.UDPAddrFromAddrPort(at)))
	}
	return len(ips) > 0
}
