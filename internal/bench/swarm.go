package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// SwarmOptions of Swarm. Rates are in bytes per second, 0 for no limit.
type SwarmOptions struct {
	Links
	Stagger time.Duration // between the starts of two fetchers
	Leave   Leave
	Kinds   []string // nil: all that are installed; A+B: an origin A, with alternating fetchers of A and B
	Runs    int
}

// ParseLeave parses "half" and "origin=COPIES", or both.
func ParseLeave(s string) (l Leave, err error) {
	for part := range strings.SplitSeq(s, ",") {
		copies, isOrigin := strings.CutPrefix(part, "origin=")
		switch {
		case s == "":
		case part == "half":
			l.Half = true
		case isOrigin:
			// With less than one copy nobody could ever get everything.
			if l.Copies, err = strconv.ParseFloat(copies, 64); err == nil && l.Copies >= 1 && l.Copies <= maxPeers {
				continue
			}
			fallthrough
		default:
			return Leave{}, fault.Hint(fault.New(fault.Usage, "%q does not say who leaves", part), "write half, or origin=COPIES with at least 1, such as origin=1.3")
		}
	}
	return l, nil
}

// Swarm measures how long it takes until all fetchers of one origin have everything.
func Swarm(ctx context.Context, e Env, o SwarmOptions) (*Report, error) {
	if err := checkCounts(o.Peers, o.Runs, o.Size); err != nil {
		return nil, err
	}
	kinds, absent, err := e.choose(o.Kinds, anyClient, true)
	if err != nil {
		return nil, err
	}
	if err := e.needLab(); err != nil {
		return nil, err
	}
	b, err := begin(e, "swarm", "One origin, "+fetchers(o.Peers)+", "+o.describe(), o.Size*int64(o.Peers+2))
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.report.Absent = absent
	b.programs(ctx, kinds)
	t, err := b.swarm(ctx, o.Links, "payload.bin", func(path string) error { return noise(path, 1, o.Size) })
	if err != nil {
		return nil, err
	}
	t.stagger, t.leave, t.timeout = o.Stagger, o.Leave, timeLimit(o.Bound(), o.Stagger, o.Peers)
	if err := b.torrent(ctx, filepath.Join(t.source, t.name), t.torrent, pieceLength); err != nil {
		return nil, err
	}
	err = b.rounds(ctx, "", o.Runs, kinds, func(kind string, round int) Run { return t.run(ctx, kind, round) })
	if err != nil {
		return nil, err
	}
	b.report.swarmTable("", kinds, o.Links, o.Runs)
	b.report.plot("", b.report.Title, kinds, o.Links)
	if o.Stagger > 0 {
		b.note("Each fetcher's time starts when the fetcher starts.")
	}
	return b.report, nil
}

func (o SwarmOptions) describe() string {
	s := fmt.Sprintf("%s, origin up %s, fetchers up %s, down %s", Size(o.Size), mbit(o.OriginUp), mbit(o.Up), mbit(o.Down))
	if o.Stagger > 0 {
		s += fmt.Sprintf(", started %v apart", o.Stagger)
	}
	if o.Leave.Half {
		s += ", every second fetcher leaves when it is done"
	}
	if o.Leave.Copies > 0 {
		s += fmt.Sprintf(", the origin leaves after %g copies", o.Leave.Copies)
	}
	return s
}

func fetchers(n int) string {
	if n == 1 {
		return "one fetcher"
	}
	return fmt.Sprintf("%d fetchers", n)
}

func checkCounts(peers, runs int, size int64) error {
	switch {
	case peers < 1 || peers > maxPeers:
		return fault.New(fault.Usage, "%d fetchers are not between 1 and %d", peers, maxPeers)
	case runs < 1 || runs > maxRuns:
		return fault.New(fault.Usage, "%d runs are not between 1 and %d", runs, maxRuns)
	case size < minSize:
		return fault.New(fault.Usage, "a payload of %d bytes is too small to measure", size)
	}
	return nil
}

// swarm makes a network with the given links, and the content.
func (b *bench) swarm(ctx context.Context, links Links, name string, write func(path string) error) (*transfer, error) {
	t := &transfer{bench: b, links: links, source: filepath.Join(b.work, "source"), name: name, torrent: filepath.Join(b.work, name+".torrent")}
	if err := write(filepath.Join(t.source, name)); err != nil {
		return nil, fmt.Errorf("writing the payload: %w", err)
	}
	var err error
	if t.files, err = filesOf(t.source, name); err != nil {
		return nil, fmt.Errorf("writing the payload: %w", err)
	}
	if err := b.network(ctx, links.Peers+1); err != nil {
		return nil, err
	}
	if err := b.lab.shape(ctx, origin, links.OriginUp, 0); err != nil {
		return nil, err
	}
	for i := range links.Peers {
		if err := b.lab.shape(ctx, origin+1+i, links.Up, links.Down); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// swarmTable adds the table of a part. A mixed swarm also has a row for each of its kinds.
func (r *Report) swarmTable(part string, kinds []string, links Links, runs int) {
	bound := links.Bound()
	t := Table{
		Title:   fmt.Sprintf("%sbound %.2f s, %s", lead(part), bound, turns(runs)),
		Columns: []string{"client", "median fetcher, s", "last, s", "last / bound", "copies the origin sent", "whole"},
	}
	for _, k := range kinds {
		last := r.median(part, k, valueSeconds)
		t.Rows = append(t.Rows, []string{k, number(r.median(part, k, valueMedian), 2), number(last, 2), number(last/bound, 2), number(r.median(part, k, valueCopies), 2), r.wholes(part, k)})
		parts := strings.Split(k, "+")
		for _, p := range parts {
			if len(parts) == 1 {
				break
			}
			mid, last := r.among(part, k, p)
			t.Rows = append(t.Rows, []string{"– its " + p, number(mid, 2), number(last, 2), number(last/bound, 2), "", ""})
		}
	}
	r.Tables = append(r.Tables, t)
}

func lead(part string) string {
	if part == "" {
		return ""
	}
	return part + ": "
}

// turns says what the figures of a table are.
func turns(runs int) string {
	if runs == 1 {
		return "one run"
	}
	return fmt.Sprintf("medians of %d runs in turn", runs)
}

// among returns the medians, over the runs of a mixed swarm, of the median and the last fetcher of one of its kinds.
func (r *Report) among(part, mixed, kind string) (mid, last float64) {
	var mids, lasts []float64
	for _, run := range r.Runs {
		if run.Part != part || run.Kind != mixed {
			continue
		}
		var took []float64
		for _, f := range run.Fetchers {
			if f.Kind == kind {
				took = append(took, f.took())
			}
		}
		if len(took) > 0 {
			mids, lasts = append(mids, median(took)), append(lasts, slices.Max(took))
		}
	}
	return median(mids), median(lasts)
}
