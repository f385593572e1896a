package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// labPrefix starts the name of every namespace and work folder; the process that made it follows, and the host.
const labPrefix = "p2pshare-bench-"

// hub is the host with the bridge and the tracker.
const hub = 0

// lab is a network of hosts 1..n at 10.77.0.1 and up, on one bridge at the hub, 10.77.0.254. Every lab
// uses the same addresses, because they cannot see each other, nor the machine's network.
type lab struct {
	name     string
	hosts    int
	counters *os.File
}

// newLab makes a lab that close removes.
func newLab(ctx context.Context, owner string, hosts int) (*lab, error) {
	l := &lab{name: labPrefix + owner, hosts: hosts}
	if err := l.build(ctx); err != nil {
		l.close()
		return nil, fmt.Errorf("making a network of %d hosts: %w", hosts, err)
	}
	return l, nil
}

func (l *lab) build(ctx context.Context) error {
	h := l.ns(hub)
	steps := []string{
		"ip netns add " + h,
		"ip -n " + h + " link set lo up",
		"ip -n " + h + " link add br0 type bridge",
		"ip -n " + h + " addr add " + l.ip(hub) + "/24 dev br0",
		"ip -n " + h + " link set br0 up",
	}
	for i := 1; i <= l.hosts; i++ {
		ns, port := l.ns(i), portOf(i)
		steps = append(steps,
			"ip netns add "+ns,
			"ip -n "+ns+" link set lo up",
			"ip link add "+port+" netns "+h+" type veth peer name eth0 netns "+ns,
			"ip -n "+h+" link set "+port+" master br0",
			"ip -n "+h+" link set "+port+" up",
			"ip -n "+ns+" addr add "+l.ip(i)+"/24 dev eth0",
			"ip -n "+ns+" link set eth0 up",
			"ip -n "+ns+" route add default via "+l.ip(hub),
		)
	}
	for _, s := range steps {
		if err := command(ctx, s); err != nil {
			return err
		}
	}
	f, err := countersOf(h)
	l.counters = f
	return err
}

// shape limits what host i sends and receives, in bytes per second; 0 is no limit. What it receives is
// limited at the bridge, like at a provider's router.
func (l *lab) shape(ctx context.Context, i int, up, down int64) error {
	for _, s := range append(shaping(l.ns(i), "eth0", up), shaping(l.ns(hub), portOf(i), down)...) {
		if err := command(ctx, s); err != nil {
			return fmt.Errorf("limiting the link of host %d: %w", i, err)
		}
	}
	return nil
}

// shaping returns the commands for a token bucket in front of a queue of 50 ms, as in routers. The bucket has room for one of
// the kernel's 64 KiB packets; with less the rate would not be reached.
func shaping(ns, dev string, rate int64) []string {
	if rate <= 0 {
		return nil
	}
	tc := "tc -n " + ns + " "
	queue := max(20_000, rate/20)
	return []string{
		tc + "qdisc add dev " + dev + " root handle 1: htb default 1",
		fmt.Sprintf("%sclass add dev %s parent 1: classid 1:1 htb rate %dbps ceil %dbps burst 64k cburst 64k", tc, dev, rate, rate),
		fmt.Sprintf("%sqdisc add dev %s parent 1:1 handle 10: bfifo limit %d", tc, dev, queue),
	}
}

// ns returns the namespace of a host.
func (l *lab) ns(host int) string {
	if host == hub {
		return l.name + "-hub"
	}
	return l.name + "-" + strconv.Itoa(host)
}

// ip returns the address of a host.
func (l *lab) ip(host int) string {
	if host == hub {
		return "10.77.0.254"
	}
	return "10.77.0." + strconv.Itoa(host)
}

// portOf returns the name of the bridge's end of a host's cable.
func portOf(host int) string { return "v" + strconv.Itoa(host) }

// listen is net.Listen on a host.
func (l *lab) listen(host, port int) (net.Listener, error) {
	return listenIn(l.ns(host), net.JoinHostPort(l.ip(host), strconv.Itoa(port)))
}

