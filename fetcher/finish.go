package fetcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// Finish moves the files to the target, once every wanted piece is proven: in one step if the target is
// not there, else one file after the other, none over another but where Options.Replace has found a wrong one. Afterwards the staging folder is gone;
// reads go on until Close.
func (s *Stage) Finish(ctx context.Context) (*content.Located, error) {
	if err := s.drain(); err != nil {
		return nil, err
	}
	if err := s.compareKept(); err != nil {
		return nil, err
	}
	if err := s.addWithoutBytes(); err != nil {
		return nil, diskError("make the files without bytes", err)
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if err := s.checkpoint(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.moveAll(); err != nil {
		return nil, err
	}
	// The look at how the files are comes first: what changes after it is noticed by who goes on with the stamps.
	at, err := s.locate()
	if err != nil {
		return nil, fmt.Errorf("look at what was fetched: %w", err)
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if err := s.removeFolders(); err != nil {
		s.log.Warn("the staging folder stays", "folder", s.root.Name(), "reason", err)
	}
	return at, nil
}

// drain waits until everything is written, and makes sure that nothing is missing.
func (s *Stage) drain() error {
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.writing > 0 && m.failed == nil && !m.closed {
		m.moves.Wait()
	}
	if m.failed != nil {
		return m.failed
	}
	if m.closed {
		return errClosed
	}
	missing := 0
	for i, need := range s.plan.needed() {
		if need && !m.state[i].saved {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("finish %q: %d pieces are missing", s.t.Name, missing)
	}
	return nil
}

// Files opens wanted files that have bytes, as they are on disk before Finish, by their place in the torrent. Every wanted
// piece has to be proven.
func (s *Stage) Files(ctx context.Context) (open func(int) (io.ReadCloser, error), err error) {
	if err := s.drain(); err != nil {
		return nil, err
	}
	// What others have written over is fetched again, and not told of as another file than was signed.
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	return func(i int) (io.ReadCloser, error) {
		h, err := s.files.get(i, false)
		if err != nil {
			return nil, diskError(fmt.Sprintf("read %q", s.dataPath(i)), err)
		}
		return &stagedFile{io.NewSectionReader(h, 0, s.t.Files[i].Length), s, h}, nil
	}, nil
}

// Piece is a wanted piece, all of it, to be written to a writer before Finish. It has to be proven.
func (s *Stage) Piece(i int) io.WriterTo {
	return &piece{&view{s: s, layout: s.plan.layout}, i}
}

// stagedFile is a file that Files has opened.
type stagedFile struct {
	io.Reader
	s *Stage
	h *handle
}

// Close gives the file back.
func (f *stagedFile) Close() error {
	f.s.files.put(f.h)
	return nil
}

// compareKept compares the files that were in the target with the pieces that were fetched because
// those could not be judged alone. Those that are wrong are to be replaced by another attempt, if that was asked for.
func (s *Stage) compareKept() error {
	wrong := &SpoiledError{}
files:
	for i := range s.t.Files {
		f := &s.t.Files[i]
		if !s.plan.kept[i] || f.Length == 0 {
			continue
		}
		begin, end := s.t.PieceRange(f)
		for k := begin; k < end; k++ {
			if s.plan.proven[k] {
				continue
			}
			from := max(f.Offset, int64(k)*s.t.PieceLength)
			to := min(f.Offset+f.Length, int64(k+1)*s.t.PieceLength)
			same, err := s.sameBytes(i, from, to)
			if err != nil {
				return diskError(fmt.Sprintf("compare %q", s.dataPath(i)), err)
			}
			switch {
			case same:
			case s.plan.over != nil:
				wrong.replace = append(wrong.replace, i)
				wrong.Files, wrong.Pieces = append(wrong.Files, fmt.Sprintf("%q", s.dataPath(i))), wrong.Pieces+end-begin
				continue files
			default:
				return inTheWay(fmt.Errorf("%q is there already, and is not the content of the torrent",
					filepath.Join(s.plan.dir, filepath.FromSlash(s.dataPath(i)))))
			}
		}
	}
	if wrong.replace != nil {
		wrong.Files = wrong.Files[:min(len(wrong.Files), shownNames)]
		return wrong
	}
	return nil
}

// sameBytes compares a run of the piece space in a file of the target with that in the parts.
func (s *Stage) sameBytes(file int, from, to int64) (bool, error) {
	have, err := s.files.get(file, false)
	if err != nil {
		return false, err
	}
	defer s.files.put(have)
	parts, err := s.files.get(partsSlot, false)
	if err != nil {
		return false, err
	}
	defer s.files.put(parts)
	a, b := make([]byte, readChunk), make([]byte, readChunk)
	for off := from; off < to; off += readChunk {
		n := min(readChunk, to-off)
		if _, err := have.ReadAt(a[:n], off-s.t.Files[file].Offset); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
		if _, err := parts.ReadAt(b[:n], off); err != nil {
			return false, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// addWithoutBytes makes empty files and symlinks beside the data, and the folder of a torrent without files.
func (s *Stage) addWithoutBytes() error {
	if len(s.t.Files) == 0 { // pads alone (BEP 47): the folder is all there is
		return s.root.MkdirAll(filepath.Join(dataName, s.plan.top), 0o755)
	}
	for i := range s.t.Files {
		f := &s.t.Files[i]
		if !s.plan.want[i] || s.plan.kept[i] || f.Length > 0 {
			continue
		}
		if f.Symlink == nil {
			h, err := s.files.get(i, true)
			if err != nil {
				return err
			}
			s.files.put(h)
			continue
		}
		name := path.Join(dataName, s.dataPath(i))
		if err := s.root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755); err != nil {
			return err
		}
		// The target was judged to be in the torrent, so the way up ends at its folder.
		to := strings.Repeat("../", len(f.Path)-1) + s.plan.linkTo(f.Symlink)
		err := s.root.Symlink(filepath.FromSlash(to), filepath.FromSlash(name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// moveAll puts the data in its place. Open files stay what they are; those opened later are opened
// there.
func (s *Stage) moveAll() error {
	if closeToMove {
		if err := s.files.close(); err != nil {
			return err
		}
	}
	s.place.Lock()
	defer s.place.Unlock()
	data, err := enter(s.root, dataName, 0o755, false)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finish %q: there is nothing to move", s.t.Name)
	}
	if err != nil {
		return diskError("open what was fetched", err)
	}
	defer data.Close()
	if s.plan.merge {
		err = s.addAll(data)
	} else {
		err = moveOne(data, s.dir, s.plan.top, s.plan.top, s.plan.over != nil && s.plan.over[0] && !s.t.Dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return fault.Hint(
			fault.New(fault.Unverified, "%q came to be while %q was fetched, and is not replaced", s.plan.Target(), s.t.Name),
			"move it away and run the same command: what was fetched is kept")
	}
	if err != nil {
		return diskError(fmt.Sprintf("move what was fetched to %q", s.plan.Target()), err)
	}
	s.moved = true
	return nil
}

// addAll adds what was fetched to the folder that is there.
func (s *Stage) addAll(data *os.Root) error {
	target, err := folder(s.dir, s.plan.top, false)
	if err != nil {
		return err
	}
	defer target.Close()
	for i := range s.t.Files {
		if !s.plan.want[i] || s.plan.kept[i] {
			continue
		}
		dir, name := path.Split(s.plan.local[i])
		from, err := folder(data, path.Join(s.plan.top, dir), false)
		if err != nil {
			return err
		}
		to, err := folder(target, path.Clean(dir), true)
		if err == nil {
			err = moveOne(from, to, name, name, s.plan.over != nil && s.plan.over[i])
			to.Close()
		}
		from.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func moveOne(from, to *os.Root, fromName, toName string, over bool) error {
	src, err := from.Open(".")
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.Open(".")
	if err != nil {
		return err
	}
	defer dst.Close()
	put := move
	if over {
		put = moveOver
	}
	if err := put(src, dst, fromName, toName); err != nil {
		return err
	}
	return osfs.SyncFolder(dst)
}

// locate says where everything is now.
func (s *Stage) locate() (*content.Located, error) {
	at, err := content.At(s.t, s.plan.Target())
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at.Stamps = make([]content.Stamp, len(at.Paths))
	for i, name := range at.Paths {
		if !s.plan.want[i] {
			continue
		}
		fi, err := root.Stat(filepath.FromSlash(name))
		if err != nil {
			if s.t.Files[i].Symlink != nil {
				continue // it leads to a file that was not wanted
			}
			return nil, err
		}
		at.Stamps[i] = content.StampAt(root, name, fi)
	}
	return &at, nil
}
