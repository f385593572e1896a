package netguard

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// zone is the scope of an address. A source may name addresses of its own zone and of wider ones: a tracker in an
// office knows its neighbours, but one on the internet has no business naming them.
type zone int

const (
	thisHost  zone = iota // loopback
	thisLink              // link-local
	nearby                // private, unique local, and carrier-shared, which VPNs use too
	everybody             // the internet
)

// zoneOf returns the zone of a unicast address; what, if not empty, says why no peer can have ip.
func zoneOf(ip netip.Addr) (z zone, what string) {
	what = notPublic(ip)
	switch plain := ip.Unmap(); {
	case what == "":
		return everybody, ""
	case metadata[plain.WithZone("")] != "":
		return 0, what
	case plain.IsLoopback():
		return thisHost, ""
	case plain.IsLinkLocalUnicast():
		return thisLink, ""
	case plain.IsPrivate(), sharedByCarrier.Contains(plain):
		return nearby, ""
	}
	return 0, what
}

// Public reports whether ip is an address of the public internet.
func Public(ip netip.Addr) bool { return notPublic(ip) == "" }

// JudgePeer returns nil if the address of a peer, named by a source at from, may be dialled, else a *BlockedError. The
// zero from is a source of unknown address, which counts as remote. A peer may always name its own address, from which
// a packet or a connection has come.
func JudgePeer(peer netip.AddrPort, from netip.Addr) error {
	ip := peer.Addr().Unmap()
	refuse := func(what string) error {
		return &BlockedError{Host: peer.String(), IP: ip, What: what}
	}
	z, what := zoneOf(ip)
	if what != "" {
		return refuse(what)
	}
	if what := service(peer.Port()); what != "" {
		return refuse(what)
	}
	by, what := zoneOf(from)
	if what != "" {
		by = everybody
	}
	if ip == from.Unmap() {
		return nil
	}
	if z < by {
		return refuse(notPublic(ip))
	}
	// Services that this machine offers to its own network must not be reached by others' claims, like those on
	// loopback.
	if z == nearby && by > thisHost && own.has(ip) && !own.has(from) {
		return refuse("an address of this machine")
	}
	return nil
}

// JudgeLinked judges the address of a peer in a link or a file, whose origin is unknown. An address in a private
// network is allowed, because links are passed on within one; careful then says that nothing may be sent to it that
// the link's author chose.
func JudgeLinked(peer netip.AddrPort) (careful bool, err error) {
	if err = JudgePeer(peer, netip.Addr{}); err == nil {
		return false, nil
	}
	z, what := zoneOf(peer.Addr())
	// A link-local address says nothing without its zone, which is local to this machine: so the user has written it.
	private := z == nearby || z == thisLink && peer.Addr().Zone() != ""
	if what == "" && private && service(peer.Port()) == "" && !own.has(peer.Addr()) {
		return true, nil
	}
	return false, err
}

// JudgeMember judges the address of a group member, named by a link or by a member at from. Any port but 0 is allowed,
// because what is sent there is a TLS handshake; otherwise the rules for peers and links apply.
func JudgeMember(member netip.AddrPort, from netip.Addr) error {
	const peerPort = 6881
	if member.Port() == 0 {
		return JudgePeer(member, from)
	}
	at := netip.AddrPortFrom(member.Addr(), peerPort)
	if from.IsValid() {
		return JudgePeer(at, from)
	}
	_, err := JudgeLinked(at)
	return err
}

// service describes what listens at a port where no peer is expected, else it returns "". Such ports are 0, those
// below 1024 except 443, which peers use to get through strict firewalls, and higher ones of services that take
// commands from anyone who can reach them.
func service(port uint16) string {
	_, known := slices.BinarySearch(services, port)
	switch {
	case port == 0:
		return "port 0"
	case port < 1024 && port != 443, known:
		return "a port of another service"
	}
	return ""
}

// services are the ports above 1023 of other services, sorted.
var services = []uint16{
	1080, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 1900, 2049, // SOCKS, MS SQL, Oracle, H.323, PPTP, MQTT, SSDP, NFS
	2181, 2375, 2376, 2379, 2380, 3128, 3260, 3306, 3389, 3659, // ZooKeeper, Docker, etcd, Squid, iSCSI, MySQL, RDP
	4045, 4190, 4369, 5060, 5061, 5353, 5355, 5432, 5672, // lockd, sieve, epmd, SIP, mDNS, LLMNR, PostgreSQL, AMQP
	5900, 5984, 5985, 5986, 6000, 6379, 6380, 6443, 6566, 6665, // VNC, CouchDB, WinRM, X11, Redis, Kubernetes, SANE, IRC
	6666, 6667, 6668, 6669, 6697, 7001, 7077, 8086, 8125, // IRC, WebLogic, Spark, InfluxDB, statsd
	8300, 8301, 8500, 8529, 9000, 9042, 9092, 9100, 9200, 9300, // Consul, ArangoDB, FastCGI, Cassandra, Kafka, printers, Elastic
	10250, 10255, 11211, 11434, 15672, 27017, 27018, 61613, // kubelet, memcached, Ollama, RabbitMQ, MongoDB, STOMP
}

// ownLast is how long a list of this machine's addresses is reused.
const ownLast = 5 * time.Second

// own are the addresses of this machine.
var own ownAddrs

type ownAddrs struct {
	mu sync.Mutex
	at time.Time
	is map[netip.Addr]bool
}

func (o *ownAddrs) has(ip netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() || time.Since(o.at) > ownLast {
		o.at, o.is = time.Now(), map[netip.Addr]bool{}
		addrs, _ := net.InterfaceAddrs() // if this fails, only loopback is known to be ours
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				o.is[p.Addr().Unmap().WithZone("")] = true
			}
		}
	}
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || o.is[ip]
}
