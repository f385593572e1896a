package fetcher

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Options say what of a torrent is wanted, and where.
type Options struct {
	Dir string // absolute; the content becomes Dir/<the torrent's name>

	// Only are globs over the paths below the name, with ** for any number of folders; a glob that
	// matches a folder means all in it. For a torrent that is no folder they match the name.
	Only []string
	// Select are indices of files in the torrent's order, without pads (BEP 53). Only overrules it: a
	// link may come from anybody, globs come from the user.
	Select []int

	// Replace has files of the target that are not the content give way to those that are. Otherwise nothing is ever replaced.
	Replace bool

	// Holds says whether the file system can hold a name, and keep it apart from a rival if that is not empty; nil: it is
	// tried, in the staging folder.
	Holds func(name, rival string) bool

	// FreeSpace says how many bytes can be written below a folder; nil: the system is asked.
	FreeSpace func(dir string) (uint64, error)
	// MaxFile is the longest file that the file system of a folder holds, in bytes; 0: not known. nil: the system is asked.
	MaxFile func(dir string) int64
}

// Range is pieces from Begin up to but without End.
type Range struct{ Begin, End int }

// Plan is what is to be fetched, and what it will be called. Existing and Open change it.
type Plan struct {
	t      *metafile.Torrent
	dir    string
	free   func(dir string) (uint64, error)
	most   func(dir string) int64
	layout *content.Layout // v1's if there is one, for its hashes

	holds func(name, rival string) bool // nil: the file system is tried
	top   string                        // what the content is called below dir
	local []string                      // per file: its place below top; empty for a torrent that is no folder
	links func(path []string) string    // where a path of the torrent is below top

	want  []bool // per file
	files int
	bytes int64

	judged bool            // Existing has looked
	merge  bool            // the target is a folder to add to
	kept   []bool          // per file: wanted, and in the target already
	over   []bool          // per file: what is in its place is replaced; nil: nothing ever is
	proven []bool          // per piece: its wanted bytes are right in the target
	stamps []content.Stamp // per file: as it was in the target when it was hashed; nil: nothing was there
}

// NewPlan decides what of t is wanted. It touches nothing on disk.
func NewPlan(t *metafile.Torrent, o Options) (*Plan, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("plan of %q: %q is not an absolute folder", t.Name, o.Dir)
	}
	if strings.TrimRight(names.Key(t.Name), ". ") == stagingName { // some systems drop these
		return nil, fault.Hint(
			fault.New(fault.Unverified, "a torrent called %q would take the place of p2pshare's own folder", t.Name),
			"whoever made it has to give it another name")
	}
	p := &Plan{t: t, dir: filepath.Clean(o.Dir), free: o.FreeSpace, most: o.MaxFile, holds: o.Holds, top: t.Name}
	p.place(func(_ string, n names.Name) string { return n.Own })
	if p.free == nil {
		p.free = osfs.Free
	}
	if p.most == nil {
		p.most = maxFileSize
	}
	var err error
	if p.layout, err = planLayout(t); err != nil {
		return nil, err
	}
	if p.want, err = choose(t, o); err != nil {
		return nil, err
	}
	for i, w := range p.want {
		if w {
			p.files++
			p.bytes += t.Files[i].Length
		}
	}
	p.kept = make([]bool, len(t.Files))
	if o.Replace {
		p.over = make([]bool, len(t.Files))
	}
	p.proven = make([]bool, p.layout.Pieces())
	return p, nil
}

// Target is where the content will be. It is known for certain after Open, or when Existing has found it.
func (p *Plan) Target() string { return filepath.Join(p.dir, p.top) }

// Files is how many files are wanted.
func (p *Plan) Files() int { return p.files }

// Want says of each file of the torrent whether it is wanted. It is not to be changed.
func (p *Plan) Want() []bool { return p.want }

// Part says whether some file is not wanted.
func (p *Plan) Part() bool { return p.files < len(p.want) }

// WantedBytes is the size of the files that are wanted.
func (p *Plan) WantedBytes() int64 { return p.bytes }

