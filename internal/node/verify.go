package node

import (
	"context"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// Verify checks content on disk against a .torrent, piece by piece. Content that differs is an outcome,
// not an error.
func (n *Node) Verify(ctx context.Context, r VerifyRequest, on func(Event)) (*Verified, error) {
	m, err := metafile.ReadFile(r.Torrent)
	if err != nil {
		return nil, err
	}
	path := r.Data
	if path == "" {
		path = filepath.Join(filepath.Dir(r.Torrent), m.Name)
	}
	at, err := content.At(m, path)
	if err != nil {
		return nil, err
	}
	rep, err := check(ctx, m, at, on)
	if err != nil {
		return nil, err
	}
	v := &Verified{
		Path: path, Name: m.Name, Size: m.Size, Files: len(m.Files), Pieces: len(rep.Good), OK: rep.OK,
		Bad: []VerifiedFile{}, Extra: []string{},
	}
	for i, f := range rep.Files {
		if f.Problem != "" {
			v.Bad = append(v.Bad, VerifiedFile{Path: m.FilePath(i), Problem: f.Problem})
		}
	}
	extra, err := content.Extra(m, at)
	if err != nil {
		return nil, err
	}
	v.Extra = append(v.Extra, extra...)
	return v, nil
}

func check(ctx context.Context, m *metafile.Torrent, at located, on func(Event)) (*content.Report, error) {
	h := &hashing{on: on, phase: "checking", name: m.Name}
	return content.Verify(ctx, m, at, content.Options{Progress: h.progress})
}
