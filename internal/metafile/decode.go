package metafile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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
	// Read one byte more than the limit, to detect a file beyond it.
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

// Decode parses and checks the bytes of a .torrent file. It ignores anything after the dictionary: no hash covers it, and
// files from the web end in line breaks, zeros and remarks of the server.
func Decode(b []byte) (*Torrent, error) {
	if len(b) > maxTorrent {
		return nil, notTorrent(refuse("", "larger than %d MiB", maxTorrent>>20))
	}
	if len(b) == 0 || b[0] != 'd' {
		return nil, notTorrent(refuse("", "it does not start with a bencoded dictionary"))
	}
	end, err := scan(b)
	if err != nil {
		return nil, notTorrent(err)
	}
	b = b[:end]
	info, err := infoOf(b)
	if err != nil {
		return nil, err
	}
	if len(info) > maxInfo {
		return nil, refused(refuse("info", "%d bytes, more than %d MiB", len(info), maxInfo>>20))
	}
	o := readOuter(b)
	o.mi.InfoBytes = bytes.Clone(info)
	t, err := judge(&o.mi, false)
	if err != nil {
		return nil, err
	}
	t.Notes = append(o.notes, t.Notes...)
	return t, nil
}

// FromInfo checks an info dictionary that came without a .torrent file. A v2 info then lacks its piece layers, which
// come from peers, each checked against its file's root.
func FromInfo(info []byte) (*Torrent, error) {
	if len(info) > maxInfo {
		return nil, refused(refuse("info", "%d bytes, more than %d MiB", len(info), maxInfo>>20))
	}
	if len(info) == 0 || info[0] != 'd' {
		return nil, refused(refuse("info", "not a dictionary"))
	}
	end, err := scan(info)
	if err != nil {
		return nil, refused(err)
	}
	if end != len(info) {
		// The infohash would cover them too, and a .torrent has no place to keep them.
		return nil, refused(refuse("info", "%d bytes after its end", len(info)-end))
	}
	return judge(&metainfo.MetaInfo{InfoBytes: bytes.Clone(info)}, true)
}

// infoOf returns the info dictionary of the .torrent b, which scan has accepted.
func infoOf(b []byte) ([]byte, error) {
	var info []byte
	c := &cursor{b: b}
	err := c.fields(func(key string) error {
		v := c.skip()
		if key == "info" {
			if info != nil && !bytes.Equal(info, v) {
				return refused(refuse("", "it has two info dictionaries, and so two infohashes"))
			}
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

// judge makes the Torrent of mi, whose bytes scan has accepted. alone means that there is nothing but the info.
func judge(mi *metainfo.MetaInfo, alone bool) (*Torrent, error) {
	t, err := judgeInfo(mi, alone)
	if err != nil {
		return nil, refused(err)
	}
	return t, nil
}

func judgeInfo(mi *metainfo.MetaInfo, alone bool) (*Torrent, error) {
	info, p, err := readInfo(mi.InfoBytes)
	if err != nil {
		return nil, err
	}
	p.alone = alone
	note := inUTF8(info, mi.Encoding)
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
			return nil, refuse("file tree", "not allowed without meta version 2")
		}
		err = t.judgeV1Only(p)
	case 2:
		err = t.judgeV2(p)
	default:
		err = refuse("meta version", "%d is unknown, the highest is 2", info.MetaVersion)
	}
	if err != nil {
		return nil, err
	}
	if t.Notes, err = judgeTree(t.Files); err != nil {
		return nil, err
	}
	if note != "" {
		t.Notes = append(t.Notes, note)
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
		return refuse("piece length", "%d bytes, more than %d MiB", pl, maxPieceLength>>20)
	case info.MetaVersion == 2 && (pl < minPieceLengthV2 || pl&(pl-1) != 0):
		return refuse("piece length", "%d is not a power of two of at least 16 KiB, as version 2 requires", pl)
	case pl < minPieceLengthV1:
		return refuse("piece length", "%d bytes, less than %d", pl, minPieceLengthV1)
	}
	return nil
}
