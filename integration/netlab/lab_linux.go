package netlab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// prefix starts the name of every namespace of ours; the process number follows.
const prefix = "p2pshare-lab-"

var labs atomic.Int64 // numbers the labs of this process

// Lab is a network of hosts 1..n, and a hub, which has the bridge and is a machine too.
type Lab struct {
	name  string
	hosts []*Host // 0 is the hub
}

// Host is one machine of a lab.
type Host struct {
	NS string // its network namespace
	IP string // its IPv4 address
}

// New makes a lab of n hosts. They have the addresses 10.77.0.1 and up, the hub has 10.77.0.254.
// Every lab uses the same addresses, because labs cannot see each other.
func New(n int) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("network namespaces need root: run make test, or the test binary under sudo")
	}
	l := &Lab{name: fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), labs.Add(1))}
	hub := l.add("hub", "10.77.0.254")
	cmds := []string{
		"netns add " + hub.NS,
		"-n " + hub.NS + " link set lo up",
		"-n " + hub.NS + " link add br0 type bridge",
		"-n " + hub.NS + " addr add " + hub.IP + "/24 dev br0",
		"-n " + hub.NS + " link set br0 up",
		"-n " + hub.NS + " route add 224.0.0.0/4 dev br0",
	}
	for i := 1; i <= n; i++ {
		h := l.add(strconv.Itoa(i), fmt.Sprintf("10.77.0.%d", i))
		port := fmt.Sprintf("v%d", i)
		cmds = append(cmds,
			"netns add "+h.NS,
			"-n "+h.NS+" link set lo up",
			"link add "+port+" netns "+hub.NS+" type veth peer name eth0 netns "+h.NS,
			"-n "+hub.NS+" link set "+port+" master br0",
			"-n "+hub.NS+" link set "+port+" up",
			"-n "+h.NS+" addr add "+h.IP+"/24 dev eth0",
			"-n "+h.NS+" link set eth0 up",
			"-n "+h.NS+" route add default via "+hub.IP,
			"-n "+h.NS+" route add 224.0.0.0/4 dev eth0",
		)
	}
	for _, c := range cmds {
		if err := ip(strings.Fields(c)...); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// Host returns host i, counted from 1.
func (l *Lab) Host(i int) *Host { return l.hosts[i] }

// Hub returns the machine with the bridge.
func (l *Lab) Hub() *Host { return l.hosts[0] }

// Down disconnects host i from the network; its programs keep running.
func (l *Lab) Down(i int) error { return ip("-n", l.hosts[i].NS, "link", "set", "eth0", "down") }

// Up reconnects host i, and restores the routes that were lost with its interface.
func (l *Lab) Up(i int) error {
	h := l.hosts[i]
	for _, c := range []string{
		"link set eth0 up",
		"route replace default via " + l.hosts[0].IP,
		"route replace 224.0.0.0/4 dev eth0",
	} {
		if err := ip(append([]string{"-n", h.NS}, strings.Fields(c)...)...); err != nil {
			return err
		}
	}
	return nil
}

// IPv6 gives each host the additional address fd77::N, and the hub fd77::fe, which it returns.
func (l *Lab) IPv6() (hub string, err error) {
	for i, h := range l.hosts {
		addr, dev := fmt.Sprintf("fd77::%x", i), "eth0"
		if i == 0 {
			addr, dev, hub = "fd77::fe", "br0", "fd77::fe"
		}
		if err := ip("-n", h.NS, "addr", "add", addr+"/64", "dev", dev, "nodad"); err != nil {
			return "", err
		}
	}
	return hub, nil
}

// Move gives host i another address, like a move to another network. The old address is removed.
func (l *Lab) Move(i int, addr string) error {
	h := l.hosts[i]
	if err := ip("-n", h.NS, "addr", "del", h.IP+"/24", "dev", "eth0"); err != nil {
		return err
	}
	h.IP = addr
	if err := ip("-n", h.NS, "addr", "add", addr+"/24", "dev", "eth0"); err != nil {
		return err
	}
	return l.Up(i)
}

// LinkLocal removes all addresses of host i except its IPv6 link-local one (RFC 4862), and returns that with its zone.
func (l *Lab) LinkLocal(ctx context.Context, i int) (string, error) {
	ns := l.hosts[i].NS
	if err := ip("-n", ns, "-4", "addr", "flush", "dev", "eth0"); err != nil {
		return "", err
	}
	for {
		// The address is tentative, and cannot be used, until duplicate address detection has finished.
		out, err := exec.CommandContext(ctx, "ip", "-n", ns, "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link", "-tentative").Output()
		if err != nil {
			return "", fmt.Errorf("the link-local address of host %d: %w", i, err)
		}
		if f := strings.Fields(string(out)); len(f) > 3 {
			addr, _, _ := strings.Cut(f[3], "/")
			return addr + "%eth0", nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("host %d has no link-local address: %w", i, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Split separates hosts from all others and the hub: they reach only each other, until Join.
func (l *Lab) Split(hosts ...int) error {
	hub := l.hosts[0].NS
	for _, c := range []string{"link add br1 type bridge", "link set br1 up"} {
		if err := ip(append([]string{"-n", hub}, strings.Fields(c)...)...); err != nil {
			return err
		}
	}
	return l.plug("br1", hosts)
}

// Join undoes Split. To programs and their connections there was only silence.
func (l *Lab) Join() error {
	all := make([]int, 0, len(l.hosts))
	for i := range l.hosts[1:] {
		all = append(all, i+1)
	}
	if err := l.plug("br0", all); err != nil {
		return err
	}
	return ip("-n", l.hosts[0].NS, "link", "del", "br1")
}

// plug connects hosts to a bridge.
func (l *Lab) plug(bridge string, hosts []int) error {
	for _, i := range hosts {
		if err := ip("-n", l.hosts[0].NS, "link", "set", fmt.Sprintf("v%d", i), "master", bridge); err != nil {
			return err
		}
	}
	return nil
}

// Close kills all remaining processes in the lab and removes its namespaces.
func (l *Lab) Close() {
	for _, h := range l.hosts {
		remove(h.NS)
	}
}

// Sweep removes the labs of processes that no longer exist.
func Sweep() {
	names, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, p := range names {
		ns := filepath.Base(p)
		pid, _, _ := strings.Cut(strings.TrimPrefix(ns, prefix), "-")
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			remove(ns)
		}
	}
}

// Command is exec.CommandContext on this host. The process is killed when the test's process ends.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.NS, name}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// Resolve sets the DNS servers of programs that are started on this host from now on.
func (h *Host) Resolve(servers ...string) error {
	dir := resolvers(h.NS) // which "ip netns exec" mounts over /etc
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var conf strings.Builder
	for _, s := range servers {
		conf.WriteString("nameserver " + s + "\n")
	}
	return os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(conf.String()), 0o644)
}

func resolvers(ns string) string { return filepath.Join("/etc/netns", ns) }

// Listen is net.Listen on this host.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = inNamespace(h.NS, func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket on this host.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = inNamespace(h.NS, func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Dial connects from this host. The address must contain an IP address: a name would be resolved on another
// thread, outside the lab.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial %q in a lab: not an IP address", address)
	}
	err = inNamespace(h.NS, func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

func (l *Lab) add(host, addr string) *Host {
	h := &Host{NS: l.name + "-" + host, IP: addr}
	l.hosts = append(l.hosts, h)
	return h
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// remove kills the processes in a namespace and deletes it. A namespace and its bridge exist as long as a process is in it.
func remove(ns string) {
	pids, err := exec.Command("ip", "netns", "pids", ns).Output()
	if err != nil {
		return // it was never created
	}
	for _, f := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(f)
		// The list may contain threads of the test itself that are inside for a moment.
		if err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = ip("netns", "del", ns)
	_ = os.RemoveAll(resolvers(ns))
}
