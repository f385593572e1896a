//go:build linux

package integration_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

const (
	// soakMemory bounds what the daemon has resident while it is attacked.
	soakMemory = 300 << 20
	// soakSlower is how many times as long honest work may take.
	soakSlower = 2
	// soakRounds of honest work are measured before the attack, of which the median counts.
	soakRounds = 5
)

// target is the daemon under attack, as an attacker knows it.
type target struct {
	from   *netlab.Host // where the attacker is
	addr   string
	public [20]byte   // the infohash of a torrent that anybody may have
	link   rogue.Link // of a private group
	hello  []byte     // the first message of a TLS handshake for it
}

func (to target) tcp(ctx context.Context) (net.Conn, error) { return to.from.Dial(ctx, "tcp", to.addr) }
func (to target) udp(ctx context.Context) (net.Conn, error) { return to.from.Dial(ctx, "udp", to.addr) }

// crowd is an attack of connections.
func crowd(most, rate int, drip time.Duration, say func(to target) []byte) func(context.Context, target) int64 {
	return func(ctx context.Context, to target) int64 {
		c := &rogue.Crowd{Dial: to.tcp, Most: most, Rate: rate, Drip: drip, Say: say(to)}
		c.Run(ctx)
		return c.Opened.Load()
	}
}

// packets is an attack of packets, over and over.
func packets(make func(i int) []byte) func(context.Context, target) int64 {
	return func(ctx context.Context, to target) (n int64) {
		for ctx.Err() == nil {
			sent, err := rogue.Send(ctx, to.udp, 100_000, make)
			if err != nil {
				return n
			}
			n += int64(sent)
		}
		return n
	}
}

// attack goes on until ctx ends, and says how often it did what it does: 0 is no attack.
type attack struct {
	name string
	run  func(ctx context.Context, to target) int64
}

// attacks are what the soak does at once. Each is gone on with until the end.
var attacks = []attack{
	{"connections that say nothing", crowd(300, 300, 0, func(target) []byte { return nil })},
	{"8,000 half-open ones", halfOpen},
	{"handshakes a byte at a time", crowd(200, 50, 100*time.Millisecond, func(to target) []byte { return rogue.Handshake(to.public) })},
	{"TLS greetings a byte at a time", crowd(100, 50, 100*time.Millisecond, func(to target) []byte { return to.hello })},
	{"peers that do nothing", crowd(400, 100, 0, func(to target) []byte { return rogue.Handshake(to.public) })},
	{"SYNs of uTP", packets(func(i int) []byte { return rogue.SYN(uint16(i)) })},
	{"malformed uTP", packets(func(int) []byte { return rogue.UTP(rand.IntN) })},
}

// halfOpen holds 8,000 connections, that have begun in every way there is.
func halfOpen(ctx context.Context, to target) int64 {
	begun := rogue.Beginnings(to.public, to.hello)
	var all []*rogue.Crowd
	var wg sync.WaitGroup
	for _, b := range begun {
		c := &rogue.Crowd{Dial: to.tcp, Most: 8000 / len(begun), Rate: 50, Say: b.Say}
		all = append(all, c)
		wg.Go(func() { c.Run(ctx) })
	}
	wg.Wait()
	n := int64(0)
	for _, c := range all {
		n += c.Opened.Load()
	}
	return n
}

// TestSoak attacks a daemon in every way at once, for P2PSHARE_SOAK, while others fetch from it, publicly and as members,
// and join its group. `make soak` also holds it to the speed that it had before.
func TestSoak(t *testing.T) {
	t.Parallel()
	long := 20 * time.Second
	s := os.Getenv("P2PSHARE_SOAK")
	if s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newSoak(t)
	var before pace
	for range soakRounds {
		w.work(t, &before)
	}
	files, memory := descriptors(t, w.daemon), resident(t, w.daemon.Pid())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	did := make([]int64, len(attacks))
	for i, a := range attacks {
		wg.Go(func() { did[i] = a.run(ctx, w.target) })
	}
	highest := 0
	wg.Go(func() { highest = watchMemory(ctx, w.daemon.Pid()) })
	var during pace
	for end := time.Now().Add(long); len(during.fetch) == 0 || time.Now().Before(end); {
		w.work(t, &during)
	}
	stop()
	wg.Wait()
	for i, a := range attacks {
		if t.Logf("%s: %d", a.name, did[i]); did[i] == 0 {
			t.Errorf("%s: nothing was done", a.name)
		}
	}
	t.Logf("resident: %d MiB before, %d at most, %d after; %d rounds", memory>>10, highest>>10, resident(t, w.daemon.Pid())>>10, len(during.fetch))
	if highest<<10 > soakMemory {
		t.Errorf("the daemon had %d MiB resident, want %d at most", highest>>10, soakMemory>>20)
	}
	eventually(t, "descriptors are closed after the attack", func() bool { return descriptors(t, w.daemon) <= files+2 }) // and a connection of a member's
	for _, k := range []struct {
		what           string
		before, during []time.Duration
	}{{"a fetch", before.fetch, during.fetch}, {"a member's fetch", before.member, during.member}, {"a join", before.join, during.join}} {
		was, is := median(k.before), median(k.during)
		t.Logf("%s: %v before, %v during the attack", k.what, was, is)
		if s != "" && is > soakSlower*was {
			t.Errorf("%s took %v during the attack, and %v before: more than %d times as long", k.what, is, was, soakSlower)
		}
	}
}

