//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
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
	// soakMemory bounds the daemon's resident memory under attack.
	soakMemory = 300 << 20
	// soakSlower is how many times longer normal use may take under attack.
	soakSlower = 2
	// soakTurns is how many rounds with and without attack are measured in turn, so that other load on the machine affects
	// both.
	soakTurns = 5
	// soakShort is the duration of the short form, which checks everything except speed.
	soakShort = 20 * time.Second
)

// TestSoak attacks a daemon in every way at once, for P2PSHARE_SOAK, while others fetch from it, publicly and as members,
// and join its group. `make soak` also compares the speed with and without attack, with content that takes seconds to fetch.
func TestSoak(t *testing.T) {
	t.Parallel()
	long, turns, size := soakShort, 1, 10_000_000
	s := os.Getenv("P2PSHARE_SOAK")
	if s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		turns, size = soakTurns, 256_000_000
	}
	w := newSoak(t, size)
	var before, during pace
	files, memory, highest := 0, 0, 0
	did := map[string]int64{}
	for turn := range turns {
		for range 2 {
			w.work(t, &before)
		}
		if turn == 0 {
			files, memory = descriptors(t, w.daemon), resident(t, w.daemon.Pid())
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() { highest = max(highest, watchMemory(ctx, w.daemon.Pid())) })
		end := w.attacks(t, did)
		w.bombed(t, turn)
		done := len(during.fetch)
		for until := time.Now().Add(long / time.Duration(turns)); len(during.fetch) == done || time.Now().Before(until); {
			w.work(t, &during)
		}
		end()
		stop()
		wg.Wait()
		eventually(t, "descriptors are closed after the attack", func() bool { return descriptors(t, w.daemon) <= files+2 }) // and a connection of a member
	}
	for _, a := range attacks() {
		if t.Logf("%s: %d", a.name, did[a.name]); did[a.name] == 0 {
			t.Errorf("%s: the attack did nothing", a.name)
		}
	}
	t.Logf("resident: %d MiB before, %d at most, %d after; %d rounds", memory>>10, highest>>10, resident(t, w.daemon.Pid())>>10, len(during.fetch))
	if highest<<10 > soakMemory {
		t.Errorf("the daemon had %d MiB resident, want %d at most", highest>>10, soakMemory>>20)
	}
	for _, k := range []struct {
		what           string
		before, during []time.Duration
	}{{"a fetch", before.fetch, during.fetch}, {"a member's fetch", before.member, during.member}, {"a join", before.join, during.join}} {
		was, is := median(k.before), median(k.during)
		t.Logf("%s: %v in peace, %v during the attack", k.what, was, is)
		if s != "" && is > soakSlower*was {
			t.Errorf("%s took %v during the attack and %v without it: more than %d times as long", k.what, is, was, soakSlower)
		}
	}
}

// attacks starts all attacks. The returned function stops them and adds up what they did.
func (w *soak) attacks(t *testing.T, did map[string]int64) (end func()) {
	t.Helper()
	about, err := json.Marshal(w.target)
	if err != nil {
		t.Fatal(err)
	}
	c := w.lab.Host(3).Command(t.Context(), "nice", "-n", "19", os.Args[0])
	c.Env = append(os.Environ(), attackVariable+"="+string(about))
	c.Stderr = os.Stderr
	var out bytes.Buffer
	c.Stdout = &out
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		in.Close()
		if err := c.Wait(); err != nil {
			t.Fatalf("attacking: %v", err)
		}
		var now map[string]int64
		if err := json.Unmarshal(out.Bytes(), &now); err != nil {
			t.Fatal(err)
		}
		for name, n := range now {
			did[name] += n
		}
	}
}

