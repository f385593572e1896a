package metafile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
)

// ReadFile decodes the .torrent file at path.
func ReadFile(path string) (*Torrent, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no such file: %q", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a torrent: %w", err)
	}
	defer f.Close()
	// One byte more tells a file at the limit from one beyond it.
	b, err := io.ReadAll(io.LimitReader(f, maxTorrent+1))
	if err != nil {
		return nil, fmt.Errorf("reading a torrent: %w", err)
	}
	t, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return t, nil
}

// Decode judges the bytes of a .torrent file.
func Decode(b []byte) (*Torrent, error) {
	if len(b) > maxTorrent {
		return nil, notTorrent(refuse("", "larger than %d MiB", maxTorrent>>20))
	}
	if len(b) == 0 || b[0] != 'd' {
		return nil, notTorrent(refuse("", "it does not begin a bencoded dictionary"))
	}
	if err := scan(b, true); err != nil {
		return nil, notTorrent(err)
	}
	info, err := infoOf(b)
	if err != nil {
		return nil, err
	}
	if len(info) > maxInfo {
		return nil, refused(refuse("info", "%d bytes, and %d MiB is the most", len(info), maxInfo>>20))
	}
	// The scan of the whole allows depth from the outermost dictionary on.
	if err := scan(info, false); err != nil {
		return nil, refused(err)
	}
	var mi metainfo.MetaInfo
	if err := bencode.Unmarshal(b, &mi); err != nil {
		return nil, refused(refuseErr("torrent", err))
	}
	if err := judgeOuter(&mi); err != nil {
		return nil, refused(err)
	}
	return judge(&mi, false)
}

// FromInfo judges an info dictionary that came alone. A v2 info lacks its piece layers then: they
// come from peers, each checked against its file's root.
func FromInfo(info []byte) (*Torrent, error) {
	if len(info) > maxInfo {
		return nil, refused(refuse("info", "%d bytes, and %d MiB is the most", len(info), maxInfo>>20))
	}
	if len(info) == 0 || info[0] != 'd' {
		return nil, refused(refuse("info", "not a dictionary"))
	}
	if err := scan(info, false); err != nil {
		return nil, refused(err)
	}
	return judge(&metainfo.MetaInfo{InfoBytes: append([]byte(nil), info...)}, true)
}

