package seeder

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Format says which versions of BitTorrent can read a torrent.
type Format string

// Auto means V1, which every client can fetch: aria2 and Transmission 3 cannot read hybrids.
const (
	Auto   Format = "auto"
	Hybrid Format = "hybrid"
	V1     Format = "v1"
	V2     Format = "v2"
)

// Options of a build.
type Options struct {
	Path        string     // file or folder; a symlink to one is followed
	Name        string     // empty: the base name of Path
	Format      Format     // empty: Auto
	PieceLength int64      // bytes, a power of two; 0: chosen by size
	Private     bool       // BEP 27
	Salt        []byte     // for private groups: SaltSize random bytes in the info; requires Private, excludes trackers and web seeds
	Trackers    [][]string // tiers (BEP 12)
	WebSeeds    []string   // BEP 19
	Exclude     []string   // gitignore patterns; they override the ignore files
	Own         []string   // p2pshare's homes: never published, nor anything that looks like part of another home; empty: no check
	Comment     string
	Portable    bool // refuse names that are not valid on every system
	Fine        bool // make automatic pieces a quarter as long, so that a later version with small changes costs less
	Sums        bool // also compute the SHA-256 of every file
	Workers     int  // 0: all cores

	// Progress reports the bytes hashed so far. They never decrease; calls do not overlap. May be nil.
	Progress func(done, total int64)
	// Warn is called before hashing, with warnings about files that look like secrets and names that are not displayed as they are; may be nil.
	Warn func(string)
}

// Built is a torrent and the location of its content.
type Built struct {
	Torrent *metafile.Torrent
	Bytes   []byte          // the .torrent file, the same on every run
	Located content.Located // its stamps were valid before and after hashing
	Format  Format          // the format that was chosen; never Auto
	Trouble []Trouble       // names that are not valid on every system
	Skipped []Skipped       // files that cannot be published; excluded files are not listed
	Sums    []Sum           // one per file, in torrent order; nil unless requested
}

// Build makes a torrent of the file or folder at o.Path. If a file changes meanwhile, the error names it.
func Build(ctx context.Context, o Options) (*Built, error) {
	at, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", o.Path, err)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	t, err := o.walk(ctx, at)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(t, o)
	if err != nil {
		return nil, err
	}
	if text := t.obscure(p.name); text != "" && o.Warn != nil {
		o.Warn(text)
	}
	trouble := t.named(p.name)
	if o.Portable {
		if err := portable(p.name, trouble); err != nil {
			return nil, err
		}
	}
	sums, err := p.hash(ctx, o)
	if err != nil {
		return nil, err
	}
	b, err := p.encode(o)
	if err != nil {
		return nil, err
	}
	torrent, err := metafile.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("decode the torrent of %q: %w", at, err)
	}
	return &Built{
		Torrent: torrent, Bytes: b, Located: p.located(), Format: p.format, Trouble: trouble, Skipped: t.skipped, Sums: sums,
	}, nil
}

// walk finds the files to publish, and warns about those that look like secrets.
func (o Options) walk(ctx context.Context, at string) (*tree, error) {
	t, err := walk(ctx, at, o.Exclude, o.Own)
	if err != nil {
		return nil, err
	}
	if text := t.warning(); text != "" && o.Warn != nil {
		o.Warn(text)
	}
	return t, nil
}

// validate refuses options that are wrong whatever the content is.
func (o Options) validate() error {
	switch o.Format {
	case "", Auto, Hybrid, V1, V2:
	default:
		return fault.New(fault.Usage, "format %q: want %s, %s, %s or %s", o.Format, Auto, Hybrid, V1, V2)
	}
	n := o.PieceLength
	if n != 0 && (n < minPieceLength || n > maxPieceLength || n&(n-1) != 0) {
		return fault.New(fault.Usage, "piece length %d: want a power of two from %d (16 KiB) to %d (64 MiB)", n, minPieceLength, maxPieceLength)
	}
	if o.Salt != nil {
		switch {
		case len(o.Salt) != SaltSize:
			return fault.New(fault.Usage, "a salt of %d bytes, want %d", len(o.Salt), SaltSize)
		case !o.Private:
			return fault.New(fault.Usage, "a salt in a torrent that is not private")
		case len(slices.Concat(o.Trackers...)) > 0, len(o.WebSeeds) > 0:
			// A tracker or web server would learn the infohash, and who requests it.
			return fault.New(fault.Usage, "content of a private group comes only from its members: no trackers, no web seeds")
		}
	}
	if o.Name != "" {
		if err := names.Check(o.Name); err != nil {
			return fault.New(fault.Usage, "name of the torrent: %w", err)
		}
	}
	return nil
}

// plan is a torrent whose hashes are not computed yet.
type plan struct {
	tree        *tree
	name        string
	format      Format
	pieceLength int64
	entries     []entry // in torrent order
	layout      *content.Layout
	sums        []content.PieceSums // one per piece
}

