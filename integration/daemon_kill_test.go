//go:build linux

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// kept is a share as the model of the test knows it.
type kept struct {
	name     string
	path     string // of the content: what is published, or where a fetch puts it
	want     string // a fetch: the same bytes
	magnet   string
	sure     bool // confirmed; else only asked for
	removing bool // asked to remove, and not answered yet
	rests    bool // stopped
	turning  bool // asked to stop or start, and not answered yet
	up       limit64
}

// limit64 is a limit that was confirmed, and one that is asked for.
type limit64 struct{ sure, asked int64 }

func (l limit64) may(got int64) bool { return got == l.sure || got == l.asked }

// victim is a daemon that is killed again and again, and what it has promised.
type victim struct {
	t      *testing.T
	random *rand.Rand
	dir    string // home, payloads and targets are below it
	source string // address of who has what is fetched
	offers []offer

	mu     sync.Mutex
	shares map[string]*kept // by name, which is unique
	all    limit64
	made   int
}

// offer is something that can be fetched.
type offer struct{ name, path, magnet string }

// TestKilledDaemonLosesNothing kills daemons as a power cut would, at least 200 times, at random moments of publishing,
// fetching, removing, stopping, limiting and starting. After every restart what was confirmed is there and as it
// was, what was not is there whole or not at all.
func TestKilledDaemonLosesNothing(t *testing.T) {
	t.Parallel()
	const kills, victims = 200, 4
	seed := 20261122
	if s := os.Getenv("P2PSHARE_KILL_SEED"); s != "" { // to look further than every run does
		var err error
		if seed, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	source := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "2MiB"}, still...)...)
	var offers []offer
	for i := range 10 {
		name := fmt.Sprintf("offer-%d", i)
		path := small(t, name, 150_000+i, uint64(i))
		offers = append(offers, offer{name, path, keeps(t, source, path)})
	}
	from := peerOf(t, source, nil)
	for i := range victims {
		t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) {
			t.Parallel()
			v := &victim{
				t: t, random: rand.New(rand.NewPCG(uint64(seed+i), 0)), dir: t.TempDir(), source: from, offers: offers,
				shares: map[string]*kept{},
			}
			longest := 200 * time.Millisecond
			for n := 0; n < kills/victims || v.idle(); n++ {
				if n >= kills/victims { // the machine is busy
					longest += 200 * time.Millisecond
				}
				v.round(longest)
			}
			v.last()
		})
	}
}

func (v *victim) home() string { return filepath.Join(v.dir, "home") }

// powerCut makes of a kill what the test is about: what was being started is not to blame for it.
func (v *victim) powerCut() {
	if err := os.Remove(filepath.Join(v.home(), "opening.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		v.t.Fatal(err)
	}
}

// idle says that too little was done so far to be worth the kills.
func (v *victim) idle() bool {
	sure := 0
	for _, k := range v.shares {
		if k.sure && !k.removing {
			sure++
		}
	}
	return sure < 5 || v.made < 50
}

// round starts the daemon, compares, lets it work for longest at most and kills it.
func (v *victim) round(longest time.Duration) {
	v.t.Helper()
	v.powerCut()
	if v.random.IntN(5) == 0 { // while it starts
		p := us
		p.Home = v.home()
		d := client.Start(v.t, p.Command(v.t, nil, "daemon", still...))
		v.wait(time.Duration(v.random.IntN(80)) * time.Millisecond)
		d.Kill()
		return
	}
	d := daemon(v.t, nil, v.home(), still...)
	v.compare(d)
	ctx, cancel := context.WithCancel(within(v.t, time.Minute))
	defer cancel()
	var workers sync.WaitGroup
	for _, work := range []func(context.Context, *client.Daemon, *rand.Rand) error{v.publish, v.fetch, v.fetch, v.change, v.limit} {
		random := rand.New(rand.NewPCG(v.random.Uint64(), 0))
		workers.Go(func() {
			for ctx.Err() == nil && d.Running() {
				switch err := work(ctx, d, random); {
				case client.Gone(err):
					return // a second request would blur what the first one may have done
				case err != nil:
					v.t.Errorf("refused: %v", err)
				}
			}
		})
	}
	v.wait(time.Duration(v.random.Int64N(int64(longest))))
	d.Kill()
	cancel()
	workers.Wait()
}

func (v *victim) wait(d time.Duration) {
	<-time.After(d) // the moment of the kill is what the test is about
}

// pause keeps a worker that has nothing to do from spinning.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}

func (v *victim) publish(ctx context.Context, d *client.Daemon, random *rand.Rand) error {
	v.mu.Lock()
	if len(v.shares) > 16 {
		v.mu.Unlock()
		pause(ctx)
		return nil
	}
	v.made++
	k := &kept{name: fmt.Sprintf("made-%d", v.made)}
	seed := uint64(v.made)
	k.path = filepath.Join(v.dir, k.name)
	v.shares[k.name] = k
	v.mu.Unlock()
	for i := range 1 + random.IntN(3) {
		if err := payload.Write(filepath.Join(k.path, fmt.Sprintf("file-%d", i)), 1+random.IntN(60_000), seed*8+uint64(i)); err != nil {
			return err
		}
	}
	magnet, err := d.Publish(ctx, k.path)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		k.sure, k.magnet = true, magnet
	}
	return err
}

