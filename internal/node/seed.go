package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// maxTorrentsFound bounds the search for .torrent files below a folder: more is a wrong folder.
const maxTorrentsFound = 10_000

// Seed keeps content on disk available until ctx ends. What is not what its torrent says is told and
// passed over; it is an error if nothing is left, or once the last share has stopped.
func (n *Node) Seed(ctx context.Context, r SeedRequest, on func(Event)) error {
	if err := checkKeeping(r.Limits, r.Policy, r.Peers, r.Announce); err != nil {
		return err
	}
	if n.keeper != nil {
		return n.keeper.seedAll(ctx, r, on)
	}
	files, err := findTorrents(r.Torrents)
	if err != nil {
		return err
	}
	on, end := n.hear(on)
	defer end()
	n.guard.Allow(r.Announce...)
	var (
		shares []*share
		last   error
		have   = map[string]bool{}
	)
	defer func() {
		for _, s := range shares {
			s.close()
		}
	}()
	for _, f := range files {
		s, err := n.seedOne(ctx, f, r, have, on)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && len(files) == 1:
			return err
		case err != nil:
			warn(on, "%s is not seeded: %v", f, err)
			last = err
		case s != nil:
			shares = append(shares, s)
		}
	}
	if len(shares) == 0 {
		return fault.Hint(fmt.Errorf("nothing to seed: %w", last), "--data DIR names the folder that holds the content")
	}
	return runAll(ctx, shares, on)
}

// runAll serves every share. One that stops leaves the others; the last one's error is returned. on is called
// from several goroutines.
func runAll(ctx context.Context, shares []*share, on func(Event)) error {
	var (
		all  panics.Group
		mu   sync.Mutex
		last error
	)
	for _, s := range shares {
		all.Start(func() {
			if err := panics.Catch(func() error { return s.run(ctx, on) }); err != nil {
				mu.Lock()
				last = err
				mu.Unlock()
			}
		})
	}
	if bug := all.Wait(); bug != nil {
		return bug
	}
	if ctx.Err() != nil {
		return nil
	}
	return last
}

// seedOne checks the content of one .torrent and shares it; nil for one that is shared already.
func (n *Node) seedOne(ctx context.Context, file string, r SeedRequest, have map[string]bool, on func(Event)) (*share, error) {
	m, err := metafile.ReadFile(file)
	if err != nil {
		return nil, err
	}
	v1, v2 := hashes(m)
	if have[v1+v2] {
		return nil, nil
	}
	have[v1+v2] = true
	dir := r.Data
	if dir == "" {
		dir = filepath.Dir(file)
	}
	at, err := content.At(m, content.In(m, dir))
	if err != nil {
		return nil, fault.Hint(err, "--data DIR names the folder that holds %q", m.Name)
	}
	rep, err := check(ctx, m, at, nil, on)
	if err != nil {
		return nil, err
	}
	if !rep.OK {
		return nil, differs(m, rep)
	}
	at.Stamps = rep.Stamps
	return n.share(ctx, m, at, nil, shareOptions{peers: r.Peers, announce: r.Announce, limits: r.Limits, policy: r.Policy}, on)
}

// differs names the first file that is not what the torrent says, one that is wrong itself before one that cannot be
// checked for its sake.
func differs(m *metafile.Torrent, rep *content.Report) error {
	bad, first, named := 0, "", content.FileReport{Shares: true}
	for i, f := range rep.Files {
		if f.Problem == "" {
			continue
		}
		if bad++; first == "" || named.Shares && !f.Shares {
			first, named = fmt.Sprintf("%q: %s", m.FilePath(i), f.Problem), f
		}
	}
	if bad > 1 {
		first += fmt.Sprintf(" (and %d more)", bad-1)
	}
	return fault.Hint(fault.New(fault.Unverified, "%q is not what the torrent says: %s", m.Name, first),
		"p2pshare verify lists every difference; p2pshare fetch into another folder brings the content")
}

// findTorrents lists .torrent files: those named, and those below folders that are named.
func findTorrents(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		fi, err := os.Stat(p)
		if err != nil {
			kind := fault.Failed
			if errors.Is(err, fs.ErrNotExist) {
				kind = fault.NotFound
			}
			return nil, fault.New(kind, "%w", err)
		}
		if !fi.IsDir() {
			out = append(out, p)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(p, func(f string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == ".p2pshare" {
				return fs.SkipDir
			}
			if d.Type().IsRegular() && strings.HasSuffix(strings.ToLower(d.Name()), ".torrent") {
				out = append(out, f)
			}
			if len(out) > maxTorrentsFound {
				return fault.New(fault.Usage, "%q holds more than %d .torrent files", p, maxTorrentsFound)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, fault.New(fault.NotFound, "no .torrent file below %q", p)
		}
	}
	return out, nil
}
