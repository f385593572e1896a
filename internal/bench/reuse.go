package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// ReuseOptions of Reuse.
type ReuseOptions struct {
	Size  int64
	Same  int      // percent of the next version's bytes that the previous one has too
	Kinds []string // nil: all that are installed
	Runs  int
}

// Reuse measures how much of a release is fetched again by clients that have the previous one. p2pshare is given the path of
// the previous release; the others find it in place of the new one, and check it first.
func Reuse(ctx context.Context, e Env, o ReuseOptions) (*Report, error) {
	if err := checkCounts(1, o.Runs, o.Size); err != nil {
		return nil, err
	}
	if o.Same < 1 || o.Same > 99 {
		return nil, fault.New(fault.Usage, "%d %% unchanged bytes is not between 1 and 99", o.Same)
	}
	kinds, absent, err := e.choose(o.Kinds, func(c client) bool { return c.torrents }, false)
	if err != nil {
		return nil, err
	}
	if err := e.needLab(); err != nil {
		return nil, err
	}
	b, err := begin(e, "reuse", fmt.Sprintf("The next release of %s, %d %% of its bytes unchanged", Size(o.Size), o.Same), 5*o.Size)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.report.Absent = absent
	b.programs(ctx, kinds)
	old := filepath.Join(b.work, "old", "release")
	if err := release(old, o.Size*int64(o.Same)/100); err != nil {
		return nil, fmt.Errorf("writing the payload: %w", err)
	}
	t, err := b.swarm(ctx, Links{Peers: 1, Size: o.Size}, "release", func(path string) error { return nextRelease(old, path, o.Same) })
	if err != nil {
		return nil, err
	}
	if t.links.Size, _, err = treeSize(filepath.Join(t.source, t.name)); err != nil {
		return nil, err
	}
	t.timeout = unshapedLimit(o.Size)
	var publish []string
	if b.understands(ctx, "publish", "--chunks") {
		publish = []string{"--chunks", "on"}
	} else {
		b.note("This p2pshare cannot publish an index of chunks.")
	}
	// p2pshare chooses the piece length: with an index of chunks it takes shorter pieces.
	if err := b.torrent(ctx, filepath.Join(t.source, t.name), t.torrent, 0, publish...); err != nil {
		return nil, err
	}
	reuses := b.understands(ctx, "fetch", "--reuse")
	if !reuses {
		b.note("This p2pshare cannot reuse existing files (fetch --reuse): it fetches everything.")
	}
	t.prepare = func(kind string, j *job) error {
		switch {
		case kind != kindP2PShare:
			j.old = true
			return os.CopyFS(filepath.Join(j.dir, t.name), os.DirFS(old))
		case reuses:
			j.more = []string{"--reuse", old}
		}
		return nil
	}
	err = b.rounds(ctx, "", o.Runs, kinds, func(kind string, round int) Run { return t.run(ctx, kind, round) })
	if err != nil {
		return nil, err
	}
	b.report.reuseTable(kinds, t.links.Size, o.Runs)
	if err := b.noteIndex(t); err != nil {
		return nil, err
	}
	return b.report, nil
}

// noteIndex adds a note about the size of the torrent and of its index of chunks.
func (b *bench) noteIndex(t *transfer) error {
	torrent, err := os.Stat(t.torrent)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("The release has %s, its torrent %s", Size(t.links.Size), Size(torrent.Size()))
	index, err := os.Stat(strings.TrimSuffix(t.torrent, ".torrent") + ".chunks")
	if err == nil {
		note += fmt.Sprintf(", and its index of chunks %s, %.3f %%", Size(index.Size()), 100*float64(index.Size())/float64(t.links.Size))
	}
	b.note(note + ".")
	return nil
}

func (r *Report) reuseTable(kinds []string, size int64, runs int) {
	t := Table{
		Title:   fmt.Sprintf("%s, %s", Size(size), turns(runs)),
		Columns: []string{"client", "received, of the release", "s", "processor s of the fetch", "memory, MB", "whole"},
	}
	for _, k := range kinds {
		moved := number(100*r.median("", k, valueMoved)/float64(size), 1)
		if moved != "–" {
			moved += " %"
		}
		t.Rows = append(t.Rows, []string{k, moved, number(r.median("", k, valueSeconds), 2), number(r.median("", k, valueCPU), 2), number(r.median("", k, valueRSS)/1e6, 0), r.wholes("", k)})
	}
	r.Tables = append(r.Tables, t)
}
