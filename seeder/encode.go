package seeder

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/merkle"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/content"
)

// createdBy is stored outside the info. It has no version, so that our releases do not change torrents.
const createdBy = "p2pshare"

// dict is a bencoded dictionary; the encoder sorts its keys.
type dict = map[string]any

// encode returns the .torrent file of a plan whose pieces are hashed. The engine's own types are not used for
// the info, because they write an empty pieces root for empty files and omit attributes in file trees.
func (p *plan) encode(o Options) ([]byte, error) {
	info := dict{"name": p.name, "piece length": p.pieceLength}
	if o.Private {
		info["private"] = 1
	}
	if o.Salt != nil {
		info["salt"] = o.Salt
	}
	if p.format != V2 {
		p.encodeV1(info)
	}
	meta := dict{"created by": createdBy, "info": info}
	if p.format != V1 {
		meta["piece layers"] = p.encodeV2(info)
	}
	if o.Comment != "" {
		meta["comment"] = o.Comment
	}
	encodeTrackers(meta, o.Trackers)
	if len(o.WebSeeds) > 0 {
		meta["url-list"] = o.WebSeeds
	}
	b, err := bencode.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("encode the torrent of %q: %w", p.tree.root, err)
	}
	return b, nil
}

// encodeTrackers writes announce, and the list of BEP 12 if there is more than one tracker.
func encodeTrackers(meta dict, tiers [][]string) {
	var list [][]string
	n := 0
	for _, tier := range tiers {
		if len(tier) > 0 {
			list = append(list, tier)
			n += len(tier)
		}
	}
	if n > 0 {
		meta["announce"] = list[0][0]
	}
	if n > 1 {
		meta["announce-list"] = list
	}
}

// encodeV1 writes the keys of BEP 3.
func (p *plan) encodeV1(info dict) {
	pieces := make([]byte, 0, 20*len(p.sums))
	for _, s := range p.sums {
		pieces = append(pieces, s.V1[:]...)
	}
	info["pieces"] = pieces
	if !p.tree.dir {
		info["length"] = p.entries[0].stamp.Size
		mark(info, p.entries[0])
		return
	}
	var files []dict
	for _, e := range p.entries {
		file := dict{"length": e.stamp.Size, "path": e.path}
		mark(file, e)
		files = append(files, file)
		if pad := p.pad(e.stamp.Size); pad > 0 && p.format == Hybrid && p.padded() {
			files = append(files, dict{"attr": "p", "length": pad, "path": []string{".pad", strconv.FormatInt(pad, 10)}})
		}
	}
	info["files"] = files
}

// encodeV2 writes the keys of BEP 52, and returns the piece layers.
func (p *plan) encodeV2(info dict) dict {
	layers := dict{}
	root := dict{}
	var piece int
	for i, e := range p.entries {
		file := dict{"length": e.stamp.Size}
		mark(file, e)
		if e.stamp.Size > 0 {
			n := int((e.stamp.Size + p.pieceLength - 1) / p.pieceLength)
			sum, layer := fileRoot(p.sums[piece:piece+n], p.pieceLength)
			if layer != nil {
				layers[string(sum[:])] = layer
			}
			file["pieces root"] = sum[:]
			piece += n
		}
		path := p.entries[i].path
		if !p.tree.dir {
			path = []string{p.name}
		}
		at := root
		for _, name := range path {
			next, ok := at[name].(dict)
			if !ok {
				next = dict{}
				at[name] = next
			}
			at = next
		}
		at[""] = file
	}
	info["file tree"] = root
	info["meta version"] = 2
	return layers
}

// fileRoot returns the root of a file's hash tree, and its piece layer if it has more than one piece.
func fileRoot(pieces []content.PieceSums, pieceLength int64) (root [32]byte, layer []byte) {
	if len(pieces) == 1 {
		return pieces[0].V2, nil
	}
	var b bytes.Buffer
	hashes := make([][32]byte, len(pieces))
	for i, s := range pieces {
		hashes[i] = s.V2
		b.Write(s.V2[:])
	}
	return merkle.RootWithPadHash(hashes, metainfo.HashForPiecePad(pieceLength)), b.Bytes()
}

// mark sets the attribute of an executable (BEP 47).
func mark(file dict, e entry) {
	if e.exec {
		file["attr"] = "x"
	}
}
