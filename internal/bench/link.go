package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// linkPiece is the piece length for links without a limit: 1 MiB, as for releases of that size.
const linkPiece = 1 << 20

// LinkOptions of Link.
type LinkOptions struct {
	Size  int64
	Kinds []string // nil: all that are installed
	Runs  int
}

// Link measures one seeder and one fetcher, limited only by the processors.
func Link(ctx context.Context, e Env, o LinkOptions) (*Report, error) {
	if err := checkCounts(1, o.Runs, o.Size); err != nil {
		return nil, err
	}
	kinds, absent, err := e.choose(o.Kinds, anyClient, false)
	if err != nil {
		return nil, err
	}
	if err := e.needLab(); err != nil {
		return nil, err
	}
	b, err := begin(e, "link", "One seeder, one fetcher, "+Size(o.Size)+", no limit on the link", 3*o.Size)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.report.Absent = absent
	b.programs(ctx, kinds)
	t, err := b.swarm(ctx, Links{Peers: 1, Size: o.Size}, "release", func(path string) error { return release(path, o.Size) })
	if err != nil {
		return nil, err
	}
	t.timeout = unshapedLimit(o.Size)
	if err := b.torrent(ctx, filepath.Join(t.source, t.name), t.torrent, linkPiece); err != nil {
		return nil, err
	}
	err = b.rounds(ctx, "", o.Runs, kinds, func(kind string, round int) Run { return t.run(ctx, kind, round) })
	if err != nil {
		return nil, err
	}
	b.report.linkTable("", kinds, o.Size, o.Runs)
	b.note(b.report.lead("", kinds))
	return b.report, nil
}

// unshapedLimit returns the timeout for a link without a limit: based on 20 MB per second.
func unshapedLimit(size int64) time.Duration {
	return leastTimeout + time.Duration(size/20_000_000)*time.Second
}

func (r *Report) linkTable(part string, kinds []string, size int64, runs int) {
	t := Table{
		Title:   fmt.Sprintf("%s%s", lead(part), turns(runs)),
		Columns: []string{"seeder to fetcher", "s", "MB/s", "processor s per GB, both ends", "seeder", "fetcher", "memory of the seed, MB", "of the fetch, MB", "whole"},
	}
	gb := float64(size) / 1e9
	for _, k := range kinds {
		s := r.median(part, k, valueSeconds)
		seed, fetch := r.median(part, k, valueSeedCPU)/gb, r.median(part, k, valueCPU)/gb
		name := k
		if k == kindHTTP {
			name = "nginx to curl, which verifies nothing"
		}
		t.Rows = append(t.Rows, []string{name, number(s, 2), number(over(float64(size)/1e6, s), 0), number(seed+fetch, 2), number(seed, 2), number(fetch, 2),
			number(r.median(part, k, valueSeedRSS)/1e6, 0), number(r.median(part, k, valueRSS)/1e6, 0), r.wholes(part, k)})
	}
	r.Tables = append(r.Tables, t)
}

// lead compares p2pshare with the best other torrent client; empty without one.
func (r *Report) lead(part string, kinds []string) string {
	own, best, name := r.median(part, kindP2PShare, valueSeconds), 0.0, ""
	for _, k := range kinds {
		if k == kindP2PShare || !clientOf(k).torrents {
			continue
		}
		if s := r.median(part, k, valueSeconds); name == "" || s < best {
			best, name = s, k
		}
	}
	ratio := number(over(best, own), 2)
	if name == "" || ratio == "–" {
		return ""
	}
	return fmt.Sprintf("p2pshare reaches %s times the speed of the best other torrent client, %s.", ratio, name)
}
