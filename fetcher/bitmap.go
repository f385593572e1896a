package fetcher

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// The note of what is proven: magic and version, what it is about, the number of pieces, a bit for
// each, the number of files and of each its slot and stamp, and the SHA-256 of all that. What it says of a piece
// holds while the files that have its bytes are as the stamps say.
const (
	bitmapMagic   = "p2pshare proven\n"
	bitmapVersion = 2
	bitmapHeader  = len(bitmapMagic) + 4 + sha256.Size + 4
	noteFile      = 4 + 8 + 8 + 8 + 8 // slot, size, mtime and ctime in nanoseconds, inode
)

// note is what an attempt leaves for the next.
type note struct {
	proven []bool                // nil: nothing is noted
	stamps map[int]content.Stamp // by slot, without devices
}

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

func (n note) encode(about [sha256.Size]byte) []byte {
	b := append([]byte(nil), bitmapMagic...)
	b = binary.BigEndian.AppendUint32(b, bitmapVersion)
	b = append(b, about[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.proven)))
	bits := make([]byte, (len(n.proven)+7)/8)
	for i, p := range n.proven {
		if p {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, bits...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.stamps)))
	for _, slot := range slices.Sorted(maps.Keys(n.stamps)) {
		st := n.stamps[slot]
		b = binary.BigEndian.AppendUint32(b, uint32(int32(slot)))
		for _, v := range []uint64{uint64(st.Size), uint64(nanoseconds(st.MTime)), uint64(nanoseconds(st.CTime)), st.Inode} {
			b = binary.BigEndian.AppendUint64(b, v)
		}
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeNote(b []byte, about [sha256.Size]byte, pieces int) (note, error) {
	damaged := errors.New("it is damaged")
	files := bitmapHeader + (pieces+7)/8 // where they begin
	switch {
	case len(b) < bitmapHeader || string(b[:len(bitmapMagic)]) != bitmapMagic:
		return note{}, damaged
	case binary.BigEndian.Uint32(b[len(bitmapMagic):]) != bitmapVersion:
		return note{}, fmt.Errorf("it has version %d, and this p2pshare reads version %d", binary.BigEndian.Uint32(b[len(bitmapMagic):]), bitmapVersion)
	case [sha256.Size]byte(b[len(bitmapMagic)+4:]) != about:
		return note{}, errors.New("it is about another choice of files")
	case len(b) < files+4+sha256.Size:
		return note{}, damaged
	case binary.BigEndian.Uint32(b[bitmapHeader-4:]) != uint32(pieces):
		return note{}, errors.New("it is about another number of pieces")
	}
	body := len(b) - sha256.Size
	count := int64(binary.BigEndian.Uint32(b[files:]))
	if int64(body-files-4) != count*noteFile || sha256.Sum256(b[:body]) != [sha256.Size]byte(b[body:]) {
		return note{}, damaged
	}
	n := note{proven: make([]bool, pieces), stamps: make(map[int]content.Stamp, count)}
	for i := range n.proven {
		n.proven[i] = b[bitmapHeader+i/8]&(1<<(i%8)) != 0
	}
	for at := files + 4; at < body; at += noteFile {
		number := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[at+4+8*i:])) }
		n.stamps[int(int32(binary.BigEndian.Uint32(b[at:])))] = content.Stamp{
			Size: number(0), MTime: timeOf(number(1)), CTime: timeOf(number(2)), Inode: uint64(number(3)),
		}
	}
	return n, nil
}

// nanoseconds is a time since 1970; 0: none.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// readNote reads what an earlier attempt proved; none and no error if it left nothing.
func (s *Stage) readNote() (note, error) {
	f, err := openPlain(s.root, bitmapName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	if err != nil {
		return note{}, err
	}
	defer f.Close()
	most := bitmapHeader + len(s.mem.state)/8 + 1 + 4 + noteFile*(len(s.t.Files)+1) + sha256.Size
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return note{}, err
	}
	return decodeNote(b, s.about, len(s.mem.state))
}

// writeNote puts the note in place of the last one.
func (s *Stage) writeNote(n note) error {
	const temp = bitmapName + ".tmp"
	if err := s.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(n.encode(s.about))
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
