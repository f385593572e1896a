package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/store"
)

const (
	// maxEarlier is how many earlier versions are looked into unasked: beyond the last few there is little left.
	maxEarlier = 4
	// maxBeside bounds what is listed of the target's folder.
	maxBeside = 10_000
	// indexWait is how long somebody else may take for an index, which then is done without.
	indexWait = time.Minute
)

// chunksFile is the file of a record with the chunk index of a fetch that is not done.
const chunksFile = "chunks"

// hints say what may help to find bytes on disk. None of them is proof of anything.
type hints struct {
	sums   [][32]byte // SHA-256 of each file
	chunks []byte     // a chunk index
}

// add takes what more is known, but for an index that is there.
func (h *hints) add(more hints) {
	h.sums = more.sums
	if h.chunks == nil {
		h.chunks = more.chunks
	}
}

// readHints reads the index that the user named, or that lies beside the .torrent, and looks whether there is what to
// reuse.
func (r *FetchRequest) readHints(ref catalog.Ref) error {
	for _, place := range r.Reuse {
		if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "--reuse: no file or folder at %q", place)
		} else if err != nil {
			return fmt.Errorf("--reuse: %w", err)
		}
	}
	var err error
	switch {
	case r.ChunksFile != "":
		if r.hints.chunks, err = readIndex(r.ChunksFile); err == nil {
			_, err = chunk.Decode(r.hints.chunks)
		}
		if err != nil {
			err = fault.Hint(fault.New(cmp.Or(fault.KindOf(err), fault.Failed), "--chunks-file %q: %w", r.ChunksFile, err),
				"p2pshare publish --chunks on -o FILE.torrent writes FILE.chunks")
		}
	case ref.Kind == catalog.File:
		// Of what nobody named, nobody wants to hear that it is not there.
		r.hints.chunks, _ = readIndex(chunksBeside(ref.Path))
	}
	return err
}

func readIndex(path string) ([]byte, error) {
	at, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no such file")
	}
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(at))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, _, err := content.OpenRegular(root, filepath.Base(at)) // a FIFO would be waited for
	if errors.Is(err, content.ErrNotRegular) {
		return nil, errors.New("it is no file")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, chunk.MaxBytes+1))
}

// chunksBeside is where the index of a .torrent is looked for: release.torrent, release.chunks.
func chunksBeside(torrent string) string { return strings.TrimSuffix(torrent, ".torrent") + ".chunks" }

// reuse takes what is on disk elsewhere, and gives how much of what is wanted is proven then.
func (f *fetch) reuse(ctx context.Context, proven int64) (int64, error) {
	if proven >= f.plan.WantedBytes() {
		return proven, nil
	}
	if f.sealed != nil || f.r.Entry != nil && f.r.Entry.Held && len(f.r.Reuse) == 0 {
		if len(f.r.Reuse) > 0 || f.r.hints.chunks != nil {
			warn(f.on, "nothing is reused for %s: it was published with --seal, which encrypts anew each time, so that no two versions have bytes in common", f.name())
		}
		return proven, nil
	}
	places := f.n.places(f.r, f.meta.Name, f.meta.Dir)
	if f.r.Repair {
		places = append([]string{f.plan.Target()}, places...)
	}
	if len(places) == 0 {
		return proven, nil
	}
	h := &hashing{on: f.on, phase: "reusing", name: f.meta.Name}
	n, err := f.stage.Reuse(ctx, fetcher.Reuse{Places: places, Except: f.n.others(f.group()), Sums: f.r.hints.sums, Chunks: f.chunks(ctx), Progress: h.progress})
	if err == nil && n > 0 {
		tell(f.on, "%d %% of %s is on disk already, and is reused", 100*n/max(f.plan.WantedBytes(), 1), f.meta.Name)
	}
	return proven + n, err
}

// chunks is the index of the content, from wherever there is one; nil: nowhere.
func (f *fetch) chunks(ctx context.Context) *chunk.Index {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	b := f.r.hints.chunks
	var err error
	switch {
	case b != nil:
	case f.r.Entry != nil && f.r.Entry.Chunks != "":
		b, err = f.n.signedIndex(ctx, f.r.Entry)
	case f.ref.Kind == catalog.URL:
		// Most have none: that is no news.
		if b, err = f.n.getIndex(ctx, f.ref.URL); err != nil {
			f.n.log.Debug("no chunk index beside a torrent", "url", f.ref.URL, "reason", err)
			return nil
		}
	default:
		return nil
	}
	var x *chunk.Index
	if err == nil {
		x, err = chunk.Decode(b)
	}
	if err == nil {
		err = x.Fits(f.meta)
	}
	if err != nil {
		warn(f.on, "only what has not moved within its file is reused: %v", err)
		return nil
	}
	return x
}