func newPlan(t *tree, o Options) (*plan, error) {
	p := &plan{tree: t, name: cmp.Or(norm.NFC.String(o.Name), t.name), format: o.Format, entries: t.entries}
	if err := names.Check(p.name); err != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "%q cannot be the name of a torrent: %w", p.name, err), "give another with --name")
	}
	if p.format == "" || p.format == Auto {
		p.format = V1
	}
	if p.format == V2 && t.dir && len(p.entries) == 1 && len(p.entries[0].path) == 1 && p.entries[0].path[0] == p.name {
		return nil, fault.Hint(
			fault.New(fault.Usage, "the only file in folder %q has the same name as the torrent, which BitTorrent v2 reads as a single file", t.root),
			"publish the file itself, give another --name, or use --format v1")
	}
	p.order()
	p.pieceLength = o.PieceLength
	if p.pieceLength == 0 {
		p.pieceLength = choosePieceLength(t.size, len(p.entries), p.format != V1 && t.dir)
		for range fineHalves {
			if n := p.pieceLength / 2; o.Fine && n >= leastChosen && t.size/n < maxPieces/2 {
				p.pieceLength = n
			}
		}
	}
	extents := p.extents()
	var end int64 // 0: all files are empty
	if n := len(extents); n > 0 {
		end = extents[n-1].Offset + extents[n-1].Length
	}
	if pieces := (end + p.pieceLength - 1) / p.pieceLength; pieces > maxPieces {
		return nil, fault.Hint(fault.New(fault.Usage, "piece length %d makes %d pieces; other clients accept at most %d", p.pieceLength, pieces, maxPieces),
			"choose a larger --piece-length, or leave it out")
	}
	var err error
	if p.layout, err = content.NewLayout(p.pieceLength, extents); err != nil {
		return nil, fmt.Errorf("lay out %q: %w", t.root, err)
	}
	p.sums = make([]content.PieceSums, p.layout.Pieces())
	return p, nil
}

// order sorts the files as other tools do: v1 by the bytes of the whole path, like mktorrent; v2 component by
// component, like the keys of the file tree (BEP 52). The two lists of a hybrid have to agree.
func (p *plan) order() {
	if p.format == V1 {
		slices.SortFunc(p.entries, func(a, b entry) int {
			return strings.Compare(strings.Join(a.path, "/"), strings.Join(b.path, "/"))
		})
		return
	}
	slices.SortFunc(p.entries, func(a, b entry) int { return slices.Compare(a.path, b.path) })
}

// extents places the files in the piece space: end to end in v1, each at the start of a piece in v2. A hybrid
// fills the gaps with pad files.
func (p *plan) extents() []content.Extent {
	var extents []content.Extent
	var off int64
	for i, e := range p.entries {
		size := e.stamp.Size
		if size == 0 {
			continue
		}
		extents = append(extents, content.Extent{File: i, Offset: off, Length: size})
		off += size
		if pad := p.pad(size); pad > 0 {
			if p.format == Hybrid && p.padded() {
				extents = append(extents, content.Extent{File: content.Padding, Offset: off, Length: pad})
			}
			off += pad
		}
	}
	return extents
}

// pad returns the bytes from the end of a file to the next piece, in formats where files start at pieces.
func (p *plan) pad(size int64) int64 {
	if p.format == V1 {
		return 0
	}
	return -size & (p.pieceLength - 1)
}

// padded says whether a hybrid has pad files. libtorrent, whose infohashes ours must equal, puts one after
// every file that needs one, including the last, unless there is only one file.
func (p *plan) padded() bool { return len(p.entries) > 1 }

// choosePieceLength returns a power of two; for hybrid and v2 folders a smaller one, to keep the pads small.
func choosePieceLength(size int64, files int, aligned bool) int64 {
	n := int64(leastChosen)
	for n < mostChosen && size/n > targetPieces || size/n > maxPieces/2 && n < maxPieceLength {
		n *= 2
	}
	if aligned {
		// A pad is half a piece on average.
		for n > minPieceLength && n/2*int64(files) > size/padShare && size/n < padPieces {
			n /= 2
		}
	}
	return n
}

// hash fills in the pieces' sums, and returns the files' sums if they are requested.
func (p *plan) hash(ctx context.Context, o Options) ([]Sum, error) {
	var mu sync.Mutex
	var done int64
	passes := int64(1)
	if o.Sums {
		passes = 2 // run side by side, and count as half of each byte
	}
	progress := func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		done += n
		if o.Progress != nil {
			o.Progress(done/passes, p.tree.size)
		}
	}
	var sums []Sum
	group, running := errgroup.WithContext(ctx)
	if o.Sums {
		group.Go(panics.Caught(func() (err error) {
			sums, err = p.fileSums(running, o.Workers, progress)
			return err
		}))
	}
	group.Go(panics.Caught(func() error {
		return content.Hashing{
			Layout: p.layout, Located: p.located(), V1: p.format != V2, V2: p.format != V1, Workers: o.Workers,
			Piece:    func(i int, s content.PieceSums) { p.sums[i] = s },
			Broken:   func(_ int, err error) error { return hashError(err) },
			Progress: progress,
		}.Run(running)
	}))
	if err := group.Wait(); err != nil {
		return nil, err
	}
	// A file that was hashed early may have changed while the others were hashed.
	return sums, p.located().Unchanged(ctx)
}

// hashError adds a hint to an error about a file.
func hashError(err error) error {
	return fault.Hint(err, "publish again when nothing is writing there, or --exclude the file")
}

func (p *plan) located() content.Located {
	l := content.Located{Root: p.tree.root}
	for _, e := range p.entries {
		l.Paths = append(l.Paths, e.disk)
		l.Stamps = append(l.Stamps, e.stamp)
	}
	return l
}