func (v *victim) fetch(ctx context.Context, d *client.Daemon, random *rand.Rand) error {
	v.mu.Lock()
	free := slices.DeleteFunc(slices.Clone(v.offers), func(o offer) bool { return v.shares[o.name] != nil })
	if len(free) == 0 {
		v.mu.Unlock()
		pause(ctx)
		return nil
	}
	o := free[random.IntN(len(free))]
	v.made++
	dir := filepath.Join(v.dir, fmt.Sprintf("out-%d", v.made))
	k := &kept{name: o.name, path: filepath.Join(dir, o.name), want: o.path, magnet: o.magnet}
	v.shares[k.name] = k
	v.mu.Unlock()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	stays := random.IntN(2) == 0
	r := map[string]any{"ref": o.magnet, "dir": dir, "seed": random.IntN(2) == 0, "peers": []string{v.source}}
	err := d.Stream(ctx, "fetch", r, func(e client.Event) bool {
		v.mu.Lock()
		k.sure = k.sure || e.Kept != nil
		v.mu.Unlock()
		if e.Fetched != nil {
			if err := payload.Same(o.path, k.path); err != nil {
				v.t.Errorf("fetched: %v", err)
			}
		}
		return e.Fetched != nil || e.Kept != nil && !stays
	})
	if no := new(client.Refusal); errors.As(err, &no) && (strings.Contains(no.Text, "stopped") || strings.Contains(no.Text, "is removed")) {
		return nil // by another worker
	}
	return err
}

// change removes, stops and starts.
func (v *victim) change(ctx context.Context, d *client.Daemon, random *rand.Rand) error {
	v.mu.Lock()
	k := v.anyOf(random)
	if k == nil {
		v.mu.Unlock()
		pause(ctx)
		return nil
	}
	what := random.IntN(3)
	k.removing, k.turning = what == 0, what != 0
	rests := !k.rests
	v.mu.Unlock()
	var err error
	if what == 0 {
		err = d.Ask(ctx, "remove", map[string]any{"refs": []string{k.name}}, nil)
	} else {
		err = d.Ask(ctx, "change", map[string]any{"refs": []string{k.name}, "run": !rests}, nil)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil && what == 0:
		delete(v.shares, k.name)
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(k.path), ".p2pshare", "*", "*")); k.want != "" && len(left) > 0 {
			v.t.Errorf("the fetch of %q was removed and has left %q", k.name, left)
		}
	case err == nil:
		k.rests, k.turning = rests, false
	}
	if err == nil {
		v.mu.Unlock()
		pause(ctx)
		v.mu.Lock()
	}
	return err
}