// getIndex asks the server of a .torrent for the index beside it.
func (n *Node) getIndex(ctx context.Context, torrent string) ([]byte, error) {
	u, err := url.Parse(torrent)
	if err != nil || !strings.HasSuffix(u.Path, ".torrent") {
		return nil, errors.New("the address does not end in .torrent")
	}
	u.Path, u.RawPath = chunksBeside(u.Path), ""
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := n.guard.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, chunk.MaxBytes+1))
}

// places is where bytes of content called name may be: where the user says, in earlier versions that the home knows, and in
// those beside the target.
func (n *Node) places(r FetchRequest, name string, dir bool) []string {
	group := ""
	if r.Entry != nil {
		group = r.Entry.Group
	}
	others := n.others(group)
	unasked := slices.DeleteFunc(slices.Concat(n.earlier(r, name), beside(r.Dir, name, dir)), func(p string) bool {
		return slices.ContainsFunc(others, func(o string) bool { return sameOrWithin(p, o) })
	})
	list := slices.Concat(r.Reuse, unasked)
	seen := map[string]bool{filepath.Join(r.Dir, name): true}
	return slices.DeleteFunc(list, func(p string) bool {
		p = filepath.Clean(p)
		again := seen[p]
		seen[p] = true
		return again
	})
}

// earlier lists the content of shares of the home that have the entry's name, or the torrent's but for a number in it,
// the newest first. Content of a private group is for that group alone; see others.
func (n *Node) earlier(r FetchRequest, name string) (paths []string) {
	key, entry, group := fetcher.NameKey(name), "", ""
	if r.Entry != nil {
		entry, _, _ = strings.Cut(r.Entry.Ref, "@")
		group = r.Entry.Group
	}
	var found []record
	for _, rec := range n.records() {
		of, _, _ := strings.Cut(rec.Entry, "@")
		if rec.Path != "" && rec.Fetch == nil && (rec.Group == "" || rec.Group == group) && (fetcher.NameKey(rec.Name) == key || entry != "" && of == entry) {
			found = append(found, rec)
		}
	}
	slices.SortStableFunc(found, func(a, b record) int { return b.Added.Compare(a.Added) })
	for _, rec := range found[:min(len(found), maxEarlier)] {
		paths = append(paths, cmp.Or(rec.Sealed, rec.Path))
	}
	return paths
}

// others lists where content of private groups but one lies, as far as the home knows. It is left out of what is looked into
// for anybody else, unless the user names it: what a fetch has at once tells its swarm what was on disk.
func (n *Node) others(group string) (paths []string) {
	for _, rec := range n.records() {
		if rec.Group != "" && rec.Group != group && rec.Path != "" {
			paths = append(paths, rec.Path)
			if rec.Sealed != "" {
				paths = append(paths, rec.Sealed)
			}
		}
	}
	return paths
}

// sameOrWithin says whether p is folder or lies below it, through symlinks too.
func sameOrWithin(p, folder string) bool {
	for _, f := range []*string{&p, &folder} {
		if at, err := filepath.EvalSymlinks(*f); err == nil {
			*f = at
		}
	}
	return within(p, folder)
}

// records are those of the home's shares, whoever has it.
func (n *Node) records() (list []record) {
	if k := n.keeper; k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, it := range k.items {
			list = append(list, it.rec)
		}
		return list
	}
	h, err := readHome(n.home, store.Read[record])
	if err != nil {
		n.log.Debug("earlier versions are not looked for in the home", "reason", err)
		return nil
	}
	for i := range h.items {
		list = append(list, h.items[i].Value)
	}
	return list
}

// beside lists what lies in a folder under the name of another version, the newest first.
func beside(folder, name string, dir bool) (paths []string) {
	f, err := os.Open(folder)
	if err != nil {
		return nil // it is yet to be made
	}
	defer f.Close()
	list, _ := f.ReadDir(maxBeside) // an error ends it early, and others tell of it
	key := fetcher.NameKey(name)
	type one struct {
		path string
		at   time.Time
	}
	var found []one
	for _, e := range list {
		if e.Name() == name || e.IsDir() != dir || !dir && !e.Type().IsRegular() || fetcher.NameKey(e.Name()) != key {
			continue
		}
		if fi, err := e.Info(); err == nil {
			found = append(found, one{filepath.Join(folder, e.Name()), fi.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b one) int { return b.at.Compare(a.at) })
	for _, x := range found[:min(len(found), maxEarlier)] {
		paths = append(paths, x.path)
	}
	return paths
}
