package fetcher

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

// The note of what is proven: magic and version, what it is about, the number of pieces, a bit for
// each, and the SHA-256 of all that.
const (
	bitmapMagic   = "p2pshare proven\n"
	bitmapVersion = 1
	bitmapHeader  = len(bitmapMagic) + 4 + sha256.Size + 4
)

// aboutWhat is the same for two fetches whose bytes lie in the same places.
func aboutWhat(t *metafile.Torrent, p *Plan) [sha256.Size]byte {
	h := sha256.New()
	h.Write(t.Meta.InfoBytes)
	for i := range p.want {
		place := byte(0)
		if p.want[i] {
			place = 1
		}
		if p.kept[i] {
			place = 2
		}
		h.Write([]byte{place})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func encodeBitmap(about [sha256.Size]byte, proven []bool) []byte {
	b := append([]byte(nil), bitmapMagic...)
	b = binary.BigEndian.AppendUint32(b, bitmapVersion)
	b = append(b, about[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(proven)))
	bits := make([]byte, (len(proven)+7)/8)
	for i, p := range proven {
		if p {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, bits...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeBitmap(b []byte, about [sha256.Size]byte, pieces int) ([]bool, error) {
	want := bitmapHeader + (pieces+7)/8 + sha256.Size
	switch {
	case len(b) < bitmapHeader || string(b[:len(bitmapMagic)]) != bitmapMagic:
		return nil, errors.New("it is damaged")
	case binary.BigEndian.Uint32(b[len(bitmapMagic):]) != bitmapVersion:
		return nil, fmt.Errorf("it has version %d, and this p2pshare reads version %d", binary.BigEndian.Uint32(b[len(bitmapMagic):]), bitmapVersion)
	case [sha256.Size]byte(b[len(bitmapMagic)+4:]) != about:
		return nil, errors.New("it is about another choice of files")
	case len(b) != want || sha256.Sum256(b[:want-sha256.Size]) != [sha256.Size]byte(b[want-sha256.Size:]):
		return nil, errors.New("it is damaged")
	case binary.BigEndian.Uint32(b[bitmapHeader-4:]) != uint32(pieces):
		return nil, errors.New("it is about another number of pieces")
	}
	proven := make([]bool, pieces)
	for i := range proven {
		proven[i] = b[bitmapHeader+i/8]&(1<<(i%8)) != 0
	}
	return proven, nil
}

// readBitmap reads what an earlier attempt proved; none and no error if it left nothing.
func (s *Stage) readBitmap() ([]bool, error) {
	f, err := openPlain(s.root, bitmapName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(bitmapHeader+len(s.mem.state)/8+sha256.Size+2)))
	if err != nil {
		return nil, err
	}
	return decodeBitmap(b, s.about, len(s.mem.state))
}

// writeBitmap puts the note in place of the last one.
func (s *Stage) writeBitmap(proven []bool) error {
	const temp = bitmapName + ".tmp"
	if err := s.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(encodeBitmap(s.about, proven))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.root.Rename(temp, bitmapName)
	}
	if err != nil {
		return err
	}
	return syncFolder(s.root)
}