// anyOf is a share that was confirmed. v.mu is held.
func (v *victim) anyOf(random *rand.Rand) *kept {
	var names []string
	for n, k := range v.shares {
		if k.sure && !k.removing && !k.turning {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return v.shares[names[random.IntN(len(names))]]
}

// limit changes the rate of all, or of a share. The limits of all are high enough to hinder nothing.
func (v *victim) limit(ctx context.Context, d *client.Daemon, random *rand.Rand) error {
	up := 1<<30 + random.Int64N(1<<20)
	v.mu.Lock()
	l, r := &v.all, map[string]any{"up": up}
	if k := v.anyOf(random); k != nil && random.IntN(2) == 0 {
		l, r = &k.up, map[string]any{"up": up, "refs": []string{k.name}}
	}
	l.asked = up
	v.mu.Unlock()
	err := d.Ask(ctx, "limit", r, nil)
	if no := new(client.Refusal); errors.As(err, &no) && no.Kind == "not-found" {
		return nil // it was removed meanwhile
	}
	if err == nil {
		v.mu.Lock()
		l.sure = up
		v.mu.Unlock()
	}
	pause(ctx)
	return err
}

// compare waits until everything runs, compares it with the model, and settles what was under way at the kill.
func (v *victim) compare(d *client.Daemon) {
	v.t.Helper()
	s, err := d.When(within(v.t, 30*time.Second), "every share runs", func(s *client.Status) bool {
		return !slices.ContainsFunc(s.Shares, func(sh client.Share) bool {
			return sh.State == "starting" || sh.State == "checking" && sh.Kind == "publish"
		})
	})
	if err != nil {
		v.t.Fatal(err)
	}
	if len(s.Problems) > 0 {
		v.t.Errorf("problems of the home: %q", s.Problems)
	}
	if !v.all.may(s.Limits.Up) {
		v.t.Errorf("limit of all: got %d, want %+v", s.Limits.Up, v.all)
	}
	v.all = limit64{s.Limits.Up, s.Limits.Up}
	there := map[string]client.Share{}
	for _, sh := range s.Shares {
		there[sh.Name] = sh
		if v.shares[sh.Name] == nil {
			v.t.Errorf("%q is there, %s %s, and was removed or never asked for", sh.Name, sh.Kind, sh.State)
		}
	}
	for name, k := range v.shares {
		sh, ok := there[name]
		switch {
		case !ok && k.sure && !k.removing:
			v.t.Errorf("%q was confirmed and is not there", name)
			fallthrough
		case !ok:
			delete(v.shares, name)
			if k.want != "" && !k.sure && exists(k.path) {
				v.t.Errorf("%q was not confirmed, is not there, and has left %s", name, k.path)
			}
			continue
		}
		v.same(k, sh)
	}
}

// same compares one share with the model of it.
func (v *victim) same(k *kept, sh client.Share) {
	switch sh.State {
	case "seeding", "fetching", "queued", "checking":
		if k.rests && !k.turning {
			v.t.Errorf("%q is %s and was stopped", k.name, sh.State)
		}
		k.rests = false
	case "stopped":
		if !k.rests && !k.turning {
			v.t.Errorf("%q is stopped (%s) and was not", k.name, sh.Reason)
		}
		k.rests = true
	case "done":
		if err := payload.Same(k.want, k.path); err != nil {
			v.t.Errorf("%q is done: %v", k.name, err)
		}
	default:
		v.t.Errorf("%q is %s: %s", k.name, sh.State, sh.Reason)
	}
	if !k.up.may(sh.Limits.Up) {
		v.t.Errorf("limit of %q: got %d, want %+v", k.name, sh.Limits.Up, k.up)
	}
	k.magnet = sh.Magnet
	k.sure, k.removing, k.turning, k.up = true, false, false, limit64{sh.Limits.Up, sh.Limits.Up}
}

// last lets everything come to its end and compares every byte.
func (v *victim) last() {
	v.powerCut()
	d := daemon(v.t, nil, v.home(), still...)
	v.compare(d)
	ctx := within(v.t, time.Minute)
	if err := d.Ask(ctx, "change", map[string]any{"all": true, "run": true}, nil); err != nil {
		v.t.Fatal(err)
	}
	s, err := d.When(ctx, "every share is there", func(s *client.Status) bool {
		return !slices.ContainsFunc(s.Shares, func(sh client.Share) bool { return sh.State != "seeding" && sh.State != "done" })
	})
	if err != nil {
		v.t.Fatal(err)
	}
	us := peerOf(v.t, d, nil)
	friend := daemon(v.t, nil, filepath.Join(v.t.TempDir(), "home"), still...)
	for _, sh := range s.Shares {
		k := v.shares[sh.Name]
		if k.want != "" {
			if err := payload.Same(k.want, k.path); err != nil {
				v.t.Errorf("fetched: %v", err)
			}
		}
		if sh.State != "seeding" {
			continue
		}
		out := v.t.TempDir()
		r := map[string]any{"ref": sh.Magnet, "dir": out, "peers": []string{us}}
		if err := friend.Stream(within(v.t, time.Minute), "fetch", r, func(e client.Event) bool { return e.Fetched != nil }); err != nil {
			v.t.Errorf("fetching %q from it: %v", sh.Name, err)
		} else if err := payload.Same(k.path, filepath.Join(out, sh.Name)); err != nil {
			v.t.Error(err)
		}
	}
	for _, pattern := range []string{"shares/.*", "shares/*/.*", ".*"} {
		if left, err := filepath.Glob(filepath.Join(v.home(), pattern)); err != nil || len(left) > 0 {
			v.t.Errorf("left in the home: %v, %v", left, err)
		}
	}
	ended(v.t, d)
}
