package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// origin is the host that shares; the fetchers follow it.
const origin = 1

// transfer is one origin and its fetchers, the same in every run of every kind.
type transfer struct {
	*bench
	links   Links
	stagger time.Duration
	leave   Leave
	timeout time.Duration

	source  string // the folder with the content
	name    string // of the content
	files   []string
	torrent string
	http    bool // the origin is a web server, whatever the fetcher is

	prepare func(kind string, j *job) error // called before a fetcher starts; may be nil
}

// Leave says who leaves before all have everything.
type Leave struct {
	Half   bool    // every second fetcher leaves when it is done
	Copies float64 // the origin leaves when it has sent this many copies; 0: it stays
}

// participants are the programs of one run.
type participants struct {
	origin   *process
	fetchers []*process
	jobs     []job
	kinds    []string
	base     usage
	sent     int64 // by the origin before the start
	received int64 // by the first fetcher before the start
}

// run does one run: it starts all programs, waits for them, stops them, and compares the result.
func (t *transfer) run(ctx context.Context, kind string, round int) (r Run) {
	dir := filepath.Join(t.work, fmt.Sprintf("run-%s-%d", kind, round))
	defer os.RemoveAll(dir)
	t.track.forget()
	within, cancel := context.WithCancel(ctx)
	defer cancel() // ends the remaining programs
	p := &participants{}
	if err := t.openOrigin(within, kind, dir, p); err != nil {
		return failed(err)
	}
	defer p.origin.stop()
	defer func() { stopAll(p.fetchers) }()
	limited, stop := context.WithTimeoutCause(within, t.timeout, fmt.Errorf("it was not done after %v", t.timeout.Round(time.Second)))
	limited, stall := context.WithCancelCause(limited)
	defer stop()
	var watchers sync.WaitGroup
	watchers.Go(func() { t.watchTraffic(limited, stall) })
	defer watchers.Wait()
	defer stop()
	if err := t.startFetchers(limited, kind, dir, p, &watchers); err != nil {
		return failed(err)
	}
	watch := t.watchMemory(p)
	errs := make([]error, len(p.fetchers))
	for i, f := range p.fetchers {
		errs[i] = f.wait(limited)
		if limited.Err() != nil && errors.Is(errs[i], limited.Err()) {
			errs[i] = context.Cause(limited)
		}
	}
	r.Values = map[string]float64{}
	t.measure(p, r.Values)
	stop() // no fetcher leaves from here on
	watchers.Wait()
	if len(p.fetchers) == 1 {
		r.Values[valueRSS] = float64(watch())
	} else {
		watch()
	}
	stopAll(p.fetchers)
	t.judge(p, errs, &r)
	return r
}

// openOrigin starts the program that shares, and waits until it is ready.
func (t *transfer) openOrigin(ctx context.Context, kind, dir string, p *participants) error {
	c := clientOf(strings.Split(kind, "+")[0])
	if t.http {
		c = clientOf(kindHTTP)
	}
	j, err := t.job(origin, dir)
	if err != nil {
		return err
	}
	j.dir = t.source
	argv, err := c.seed(j)
	if err != nil {
		return err
	}
	if p.origin, err = t.bench.run(ctx, origin, j.state, argv); err != nil {
		return err
	}
	if c.torrents {
		err = t.track.ready(ctx, j.ip, p.origin.exited)
	} else {
		err = t.serves(ctx, p.origin)
	}
	if err != nil {
		p.origin.kill()
		return fmt.Errorf("%s as the seeder: %w: %s", c.kind, err, p.origin.output())
	}
	sent, received, err := t.lab.traffic()
	if err != nil {
		p.origin.kill()
		return err
	}
	p.base, p.sent, p.received = p.origin.used(), sent[origin], received[origin+1]
	return nil
}

// serves waits until the web server listens.
func (t *transfer) serves(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		// Listening at the same address fails once the server does.
		l, err := t.lab.listen(origin, httpPort)
		if err != nil {
			return nil
		}
		l.Close()
		select {
		case <-tick.C:
		case <-p.exited:
			return errors.New("it exited at once")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *transfer) startFetchers(ctx context.Context, kind, dir string, p *participants, watchers *sync.WaitGroup) error {
	parts := strings.Split(kind, "+")
	var commands [][]string
	for i := range t.links.Peers {
		k := parts[i%len(parts)]
		j, err := t.job(origin+1+i, dir)
		if err != nil {
			return err
		}
		if t.prepare != nil {
			if err := t.prepare(k, &j); err != nil {
				return err
			}
		}
		argv, err := clientOf(k).fetch(j)
		if err != nil {
			return err
		}
		p.kinds, p.jobs, commands = append(p.kinds, k), append(p.jobs, j), append(commands, argv)
	}
	if t.leave.Copies > 0 {
		watchers.Go(func() { t.leaveAfter(ctx, p.origin, p.sent) })
	}
	for i, argv := range commands {
		if i > 0 && t.stagger > 0 {
			if err := pause(ctx, t.stagger); err != nil {
				return err
			}
		}
		f, err := t.bench.run(ctx, origin+1+i, p.jobs[i].state, argv)
		if err != nil {
			return err
		}
		p.fetchers = append(p.fetchers, f)
		if t.leaves(i) {
			watchers.Go(func() {
				if f.wait(ctx) == nil {
					f.stop()
				}
			})
		}
	}
	return nil
}

// leaves says whether a fetcher leaves when it is done.
func (t *transfer) leaves(i int) bool { return t.leave.Half && i%2 == 1 }

// leaveAfter kills the origin once it has sent its copies.
func (t *transfer) leaveAfter(ctx context.Context, o *process, before int64) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		sent, _, err := t.lab.traffic()
		if err == nil && float64(sent[origin]-before) >= t.leave.Copies*float64(t.links.Size) {
			o.kill()
			return
		}
	}
}