// Wanted is the pieces that hold bytes of wanted files, in order, without those that Existing proved.
func (p *Plan) Wanted() []Range {
	var ranges []Range
	for i, need := range p.needed() {
		if !need {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].End == i {
			ranges[n-1].End++
		} else {
			ranges = append(ranges, Range{i, i + 1})
		}
	}
	return ranges
}

// Inside says of each piece whether all its bytes are of wanted files.
func (p *Plan) Inside() []bool {
	in := make([]bool, p.layout.Pieces())
	for i := range in {
		in[i] = true
	}
	for i := range p.t.Files {
		if p.want[i] {
			continue
		}
		begin, end := p.t.PieceRange(&p.t.Files[i])
		for k := begin; k < end; k++ {
			in[k] = false
		}
	}
	return in
}

// Edges are the pieces that hold bytes of files that are wanted and of others.
func (p *Plan) Edges() (edges []int) {
	for i, in := range p.Inside() {
		if !in && p.wantedIn(i) > 0 {
			edges = append(edges, i)
		}
	}
	return edges
}

// needed says for each piece whether it has to be fetched.
func (p *Plan) needed() []bool {
	need := make([]bool, p.layout.Pieces())
	for i := range p.t.Files {
		if !p.want[i] {
			continue
		}
		begin, end := p.t.PieceRange(&p.t.Files[i])
		for k := begin; k < end; k++ {
			need[k] = !p.proven[k]
		}
	}
	return need
}

// wantedIn is how many bytes of wanted files a piece holds.
func (p *Plan) wantedIn(piece int) int64 {
	start := int64(piece) * p.t.PieceLength
	end := start + p.t.PieceLength
	var n int64
	for _, e := range p.layout.Extents(start, end) {
		if e.File != content.Padding && p.want[e.File] {
			n += min(e.Offset+e.Length, end) - max(e.Offset, start)
		}
	}
	return n
}

// planLayout is the piece space that t's hashes are about: v1's, with its pads, wherever there is one.
func planLayout(t *metafile.Torrent) (*content.Layout, error) {
	info := *t.Info
	if t.V1 != nil {
		info.MetaVersion = 0
	}
	return content.LayoutOf(t, &info)
}

func choose(t *metafile.Torrent, o Options) ([]bool, error) {
	want := make([]bool, len(t.Files))
	switch {
	case len(o.Only) > 0:
		for _, glob := range o.Only {
			if err := match(t, glob, want); err != nil {
				return nil, err
			}
		}
	case len(o.Select) > 0:
		for _, i := range o.Select {
			if i < 0 || i >= len(want) {
				return nil, fault.New(fault.Usage, "the link selects file %d of %q, which has %d", i, t.Name, len(want))
			}
			want[i] = true
		}
	default:
		for i := range want {
			want[i] = true
		}
	}
	return want, nil
}

// match wants the files that glob names. One that names none is an error: it is a typing mistake.
func match(t *metafile.Torrent, glob string, want []bool) error {
	glob = strings.TrimSuffix(glob, "/")
	if glob == "" || !doublestar.ValidatePattern(glob) {
		return fault.New(fault.Usage, "%q is no glob", glob)
	}
	found := false
	for i := range t.Files {
		path := t.FilePath(i)
		if !t.Dir {
			path = t.Name
		}
		for p := path; p != ""; p = parent(p) {
			// The pattern is valid, which is all that Match can complain of.
			if ok, _ := doublestar.Match(glob, p); ok {
				want[i], found = true, true
				break
			}
		}
	}
	if found {
		return nil
	}
	return fault.Hint(
		fault.New(fault.NotFound, "no file of %q matches %q", t.Name, glob),
		"it has %s; ** matches any number of folders", someNames(t))
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

func someNames(t *metafile.Torrent) string {
	if !t.Dir {
		return fmt.Sprintf("%q alone", t.Name)
	}
	var shown []string
	for i := range t.Files {
		if i == shownNames {
			shown = append(shown, fmt.Sprintf("and %d more", len(t.Files)-i))
			break
		}
		shown = append(shown, fmt.Sprintf("%q", t.FilePath(i)))
	}
	return strings.Join(shown, ", ")
}
