package node

import (
	"cmp"
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/store"
)

// Verify checks content on disk against a .torrent or a share's torrent, piece by piece. Content that differs is
// an outcome, not an error.
func (n *Node) Verify(ctx context.Context, r VerifyRequest, on func(Event)) (*Verified, error) {
	m, where, p, err := n.toVerify(r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	at, err := content.At(m, where)
	if err != nil {
		return nil, err
	}
	rep, err := check(ctx, m, at, p, on)
	if err != nil {
		return nil, err
	}
	v := &Verified{
		Path: where, Name: m.Name, Size: m.Size, Files: len(m.Files), Pieces: len(rep.Good), OK: rep.OK,
		Bad: []VerifiedFile{}, Extra: []string{},
	}
	if p != nil {
		v.Size, v.Files = p.plan.WantedBytes(), p.plan.Files()
	}
	for i, f := range rep.Files {
		if as := at.Local(m, i); as != "" {
			v.Renamed = append(v.Renamed, Renamed{path.Join(m.Name, m.FilePath(i)), as})
		}
		if f.Problem != "" {
			v.Bad = append(v.Bad, VerifiedFile{Path: m.FilePath(i), Problem: f.Problem, Shares: f.Shares})
		}
	}
	if !rep.OK && (n.keeper != nil || r.Ref != "") {
		n.doubt(m, where)
	}
	extra, err := content.Extra(m, at)
	if err != nil {
		return nil, err
	}
	v.Extra = append(v.Extra, extra...)
	return v, nil
}

// doubt tells whoever keeps the home that content is not what its torrent says.
func (n *Node) doubt(m *metafile.Torrent, path string) {
	_, _ = n.edit(func(k *keeper) ([]Share, error) { // another process that has the home finds out by itself
		k.doubt(m, path)
		return nil, nil
	})
}

// toVerify finds the torrent, where its content is, and what of it is to be there.
func (n *Node) toVerify(r VerifyRequest) (m *metafile.Torrent, path string, p *part, err error) {
	switch {
	case r.Ref != "" && r.Torrent != "":
		return nil, "", nil, fault.New(fault.Usage, "both a share and a torrent are to be verified")
	case r.Ref != "":
		m, path, p, err = n.shareToVerify(r.Ref)
	default:
		if m, err = metafile.ReadFile(r.Torrent); err == nil {
			path = content.In(m, filepath.Dir(r.Torrent))
		}
	}
	return m, cmp.Or(r.Data, path), p, err
}

// shareToVerify reads a share from the home itself, which does as well while a daemon holds it: records are
// replaced whole.
func (n *Node) shareToVerify(ref string) (*metafile.Torrent, string, *part, error) {
	h, err := readHome(n.home, store.Read[record])
	if err != nil {
		return nil, "", nil, err
	}
	list := h.named()
	i, err := pickOne(list, ref)
	if err != nil {
		return nil, "", nil, err
	}
	rec := list[i].rec
	if rec.unfinished() {
		return nil, "", nil, fault.Hint(fault.New(fault.NotFound, "%q is not fetched yet", rec.Name), "every piece of it is verified as it comes; p2pshare status %s shows how far it is", list[i].id)
	}
	m, err := torrentIn(h.store, list[i].id, rec)
	if err != nil {
		return nil, "", nil, err
	}
	p, err := partOf(m, rec.Path, rec.Part, h.store.Path(list[i].id, edgesFile))
	return m, rec.Path, p, err
}

// OwnNames says what files in a folder are called by what they were fetched from, whose paths below its name, slash-separated,
// are given: by their paths on disk, where those are others because the file system cannot hold the names.
func OwnNames(dir string, paths []string) map[string]string {
	own := map[string]string{}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return own // it is one file, or not there
	}
	defer root.Close()
	split := make([][]string, len(paths))
	for i, p := range paths {
		if c := strings.Split(p, "/"); names.CheckPath(c) == nil {
			split[i] = c
		}
	}
	for i, local := range names.NewTree(split).Place(content.Present(root)).Paths {
		if local != "" && local != paths[i] {
			own[local] = paths[i]
		}
	}
	return own
}
