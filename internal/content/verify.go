package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Options of a check.
type Options struct {
	Workers  int                     // 0: all cores
	Progress func(done, total int64) // bytes of payload, never falling, one call at a time; may be nil

	// Want says which files are looked at; nil: all. The others are reported as right, and so are bytes of pieces that hold bytes
	// of them: those cannot be judged without them.
	Want []bool
}

// Missing is the Problem of a file that is not there.
const Missing = "missing"

// FileReport is the outcome of a check for one file.
type FileReport struct {
	Index     int
	Problem   string // "": every byte is right
	BadPieces int    // pieces that hold bytes of the file and are not proven
	Pieces    int    // pieces that hold bytes of the file
	Shares    bool   // its own bytes may be right: what is wrong is another file that shares pieces with it
}

// Report is the outcome of a check.
type Report struct {
	Good      []bool       // per piece: proven
	Files     []FileReport // one a file, in torrent order
	Stamps    []Stamp      // as they were before and after the check; zero for a file that is not there
	OK        bool         // every file is right
	GoodBytes int64        // bytes of payload in proven pieces
}

// Verify checks the content at l against t, all of it, and reports what is wrong. Missing files are
// something to report, no error: errors are a torrent that cannot be checked (a v2 torrent from a
// magnet, without its piece layers), a root that is not there, and ctx's.
func Verify(ctx context.Context, t *metafile.Torrent, l Located, o Options) (*Report, error) {
	if err := l.Check(t); err != nil {
		return nil, err
	}
	proof, err := proofOf(t)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(l.Root)
	if err != nil {
		kind := fault.Failed
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.NotFound
		}
		return nil, fault.New(kind, "open the folder %q: %w", l.Root, underlying(err))
	}
	defer root.Close()
	c := newCheck(t, l, proof, o.Want)
	c.look(root)
	l.Stamps = c.report.Stamps

	var mu sync.Mutex
	var done, total int64
	for i := range t.Files {
		if !c.skip[i] {
			total += t.Files[i].Length
		}
	}
	err = Hashing{
		Layout: proof.layout, Located: l, V1: !proof.v2, V2: proof.v2, Skip: c.skip, Workers: o.Workers,
		Piece: c.piece,
		Broken: func(file int, err error) error {
			c.problem(file, reason(err))
			return nil
		},
		Progress: func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			done += n
			if o.Progress != nil {
				o.Progress(done, total)
			}
		},
	}.Run(ctx)
	if err != nil {
		return nil, err
	}
	return c.finish(), nil
}

// proof is what the bytes of a torrent are checked against.
type proof struct {
	layout *Layout
	v2     bool
	want   func(piece int) []byte
}

// proofOf picks the stronger of the hashes that are there: v2's, else v1's.
func proofOf(t *metafile.Torrent) (*proof, error) {
	if t.V2 != nil {
		want, err := v2Sums(t)
		if err == nil {
			layout, err := layoutV2(t)
			return &proof{layout, true, func(p int) []byte { return want[p] }}, err
		}
		if t.V1 == nil {
			return nil, err
		}
	}
	layout, err := layoutV1(t)
	if err != nil {
		return nil, err
	}
	if len(t.Info.Pieces) != 20*layout.Pieces() {
		return nil, fault.New(fault.Unverified, "torrent %q: %d bytes of piece hashes for %d pieces", t.Name, len(t.Info.Pieces), layout.Pieces())
	}
	return &proof{layout, false, func(p int) []byte { return t.Info.Pieces[20*p : 20*p+20] }}, nil
}

// v2Sums are the roots of t's pieces: from the piece layers, or a file's own root if it fits a piece.
func v2Sums(t *metafile.Torrent) ([][]byte, error) {
	var sums [][]byte
	for i, f := range t.Files {
		if f.Length == 0 {
			continue
		}
		if f.Root == nil {
			return nil, fault.New(fault.Unverified, "torrent %q: file %q has no root", t.Name, t.FilePath(i))
		}
		if f.Length <= t.PieceLength {
			sums = append(sums, f.Root[:])
			continue
		}
		var layer string
		if t.Meta != nil {
			layer = t.Meta.PieceLayers[string(f.Root[:])]
		}
		pieces := int((f.Length + t.PieceLength - 1) / t.PieceLength)
		if len(layer) != 32*pieces {
			return nil, fault.Hint(
				fault.New(fault.Failed, "torrent %q has no piece hashes for %q, so its bytes cannot be checked", t.Name, t.FilePath(i)),
				"use the .torrent file rather than a magnet link")
		}
		for p := range pieces {
			sums = append(sums, []byte(layer[32*p:32*p+32]))
		}
	}
	return sums, nil
}

