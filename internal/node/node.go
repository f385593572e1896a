package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/seeder"
)

// Options of a Node.
type Options struct {
	Home    string // absolute; made if it is not there
	Network Network
	Log     *slog.Logger
	Version string

	// Daemon takes the home for this process alone, takes up what it keeps, and keeps what is published, seeded
	// and fetched from now on. Without it requests last as long as their caller, and leave the home as it is.
	Daemon  bool
	Fetches int    // a daemon's fetches that run at a time, the others wait; 0: no limit
	Floor   int64  // bytes of a file system that fetches leave free; less: they wait
	Policy  Policy // of shares that have none of their own
	// FirmUp and FirmDown say that Network's rate goes before the one that a LimitRequest has set in an earlier run.
	FirmUp, FirmDown bool
	NoSeed           bool // a daemon's fetches end when the content is there, where the request does not say Seed

	// GroupsHere is called when this process has taken the groups of the home, and GroupsElsewhere says which process holds them that
	// does so for longer than a command takes; 0: none. Both may be nil.
	GroupsHere      func()
	GroupsElsewhere func(context.Context) int

	PasswordWork int // of passwords of private groups, as scrypt's log2(N); 0: what the group's members expect
}

// openFiles is how many files of shares are held open at once, whatever their number: a quarter of the
// 1,024 descriptors that a process commonly may have.
const openFiles = 256

// Node carries out requests in this process. Its methods may be called at the same time.
type Node struct {
	opts  Options
	home  *state.Home
	guard *netguard.Guard
	files *seeder.Pool // open files of all shares together
	log   *slog.Logger

	mu        sync.Mutex
	engine    *engine.Engine // nil until a request needs the network
	keeper    *keeper        // of a daemon; nil else
	audiences map[*audience]bool

	groupsMu sync.Mutex
	groups   atomic.Pointer[groups] // nil until a request is about groups; a daemon's from the start
}

