package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/seeder"
)

// Values of PublishRequest.Chunks.
const (
	ChunksAuto = "auto" // an index of what is signed into a group, where it pays
	ChunksOn   = "on"
	ChunksOff  = "off"
)

// leastChunked is from which size on content gets an index unasked: less is fetched sooner than it is searched for.
const leastChunked = 1 << 20

// checkChunks refuses an index that could not be found by anybody.
func checkChunks(r PublishRequest) error {
	switch r.Chunks {
	case "", ChunksAuto, ChunksOff:
		return nil
	case ChunksOn:
	default:
		return fault.New(fault.Usage, "chunks %q: want %s, %s or %s", r.Chunks, ChunksAuto, ChunksOn, ChunksOff)
	}
	switch {
	case r.In != nil && r.In.Seal:
		return fault.Hint(fault.New(fault.Usage, "--seal encrypts anew each time, and no version shares bytes with another"), "leave --chunks out")
	case r.In == nil && r.Output == "":
		return fault.Hint(fault.New(fault.Usage, "--chunks on makes an index that needs a place"), "add -o FILE.torrent, which puts it beside as FILE.chunks, or --group GROUP")
	}
	return nil
}

// makeIndex cuts what was built, if that is wanted; nil: it is not.
func (n *Node) makeIndex(ctx context.Context, r PublishRequest, b *seeder.Built, on func(Event)) ([]byte, error) {
	auto := r.Chunks == "" || r.Chunks == ChunksAuto
	if r.Chunks == ChunksOff || auto && (r.In == nil || r.In.Seal || b.Torrent.Size < leastChunked) {
		return nil, nil
	}
	h := &hashing{on: on, phase: "indexing", name: b.Torrent.Name}
	x, err := chunk.Make(ctx, b.Torrent, b.Located, chunk.Options{Progress: h.progress})
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("make the index of chunks: %w", err), "publish again when nothing writes there any more")
	}
	index := x.Encode()
	_, err = chunk.Decode(index) // as others will read it
	switch {
	case err != nil && auto, auto && int64(len(index))*chunk.MostShare > b.Torrent.Size:
		return nil, nil // of very many small files
	case err != nil:
		return nil, fault.Hint(err, "publish it with --chunks off")
	}
	return index, nil
}

// writeIndex puts an index beside the .torrent.
func writeIndex(r PublishRequest, pub *Published) error {
	if r.index == nil || r.Output == "" {
		return nil
	}
	path := chunksBeside(r.Output)
	if err := replaceable(path, "index of chunks", func(old []byte) bool {
		_, err := chunk.Decode(old)
		return err == nil
	}); err != nil {
		return err
	}
	if err := state.WriteFile(path, r.index, outMode(r.Umask)); err != nil {
		return fmt.Errorf("writing the index of chunks: %w", err)
	}
	pub.ChunksFile = path
	return nil
}

// signIndex has a share name an index, which members are given from then on.
func (m *member) signIndex(s *catalog.Share, index []byte) error {
	if index == nil {
		return nil
	}
	h := signed.HashOf(index)
	s.Chunks = &h
	return m.keepIndex(index)
}

func (m *member) indexPath(h signed.Hash) string {
	return filepath.Join(m.Dir(), "torrents", h.String()+".chunks")
}

func (m *member) keepIndex(b []byte) error {
	path := m.indexPath(signed.HashOf(b))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return state.WriteFile(path, b, 0o600)
}

// indexFile gives an index that was published or used here.
func (m *member) indexFile(h signed.Hash) []byte {
	b, err := os.ReadFile(m.indexPath(h))
	if err != nil || signed.HashOf(b) != h {
		return nil
	}
	return b
}

// indexOf gives the index with a hash, from here or from a member.
func (m *member) indexOf(ctx context.Context, h signed.Hash) ([]byte, error) {
	if b := m.indexFile(h); b != nil {
		return b, nil
	}
	var why error
	for _, nb := range m.crowd.Neighbours() {
		b, err := m.askIndex(ctx, nb.Addr, h)
		if err == nil {
			return b, m.keepIndex(b)
		}
		if why = err; ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("no member that is online gave the index of chunks: %w", errors.Join(why, ctx.Err()))
}

// mirrorIndex has a mirror hold what others may ask it for when its publisher is offline.
func (m *member) mirrorIndex(ctx context.Context, e *catalog.Entry) {
	if e.Chunks == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, memberWait)
	defer cancel()
	if _, err := m.indexOf(ctx, *e.Chunks); err != nil {
		m.s.n.log.Debug("a mirror without an entry's index of chunks", "entry", e.Ref(), "error", err)
	}
}

func (m *member) askIndex(ctx context.Context, addr string, h signed.Hash) ([]byte, error) {
	c := m.client(addr)
	defer c.CloseIdleConnections()
	return groupsync.NewPeer(c, m.ID(), m).Torrent(ctx, h, chunk.MaxBytes)
}

// signedIndex is the index of an entry of a group that this home is in.
func (n *Node) signedIndex(ctx context.Context, e *SignedEntry) ([]byte, error) {
	h, err := signed.ParseHash(e.Chunks)
	if err != nil {
		return nil, fault.New(fault.Usage, "the entry's hash of its chunks is malformed: %w", err)
	}
	s, err := n.openGroups(ctx)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(e.Ref, "/")
	m, err := s.get(name)
	if err != nil {
		return nil, err
	}
	if err := m.online(nil); err != nil {
		return nil, err
	}
	return m.indexOf(ctx, h)
}

// hintsOf is what an entry says that helps to find its bytes on disk. The index waits until it is known to be of use, but
// that of a group which is only visited: it is gone then.
func (m *member) hintsOf(ctx context.Context, r FetchRequest, full *catalog.Share) (h hints) {
	for _, sum := range full.Sums {
		h.sums = append(h.sums, sum)
	}
	if !m.visit || full.Chunks == nil || len(m.s.n.places(r, full.Content, full.Files > 1))+len(m.s.n.places(r, full.Content, false)) == 0 {
		return h
	}
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	b, err := m.indexOf(ctx, *full.Chunks)
	if err != nil {
		m.s.n.log.Debug("an index of chunks", "group", m.Name(), "error", err)
		return h
	}
	h.chunks = b
	return h
}