// check gathers a report from many goroutines.
type check struct {
	t      *metafile.Torrent
	l      Located
	proof  *proof
	want   []bool // nil: all
	skip   []bool
	places func(path []string) string // nil: there were no symlinks yet
	mu     sync.Mutex
	report Report
}

func newCheck(t *metafile.Torrent, l Located, p *proof, want []bool) *check {
	return &check{
		t: t, l: l, proof: p, want: want, skip: make([]bool, len(t.Files)),
		report: Report{
			Good:   make([]bool, p.layout.Pieces()),
			Files:  make([]FileReport, len(t.Files)),
			Stamps: make([]Stamp, len(t.Files)),
		},
	}
}

// look finds the files that need not be read: what is missing, no file, or of a wrong size.
func (c *check) look(root *os.Root) {
	for i, f := range c.t.Files {
		c.report.Files[i].Index = i
		if !c.wants(i) {
			c.skip[i] = true
			continue
		}
		if f.Symlink != nil {
			c.link(root, i)
			continue
		}
		file, fi, err := OpenRegular(root, c.l.Paths[i])
		if err == nil {
			c.report.Stamps[i] = StampOf(file, fi)
			file.Close()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.skip[i] = true
			c.problem(i, Missing)
		case errors.Is(err, ErrNotRegular):
			c.skip[i] = true
			c.problem(i, ErrNotRegular.Error())
		case err != nil:
			c.skip[i] = true
			c.problem(i, reason(err))
		case fi.Size() != f.Length:
			c.skip[i] = true
			c.problem(i, fmt.Sprintf("wrong size: %d bytes, want %d", fi.Size(), f.Length))
		}
	}
}

func (c *check) wants(file int) bool { return c.want == nil || c.want[file] }

// link checks a symlink (BEP 47), which has no bytes: only where it points.
func (c *check) link(root *os.Root, i int) {
	p := c.l.Paths[i]
	target, err := root.Readlink(filepath.FromSlash(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.problem(i, Missing)
		return
	case err != nil:
		c.problem(i, "not a symlink")
		return
	}
	if c.places == nil {
		c.places = c.l.places(c.t)
	}
	if want := c.places(c.t.Files[i].Symlink); filepath.IsAbs(target) || path.Join(path.Dir(p), filepath.ToSlash(target)) != want {
		c.problem(i, fmt.Sprintf("a symlink to %q, want %q", target, path.Join(c.t.Files[i].Symlink...)))
	}
}

// problem notes what is wrong with a file; the first word stands.
func (c *check) problem(file int, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := &c.report.Files[file]; f.Problem == "" {
		f.Problem = what
	}
}

func (c *check) piece(p int, sums PieceSums) {
	got := sums.V1[:]
	if c.proof.v2 {
		got = sums.V2[:]
	}
	// One writer a piece: no lock.
	c.report.Good[p] = bytes.Equal(got, c.proof.want(p))
}

// finish counts, for each file, the pieces that are not proven, and finds words for them.
func (c *check) finish() *Report {
	r := &c.report
	unread := make([]int, len(r.Files)) // pieces that a neighbour kept from being read
	for p, good := range r.Good {
		start := int64(p) * c.proof.layout.PieceLength
		end := start + c.proof.layout.PieceLength
		extents := c.proof.layout.Extents(start, end)
		readable, judged := true, true
		for _, e := range extents {
			readable = readable && (e.File == Padding || r.Files[e.File].Problem == "")
			judged = judged && (e.File == Padding || c.wants(e.File))
		}
		if !judged {
			continue
		}
		for _, e := range extents {
			if e.File == Padding {
				continue
			}
			f := &r.Files[e.File]
			f.Pieces++
			if good {
				r.GoodBytes += min(e.end(), end) - max(e.Offset, start)
				continue
			}
			f.BadPieces++
			if !readable {
				unread[e.File]++
			}
		}
	}
	r.OK = true
	for i := range r.Files {
		f := &r.Files[i]
		switch {
		case f.Problem != "" || f.BadPieces == 0:
		case f.BadPieces == unread[i]:
			f.Shares = true
			f.Problem = fmt.Sprintf("%d of %d pieces cannot be checked: they share bytes with a file that is missing or wrong", f.BadPieces, f.Pieces)
		default:
			f.Problem = fmt.Sprintf("%d of %d pieces differ", f.BadPieces, f.Pieces)
		}
		r.OK = r.OK && f.Problem == ""
	}
	return r
}

// reason is what went wrong with a file, for a report that names the file already.
func reason(err error) string {
	var changed *ChangedError
	if errors.As(err, &changed) {
		return changed.How
	}
	return "unreadable: " + underlying(err).Error()
}