// infoOf is the info dictionary within the .torrent b, which scan has accepted.
func infoOf(b []byte) ([]byte, error) {
	var info []byte
	c := &cursor{b: b}
	err := c.fields(func(key string) error {
		v := c.skip()
		if key == "info" {
			info = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, notTorrent(refuse("", "it has no info dictionary"))
	}
	if info[0] != 'd' {
		return nil, refused(refuse("info", "not a dictionary"))
	}
	return info, nil
}

// judgeOuter bounds what stands beside the info. Schemes are not judged: who dials them does that.
func judgeOuter(mi *metainfo.MetaInfo) error {
	var trackers []string
	if mi.Announce != "" {
		trackers = append(trackers, mi.Announce)
	}
	for _, tier := range mi.AnnounceList {
		trackers = append(trackers, tier...)
	}
	var nodes []string
	for _, n := range mi.Nodes {
		nodes = append(nodes, string(n))
	}
	for _, list := range []struct {
		field string
		urls  []string
	}{{"trackers", trackers}, {"web seeds", mi.UrlList}, {"nodes", nodes}} {
		if len(list.urls) > maxURLs {
			return refuse(list.field, "%d of them, and %d is the most", len(list.urls), maxURLs)
		}
		for _, u := range list.urls {
			if len(u) > maxURL {
				return refuse(list.field, "one is %d bytes long, and %d is the most", len(u), maxURL)
			}
		}
	}
	if len(mi.AnnounceList) > maxURLs {
		return refuse("trackers", "%d tiers, and %d is the most", len(mi.AnnounceList), maxURLs)
	}
	for _, text := range []struct{ field, s string }{
		{"comment", mi.Comment}, {"created by", mi.CreatedBy}, {"encoding", mi.Encoding},
	} {
		if len(text.s) > maxText {
			return refuse(text.field, "%d bytes, and %d is the most", len(text.s), maxText)
		}
	}
	return nil
}

// judge makes the Torrent of mi, whose bytes scan has accepted. alone says that there is nothing but
// the info.
func judge(mi *metainfo.MetaInfo, alone bool) (*Torrent, error) {
	t, err := judgeInfo(mi, alone)
	if err != nil {
		return nil, refused(err)
	}
	return t, nil
}

func judgeInfo(mi *metainfo.MetaInfo, alone bool) (*Torrent, error) {
	p, err := present(mi.InfoBytes)
	if err != nil {
		return nil, err
	}
	p.alone = alone
	info := new(metainfo.Info)
	if err := bencode.Unmarshal(mi.InfoBytes, info); err != nil {
		return nil, refuseErr("info", err)
	}
	t := &Torrent{
		Meta:        mi,
		Info:        info,
		Name:        info.BestName(),
		PieceLength: info.PieceLength,
		Private:     info.Private != nil && *info.Private,
	}
	if t.Private {
		t.Salt = p.salt
	}
	t.OfGroup = t.Salt != nil
	if err := names.Check(t.Name); err != nil {
		return nil, refuseErr("name of the torrent", err)
	}
	if err := judgeNumbers(info); err != nil {
		return nil, err
	}
	switch info.MetaVersion {
	case 0, 1:
		if p.tree != nil {
			return nil, refuse("file tree", "it has no place without meta version 2")
		}
		err = t.judgeV1Only(p)
	case 2:
		err = t.judgeV2(p)
	default:
		err = refuse("meta version", "%d is not known here, 2 is the highest", info.MetaVersion)
	}
	if err != nil {
		return nil, err
	}
	if err := judgeTree(t.Files); err != nil {
		return nil, err
	}
	if t.hasV1(p) {
		h := metainfo.HashBytes(mi.InfoBytes)
		t.V1 = &h
	}
	if info.HasV2() {
		h := sha256.Sum256(mi.InfoBytes)
		t.V2 = &h
	}
	return t, nil
}

// judgeNumbers checks the piece length, on which all other numbers depend.
func judgeNumbers(info *metainfo.Info) error {
	pl := info.PieceLength
	switch {
	case pl <= 0:
		return refuse("piece length", "%d is not positive", pl)
	case pl > maxPieceLength:
		return refuse("piece length", "%d bytes, and %d MiB is the most", pl, maxPieceLength>>20)
	case info.MetaVersion == 2 && (pl < minPieceLengthV2 || pl&(pl-1) != 0):
		return refuse("piece length", "%d is not a power of two of at least 16 KiB, as version 2 has it", pl)
	case pl < minPieceLengthV1:
		return refuse("piece length", "%d bytes, and %d is the least", pl, minPieceLengthV1)
	}
	return nil
}

// presence is which keys the info has, and the bytes of those that are read here.
type presence struct {
	length, files, pieces bool
	tree                  []byte
	alone                 bool   // nothing stands beside the info
	salt                  []byte // as torrents of private groups have
}

// hasV1 says whether the info can be read as version 1. The engine's own answer looks at values, and takes a hybrid of an
// empty file for v2 alone.
func (t *Torrent) hasV1(p presence) bool {
	return t.Info.HasV1() || p.pieces && (p.length || p.files)
}

// present looks over the keys of an info, and bounds what the decoder would allocate for.
func present(info []byte) (presence, error) {
	var p presence
	c := &cursor{b: info}
	err := c.fields(func(key string) error {
		kind := c.kind()
		v := c.skip()
		switch key {
		case "length":
			p.length = true
		case "pieces":
			p.pieces = true
		case "files":
			p.files = true
			if kind != 'l' {
				return refuse("files", "not a list")
			}
			entries := &cursor{b: v}
			n := 0
			return entries.list(func() error {
				if entries.kind() != 'd' {
					return refuse("files", "entry %d is not a dictionary", n)
				}
				entries.skip()
				if n++; n > maxEntries {
					return refuse("files", "more than %d entries", maxEntries)
				}
				return nil
			})
		case "file tree":
			if kind != 'd' {
				return refuse("file tree", "not a dictionary")
			}
			p.tree = v
		case "salt":
			if salt, ok := bytes.CutPrefix(v, []byte("32:")); ok && len(salt) == saltSize {
				p.salt = bytes.Clone(salt)
			}
		}
		return nil
	})
	return p, err
}