// soak is a daemon under attack and the honest ones about it.
type soak struct {
	target
	lab            *netlab.Lab
	daemon         *client.Daemon
	anna           *machine
	group          invitation
	film, software string
	guests         int
}

type invitation struct{ Link, Password string }

// pace is how long honest work took.
type pace struct{ fetch, member, join []time.Duration }

func newSoak(t *testing.T) *soak {
	lab := newLab(t, 4)
	admin, anna := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	w := &soak{lab: lab, anna: anna}
	first := admin.daemon(onlyLAN...)
	anna.daemon(onlyLAN...)
	group := admin.asks("group", "create", "festung", "--private")
	w.group = invitation{group.Link, group.Password}
	if _, err := anna.joins(group.Link, group.Password, "--account", "anna"); err != nil {
		t.Fatal(err)
	}
	w.film, w.software = payloadFile(t, "film.mkv", 3_000_000), payloadFile(t, "software.tar", 10_000_000)
	admin.must("publish", w.film, "--group", "festung", "--as", "film@1")
	magnet := admin.must("publish", w.software)
	anna.until("film", "catalog", "list", "festung")
	// Passwords were hashed, which takes 256 MiB that are not given back at once: it begins anew.
	admin.must("daemon", "--stop")
	if err := first.Finished(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	w.daemon = admin.daemon(append([]string{"--utp"}, onlyLAN...)...)
	link := parsed(t, group.Link)
	w.target = target{
		from: lab.Host(3), addr: net.JoinHostPort(lab.Host(1).IP, "6881"), link: link,
		hello: greeting(t, link.ServerName(rogue.Today())),
	}
	if _, err := hex.Decode(w.public[:], []byte(infohash(t, magnet))); err != nil {
		t.Fatal(err)
	}
	return w
}

// work is a round of it: a stranger fetches what is public, a member what is not, and somebody joins.
func (w *soak) work(t *testing.T, p *pace) {
	t.Helper()
	timed := func(to *[]time.Duration, do func()) {
		begun := time.Now()
		do()
		*to = append(*to, time.Since(begun))
	}
	timed(&p.fetch, func() {
		out := t.TempDir()
		c := client.Start(t, us.With(append(peerFlag(w.lab.Host(1)), nothing...)...).Command(t, w.lab.Host(4), "fetch", "--no-seed", "-o", out, hex.EncodeToString(w.public[:])))
		if err := c.Finished(within(t, 3*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := payload.Same(w.software, filepath.Join(out, filepath.Base(w.software))); err != nil {
			t.Fatal(err)
		}
	})
	timed(&p.member, func() {
		out := t.TempDir()
		w.anna.must("fetch", "festung/film", "--no-seed", "-o", out)
		if err := payload.Same(w.film, filepath.Join(out, filepath.Base(w.film))); err != nil {
			t.Fatal(err)
		}
	})
	w.anna.must("remove", "film.mkv")
	w.guests++
	timed(&p.join, func() {
		m := newMachine(t, w.lab.Host(4))
		args := append([]string{"--account", fmt.Sprint("gast", w.guests), "--peer", w.addr}, nothing...)
		if _, err := m.joins(w.group.Link, w.group.Password, args...); err != nil {
			t.Fatal(err)
		}
	})
}

// watchMemory is the most that a process had resident until ctx ended, in KiB.
func watchMemory(ctx context.Context, pid int) (most int) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if kb, err := residentOf(pid); err == nil {
			most = max(most, kb)
		}
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
	}
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