// traffic returns the bytes that hosts have sent and received, including all headers.
func (l *lab) traffic() (sent, received map[int]int64, err error) {
	b, err := io.ReadAll(io.NewSectionReader(l.counters, 0, 1<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the counters of the bridge: %w", err)
	}
	sent, received = parseCounters(b)
	return sent, received, nil
}

// parseCounters reads /proc/net/dev of the hub. The bytes received at its end of a cable are those that the host sent.
func parseCounters(b []byte) (sent, received map[int]int64) {
	sent, received = map[int]int64{}, map[int]int64{}
	for line := range bytes.Lines(b) {
		name, rest, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		fields := strings.Fields(rest)
		number, cable := strings.CutPrefix(name, "v")
		host, err := strconv.Atoi(number)
		if !ok || !cable || err != nil || len(fields) < 9 {
			continue
		}
		in, ierr := strconv.ParseInt(fields[0], 10, 64)
		out, oerr := strconv.ParseInt(fields[8], 10, 64)
		if ierr == nil && oerr == nil {
			sent[host], received[host] = in, out
		}
	}
	return sent, received
}

// close ends the remaining processes in the lab and removes it.
func (l *lab) close() {
	if l.counters != nil {
		l.counters.Close()
	}
	for i := 0; i <= l.hosts; i++ {
		removeNamespace(l.ns(i))
	}
}

// sweep removes the labs and work folders of processes that no longer exist.
func sweep(workRoots []string) {
	namespaces, _ := filepath.Glob("/run/netns/" + labPrefix + "*")
	for _, p := range namespaces {
		if ns := filepath.Base(p); !alive(ns) {
			removeNamespace(ns)
		}
	}
	for _, root := range workRoots {
		folders, _ := filepath.Glob(filepath.Join(root, labPrefix+"*"))
		for _, p := range folders {
			if !alive(filepath.Base(p)) {
				_ = os.RemoveAll(p) // retried by the next sweep
			}
		}
	}
}

// alive says whether the process in a name of ours still exists. Names of any other form belong to other programs and count
// as alive.
func alive(name string) bool {
	parts := strings.SplitN(strings.TrimPrefix(name, labPrefix), "-", 3)
	if len(parts) < 2 {
		return true
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil {
		return true
	}
	start, err := startOf(pid)
	return err == nil && start == parts[1]
}

// ownerOf identifies a process, even if its number is reused later.
func ownerOf(pid int) (string, error) {
	start, err := startOf(pid)
	if err != nil {
		return "", fmt.Errorf("finding when this process started: %w", err)
	}
	return fmt.Sprintf("%d-%s", pid, start), nil
}

// startOf returns when a process started, in ticks since boot (proc(5), stat, field 22).
func startOf(pid int) (string, error) {
	fields, err := statOf(pid)
	if err != nil {
		return "", err
	}
	return fields[19], nil
}

// statOf returns the fields of /proc/PID/stat after the name, which may contain spaces and parentheses: 0 is the state.
func statOf(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 22 {
		return nil, errors.New("its stat is short")
	}
	return fields, nil
}

// removeNamespace ends the processes in a namespace and deletes it: a namespace exists as long as a process is in it.
func removeNamespace(ns string) {
	pids, err := exec.Command(tool("ip"), "netns", "pids", ns).Output()
	if err != nil {
		return // it was never created
	}
	for _, f := range strings.Fields(string(pids)) {
		// The list may contain a thread of this process that is inside for a moment.
		if pid, err := strconv.Atoi(f); err == nil && pid != os.Getpid() {
			killProcess(pid)
		}
	}
	_ = command(context.Background(), "ip netns del "+ns) // already deleted, or retried by the next sweep
}

// command runs a command line whose words contain no spaces.
func command(ctx context.Context, line string) error {
	w := strings.Fields(line)
	out, err := exec.CommandContext(ctx, tool(w[0]), w[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, errors.Join(err, ctx.Err()), bytes.TrimSpace(out))
	}
	return nil
}

// needLab returns an error if this machine cannot have labs.
func (e Env) needLab() error {
	if !e.Root {
		return fault.Hint(fault.New(fault.Denied, "this needs root, to make networks to measure in"), "run it as root: sudo p2pshare-bench ...; build needs no root")
	}
	for _, p := range []string{"ip", "tc"} {
		if _, err := e.LookPath(p); err != nil {
			return fault.Hint(fault.New(fault.NotFound, "the program %q, which makes the networks, is not installed", p), "install iproute2: apt-get install iproute2")
		}
	}
	return nil
}