// bombed makes the daemon announce to the attacker's tracker, once it listens.
func (w *soak) bombed(t *testing.T, turn int) {
	t.Helper()
	eventually(t, "the tracker listens", func() bool {
		c, err := w.lab.Host(4).Dial(t.Context(), "tcp", w.Tracker)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	args := []string{"publish", payloadFile(t, fmt.Sprintf("bait%d", turn), 1000+turn)}
	for i := range 8 {
		args = append(args, "--tracker", fmt.Sprintf("http://%s/%d/announce", w.Tracker, i))
	}
	w.admin.must(args...)
}

// soak is a daemon under attack and its honest users.
type soak struct {
	target
	lab            *netlab.Lab
	daemon         *client.Daemon
	admin, anna    *machine
	group          invitation
	film, software string
	guests         int
}

type invitation struct{ Link, Password string }

// pace is how long normal use took.
type pace struct{ fetch, member, join []time.Duration }

// newSoak sets up the daemon and users, with public content of the given size and a smaller one for members.
func newSoak(t *testing.T, size int) *soak {
	lab := newLab(t, 4)
	admin, anna, mallory := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2)), newMachine(t, lab.Host(3))
	w := &soak{lab: lab, admin: admin, anna: anna}
	first := admin.daemon(onlyLAN...)
	anna.daemon(onlyLAN...)
	group := admin.asks("group", "create", "festung", "--private")
	w.group = invitation{group.Link, group.Password}
	if _, err := anna.joins(group.Link, group.Password, "--account", "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := mallory.joins(group.Link, group.Password, append([]string{"--account", "mallory", "--peer", lab.Host(1).IP + ":6881"}, nothing...)...); err != nil {
		t.Fatal(err)
	}
	w.film, w.software = payloadFile(t, "film.mkv", size/3), payloadFile(t, "software.tar", size)
	admin.must("publish", w.film, "--group", "festung", "--as", "film@1")
	const piece = 256 << 10
	magnet := admin.must("publish", w.software, "--piece-length", "256KiB")
	anna.until("film", "catalog", "list", "festung")
	// The daemon has hashed passwords, which takes 256 MiB temporarily: restart it, so that it hashes none.
	admin.must("daemon", "--stop")
	if err := first.Finished(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	w.daemon = admin.daemon(append([]string{"--utp"}, onlyLAN...)...)
	link := parsed(t, group.Link)
	w.target = target{
		Addr: net.JoinHostPort(lab.Host(1).IP, "6881"), Link: link, Pieces: (size + piece - 1) / piece,
		Hello: greeting(t, link.ServerName(rogue.Today())), Key: mallory.stolen(link.GID()).Key,
		Tracker: net.JoinHostPort(lab.Host(3).IP, "6969"), Others: []string{"8.8.8.8", "10.200.0.1"},
	}
	for _, a := range w.Others {
		if out, err := exec.Command("ip", "-n", lab.Host(3).NS, "addr", "add", a+"/32", "dev", "eth0").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", a, err, out)
		}
	}
	if _, err := hex.Decode(w.Public[:], []byte(infohash(t, magnet))); err != nil {
		t.Fatal(err)
	}
	return w
}

// work is one round of normal use: a stranger fetches public content, a member fetches private content, and a person joins.
func (w *soak) work(t *testing.T, p *pace) {
	t.Helper()
	timed := func(to *[]time.Duration, do func()) {
		begun := time.Now()
		do()
		*to = append(*to, time.Since(begun))
	}
	timed(&p.fetch, func() {
		out := t.TempDir()
		c := client.Start(t, us.With(append(peerFlag(w.lab.Host(1)), nothing...)...).Command(t, w.lab.Host(4), "fetch", "--no-seed", "-o", out, hex.EncodeToString(w.Public[:])))
		if err := c.Finished(within(t, 10*time.Minute)); err != nil {
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
		args := append([]string{"--account", fmt.Sprint("gast", w.guests), "--peer", w.Addr}, nothing...)
		if _, err := m.joins(w.group.Link, w.group.Password, args...); err != nil {
			t.Fatal(err)
		}
	})
}

// watchMemory returns the peak resident memory of a process until ctx ended, in KiB.
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