// Open opens the home and judges the settings. Without Daemon, nothing listens before a request needs it; with it, the
// home is taken, or fault.InUse says who has it, and what it keeps is taken up.
func Open(ctx context.Context, o Options) (*Node, error) {
	if err := checkNetwork(o.Network); err != nil {
		return nil, err
	}
	if err := checkPolicy(o.Policy); err != nil {
		return nil, err
	}
	home, err := state.Open(o.Home)
	if err != nil {
		return nil, err
	}
	n := &Node{opts: o, home: home, files: seeder.NewPool(openFiles), log: o.Log, audiences: map[*audience]bool{}}
	var nets []netip.Prefix
	for _, text := range o.Network.AllowNets {
		net, err := ParseNet(text)
		if err != nil {
			return nil, err
		}
		nets = append(nets, net)
	}
	// What the user names on the command line may be a machine of the user's own.
	n.guard = netguard.New(netguard.Options{Nets: nets, Allow: o.Network.Trackers, InsecureTrackers: o.Network.InsecureTrackers})
	if !o.Daemon {
		return n, nil
	}
	k, err := openKeeper(n)
	if err != nil {
		return nil, err
	}
	// A port that is taken is told now, not in the log of every share.
	if _, err := n.network(); err != nil {
		return nil, errors.Join(err, k.close())
	}
	n.keeper = k
	if err := n.startGroups(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	k.resume()
	return n, nil
}

// Close stops what runs as it is, leaves every swarm and waits for what was started.
func (n *Node) Close() error {
	var err error
	if n.keeper != nil {
		err = n.keeper.close()
	}
	if s := n.groups.Load(); s != nil {
		err = errors.Join(err, s.close())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == nil {
		return err
	}
	err = errors.Join(err, n.engine.Close())
	n.engine = nil
	return err
}

// Daemon says no: what a node is asked is carried out in its own process.
func (n *Node) Daemon() bool { return false }

// running is the engine if one was started, nil else.
func (n *Node) running() *engine.Engine {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.engine
}

// port is the one that is listened on; 0 before anything is.
func (n *Node) port() int {
	if e := n.running(); e != nil {
		return e.Port()
	}
	return 0
}

// network starts the engine at its first call.
func (n *Node) network() (*engine.Engine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine != nil {
		return n.engine, nil
	}
	o := n.opts.Network
	super, err := engine.ParseSuperSeed(o.SuperSeed)
	if err != nil {
		return nil, fault.Hint(err, "write auto, on or off")
	}
	e, err := engine.New(engine.Settings{
		ListenHost: o.ListenHost, Port: o.Port,
		NoDHT: o.NoDHT, DHTNodes: o.DHTNodes, DHTFile: n.home.Path("dht.json"),
		NoLAN: o.NoLAN, NoUPnP: o.NoUPnP || loopback(o.ListenHost), UTP: o.UTP,
		MaxUp: o.MaxUp, MaxDown: o.MaxDown, SuperSeed: super,
		Trackers: trackers{n, n.guard.Trackers()}, Judge: n.judge,
		TLS: n.takeTLS, Version: n.opts.Version, Log: n.log,
	})
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.Hint(fmt.Errorf("port %d is in use by another program", o.Port), "choose another --port, or leave it out to take a free one")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fault.Hint(fmt.Errorf("%q is not an address of this machine", o.ListenHost), "leave --listen out to use all of its addresses")
	case err != nil:
		return nil, err
	}
	n.engine = e
	return e, nil
}

// ParseNet reads a network, 10.0.0.0/8, or one address.
func ParseNet(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Prefix(ip.BitLen())
	}
	net, err := netip.ParsePrefix(text)
	if err != nil {
		return net, fault.Hint(fault.New(fault.Usage, "%q is not a network", text), "write it as 10.0.0.0/8, fd00::/8 or 192.168.1.5")
	}
	return net.Masked(), nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// checkNetwork refuses what the engine could only fail on later.
func checkNetwork(o Network) error {
	if o.ListenHost != "" {
		if _, err := netip.ParseAddr(o.ListenHost); err != nil {
			return fault.Hint(fault.New(fault.Usage, "--listen %q is not an IP address", o.ListenHost), "give an address of this machine, such as 192.168.1.5 or ::1")
		}
	}
	if o.Port < 0 || o.Port > 65535 {
		return fault.New(fault.Usage, "--port %d is not between 0 and 65535", o.Port)
	}
	for flag, list := range map[string][]string{"--peer": o.Peers, "--dht-node": o.DHTNodes} {
		for _, a := range list {
			if err := checkHostPort(a); err != nil {
				return fault.Hint(fault.New(fault.Usage, "%s %q: %w", flag, a, err), "write it as HOST:PORT, an IPv6 address in brackets")
			}
		}
	}
	for _, u := range o.Trackers {
		if err := catalog.CheckTracker(u); err != nil {
			return fault.Hint(fault.New(fault.Usage, "--tracker: %w", err), "write it as https://HOST/announce or udp://HOST:PORT/announce")
		}
	}
	return nil
}

func checkHostPort(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return errors.New("no host and port")
	}
	if host == "" {
		return errors.New("no host")
	}
	if p, err := net.LookupPort("tcp", port); err != nil || p == 0 {
		return fmt.Errorf("port %q is not between 1 and 65535", port)
	}
	return nil
}

// resolvePeers turns the user's HOST:PORT into addresses, for the engine dials addresses alone. A name that does
// not resolve is told, and the others are used.
func resolvePeers(ctx context.Context, list []string, on func(Event)) []string {
	return resolve(ctx, list, math.MaxInt, on)
}

// resolveLinked is resolvePeers for those that a reference names; the engine judges what comes out.
func resolveLinked(ctx context.Context, list []string, on func(Event)) []string {
	return resolve(ctx, list, maxLinkedPeers, on)
}

func resolve(ctx context.Context, list []string, most int, on func(Event)) (out []string) {
	for _, a := range list {
		host, port, err := net.SplitHostPort(a)
		if err != nil || len(out) >= most {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			out = append(out, net.JoinHostPort(ip.Unmap().String(), port))
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			warn(on, "the peer %q is not used: %v", a, err)
		}
		for _, ip := range ips[:min(len(ips), most-len(out))] {
			out = append(out, net.JoinHostPort(ip.Unmap().String(), port))
		}
	}
	return out
}