// watchTraffic cancels a run in which nothing moves any more, as when a piece left with the origin.
func (t *transfer) watchTraffic(ctx context.Context, stall context.CancelCauseFunc) {
	tick := time.NewTicker(stallEvery)
	defer tick.Stop()
	last, since := int64(0), t.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		sent, _, err := t.lab.traffic()
		if err != nil {
			continue // the time limit still applies
		}
		total := int64(0)
		for _, n := range sent {
			total += n
		}
		if total-last >= stallBytes {
			last, since = total, t.Now()
		}
		if t.Now().Sub(since) > stallLimit {
			stall(fmt.Errorf("no data was transferred for %v", stallLimit))
			return
		}
	}
}

// watchMemory watches the first fetcher if it is the only one. The returned function stops watching and returns the peak in
// bytes.
func (t *transfer) watchMemory(p *participants) func() int64 {
	if len(p.fetchers) != 1 {
		return func() int64 { return 0 }
	}
	stop, most := make(chan struct{}), make(chan int64, 1)
	go func() { most <- p.fetchers[0].watch(stop) }()
	return func() int64 {
		close(stop)
		return <-most
	}
}

// measure reads what the run consumed, at the moment the last fetcher was done.
func (t *transfer) measure(p *participants, v map[string]float64) {
	sent, received, err := t.lab.traffic()
	if err == nil && t.links.Size > 0 {
		v[valueCopies] = float64(sent[origin]-p.sent) / float64(t.links.Size)
		v[valueMoved] = float64(received[origin+1] - p.received)
	}
	if len(p.fetchers) != 1 {
		return
	}
	o := p.origin.used()
	v[valueSeedCPU], v[valueSeedRSS] = o.cpu-p.base.cpu, float64(o.rss)
	v[valueCPU] = p.fetchers[0].used().cpu
}

// judge compares what was fetched, and times the fetchers that have everything.
func (t *transfer) judge(p *participants, errs []error, r *Run) {
	began := p.fetchers[0].started
	var took []float64
	r.Whole = true
	for i, f := range p.fetchers {
		x := Fetcher{Kind: p.kinds[i], Start: f.started.Sub(began).Seconds(), Left: t.leaves(i)}
		problem := ""
		if errs[i] != nil {
			problem = errs[i].Error() + "\n" + f.output()
		} else {
			x.Done = f.when().Sub(began).Seconds()
			problem = sameTree(filepath.Join(t.source, t.name), filepath.Join(p.jobs[i].dir, t.name))
		}
		if x.Whole = problem == ""; x.Whole {
			d := x.Done
			if t.stagger > 0 {
				d -= x.Start
			}
			took = append(took, d)
		} else if r.Failure == "" {
			r.Failure = fmt.Sprintf("fetcher %d (%s): %s", i+1, x.Kind, strings.TrimSpace(problem))
		}
		r.Whole = r.Whole && x.Whole
		r.Fetchers = append(r.Fetchers, x)
	}
	all := slices.Concat(took, slices.Repeat([]float64{math.Inf(1)}, len(p.fetchers)-len(took)))
	if m := median(all); !math.IsInf(m, 1) {
		r.Values[valueMedian] = m
	}
	if r.Whole {
		r.Values[valueSeconds] = slices.Max(took)
	}
}

// job makes the job of a host, with folders of its own.
func (t *transfer) job(host int, dir string) (job, error) {
	state := filepath.Join(dir, strconv.Itoa(host))
	j := job{
		bin: t.Program, work: t.work, state: state, dir: filepath.Join(state, "content"), torrent: t.torrent, name: t.name, files: t.files,
		ip: t.lab.ip(host), from: "http://" + net.JoinHostPort(t.lab.ip(origin), strconv.Itoa(httpPort)) + "/", tracker: t.announce(), private: t.http,
	}
	return j, os.MkdirAll(j.dir, 0o700)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// timeLimit returns the timeout of a run whose bound is known.
func timeLimit(bound float64, stagger time.Duration, peers int) time.Duration {
	return max(leastTimeout, time.Duration(timeoutBounds*bound*float64(time.Second))) + stagger*time.Duration(peers)
}

// filesOf lists the files of a content relative to its parent folder, with slashes.
func filesOf(source, name string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(source, name), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(source, path)
		out = append(out, filepath.ToSlash(rel))
		return err
	})
	return out, err
}
