package node

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/seeder"
)

// edgesFile is the file of a record with the pieces of a partial seed that reach into files that were not wanted, one after the
// other. Each is checked against its hash when the share starts.
const edgesFile = "edges"

// chosen is what of a torrent was wanted, where that is not all.
type chosen struct {
	Only   []string `json:"only,omitempty"`
	Select []int    `json:"select,omitempty"`
	Size   int64    `json:"size"`
	Files  int      `json:"files"`
}

// part is what a partial seed (BEP 21) has of its torrent.
type part struct {
	plan  *fetcher.Plan
	in    []bool // per piece: all its bytes are of files that are here
	edges *edges // nil: none
}

// partOf is the part that was chosen of m; nil for a share of all. edges is where pieces that reach into other files lie.
func partOf(m *metafile.Torrent, path string, c *chosen, edges string) (*part, error) {
	if c == nil {
		return nil, nil
	}
	plan, err := fetcher.NewPlan(m, fetcher.Options{Dir: filepath.Dir(path), Only: c.Only, Select: c.Select})
	if err != nil {
		return nil, err
	}
	return newPart(m, plan, edges)
}

func newPart(m *metafile.Torrent, plan *fetcher.Plan, edges string) (*part, error) {
	p := &part{plan: plan, in: plan.Inside()}
	var err error
	p.edges, err = openEdges(m, plan, edges)
	return p, err
}

// want is which files are here; nil: all.
func (p *part) want() []bool {
	if p == nil {
		return nil
	}
	return p.plan.Want()
}

// rest is how many bytes of the torrent are not wanted.
func (p *part) rest(m *metafile.Torrent) int64 {
	if p == nil {
		return 0
	}
	return m.Size - p.plan.WantedBytes()
}

// storage is that of the share whose files are in source.
func (p *part) storage(source *seeder.Source) storage.ClientImpl {
	if p == nil {
		return source
	}
	source.Only(p.in)
	return partly{source, p}
}

func (p *part) close() {
	if p != nil && p.edges != nil {
		_ = p.edges.f.Close() // it was only read
	}
}

// keepEdges writes the pieces that reach into files that were not wanted, before what is staged of those is removed.
func keepEdges(path string, plan *fetcher.Plan, stage *fetcher.Stage) (err error) {
	pieces := plan.Edges()
	if len(pieces) == 0 {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	for _, i := range pieces {
		if _, err := stage.Piece(i).WriteTo(f); err != nil {
			return err
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// edges are pieces that reach into files that are not here.
type edges struct {
	f  *os.File
	at map[int]int64 // where a piece begins in f
}

// openEdges opens those of path that are right.
func openEdges(m *metafile.Torrent, plan *fetcher.Plan, path string) (*edges, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := &edges{f: f, at: map[int]int64{}}
	layout, off := plan.Layout(), int64(0)
	for _, i := range plan.Edges() {
		length := layout.PieceEnd(i) - int64(i)*layout.PieceLength
		h := sha1.New() // no other version has pieces of several files
		n, err := io.Copy(h, io.NewSectionReader(f, off, length))
		if err != nil {
			f.Close()
			return nil, err
		}
		if n == length && bytes.Equal(h.Sum(nil), m.Info.Pieces[sha1.Size*i:sha1.Size*(i+1)]) {
			e.at[i] = off
		}
		off += length
	}
	return e, nil
}

// compare holds the files that are here against the edges that are kept.
func (p *part) compare(ctx context.Context, at located, rep *content.Report) error {
	if p.edges == nil {
		return nil
	}
	root, err := os.OpenRoot(at.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	layout := p.plan.Layout()
	for piece, off := range p.edges.at {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := int64(piece) * layout.PieceLength
		for _, x := range layout.Extents(start, start+layout.PieceLength) {
			if x.File == content.Padding || !p.want()[x.File] {
				continue
			}
			from, to := max(x.Offset, start), min(x.Offset+x.Length, layout.PieceEnd(piece))
			same, err := sameBytes(root, at.Paths[x.File], from-x.Offset, io.NewSectionReader(p.edges.f, off+from-start, to-from))
			if err != nil {
				return err
			}
			if !same {
				rep.OK = false
				rep.Files[x.File].Problem = "the piece that it shares with others differs"
			}
		}
	}
	return nil
}

// sameBytes says whether a file has the bytes of want at off.
func sameBytes(root *os.Root, path string, off int64, want *io.SectionReader) (bool, error) {
	f, _, err := content.OpenRegular(root, path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	have := io.NewSectionReader(f, off, want.Size())
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(want, a)
		if n == 0 && errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, err
		}
		switch _, err := io.ReadFull(have, b[:n]); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return false, nil
		case err != nil:
			return false, err
		case !bytes.Equal(a[:n], b[:n]):
			return false, nil
		}
	}
}

// partly is the storage of a partial seed: pieces that lie in the files that were wanted are read there, where every change is
// noticed, and those that reach into other files where they were kept.
type partly struct {
	files storage.ClientImpl
	part  *part
}

// OpenTorrent opens the files.
func (p partly) OpenTorrent(ctx context.Context, info *metainfo.Info, hash metainfo.Hash) (storage.TorrentImpl, error) {
	files, err := p.files.OpenTorrent(ctx, info, hash)
	if err != nil {
		return storage.TorrentImpl{}, err
	}
	return storage.TorrentImpl{
		Piece: func(piece metainfo.Piece) storage.PieceImpl {
			if e := p.part.edges; e != nil {
				if off, ok := e.at[piece.Index()]; ok {
					return edge{io.NewSectionReader(e.f, off, piece.Length())}
				}
			}
			return files.Piece(piece)
		},
		Close: func() error { return nil }, // whoever has the share closes what it reads
	}, nil
}

// edge is a piece of edges, which are right.
type edge struct{ *io.SectionReader }

func (edge) WriteAt([]byte, int64) (int, error) { return 0, errEdge }

func (edge) MarkComplete() error { return nil }

func (edge) MarkNotComplete() error { return errEdge }

func (edge) Completion() storage.Completion { return storage.Completion{Ok: true, Complete: true} }

var errEdge = errors.New("what is shared is never written to")

// check holds the files of a part against their torrent; nil: all.
func check(ctx context.Context, m *metafile.Torrent, at located, p *part, on func(Event)) (*content.Report, error) {
	h := &hashing{on: on, phase: "checking", name: m.Name}
	rep, err := content.Verify(ctx, m, at, content.Options{Progress: h.progress, Want: p.want()})
	if err != nil || p == nil || !rep.OK {
		return rep, err
	}
	return rep, p.compare(ctx, at, rep)
}
