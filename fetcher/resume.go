package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Resume finds out what an earlier attempt left. Pieces that it noted as proven are taken as that, if their files are
// those that it left, untouched since; of the others, those whose bytes may all be there are hashed. It returns how many bytes of wanted files
// are proven, those in the target included. progress may be nil.
func (s *Stage) Resume(ctx context.Context, progress func(done, total int64)) (provenBytes int64, err error) {
	noted, err := s.readNote()
	if err != nil {
		s.log.Warn("what is fetched already is hashed again: the note about it is of no use", "reason", err)
		noted = note{}
	}
	there, err := s.survey()
	if err != nil {
		return 0, diskError("look into the staging folder", err)
	}
	need := s.plan.needed()
	judge := newJudge(s.t, len(need))
	var todo []int
	m := &s.mem
	m.mu.Lock()
	for i, n := range need {
		if !n {
			continue
		}
		// A file that is not there, or not as long as it should be, takes its pieces with it.
		switch {
		case noted.proven != nil && noted.proven[i] && s.held(i, there.asLeft(noted)):
			m.state[i].complete, m.state[i].saved = true, true
		case judge.knows(i) && s.held(i, there.mayHold):
			todo = append(todo, i)
		}
	}
	m.mu.Unlock()
	if err := s.hash(ctx, judge, todo, progress, s.found); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.state {
		if m.state[i].complete {
			provenBytes += s.plan.wantedIn(i)
		}
	}
	return provenBytes, nil
}

// survey is which files of an earlier attempt are in the staging folder.
type survey map[int]staged

// staged is a file in the staging folder.
type staged struct {
	stamp content.Stamp
	data  []span // where it has bytes
}

// asLeft tells the files that nobody has touched since the note was written. A drive may have another device number by now.
func (there survey) asLeft(n note) func(slot int, _, _ int64) bool {
	return func(slot int, _, _ int64) bool {
		now, ok := there[slot]
		was, noted := n.stamps[slot]
		was.Dev = now.stamp.Dev
		return ok && noted && now.stamp.Same(was)
	}
}

func (there survey) mayHold(slot int, begin, end int64) bool {
	for _, data := range there[slot].data {
		if data.begin <= begin && end <= data.end {
			return true
		}
	}
	return false
}

// held asks has about every file that a piece's bytes are in.
func (s *Stage) held(piece int, has func(slot int, begin, end int64) bool) bool {
	start := int64(piece) * s.t.PieceLength
	end := start + s.t.PieceLength
	for _, e := range s.plan.layout.Extents(start, end) {
		if e.File == content.Padding {
			continue
		}
		from, to := max(e.Offset, start), min(e.Offset+e.Length, end)
		slot := s.slotOf(piece, e.File)
		if slot != partsSlot {
			from, to = from-e.Offset, to-e.Offset
		}
		if !has(slot, from, to) {
			return false
		}
	}
	return true
}

// survey looks at what is in the staging folder, before anything of it is hashed, and removes what is not of this fetch: files that are
// not wanted this time, or that somebody put there.
func (s *Stage) survey() (survey, error) {
	there := make(survey)
	files, folders := s.ours()
	if fi, err := s.root.Lstat(dataName); err == nil && !fi.IsDir() {
		return nil, planted(filepath.Join(s.root.Name(), dataName), fi)
	}
	err := fs.WalkDir(s.root.FS(), dataName, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == dataName {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() && folders[name] {
			return nil
		}
		slot, ours := files[name]
		if ours && d.Type().IsRegular() {
			fi, err := d.Info()
			if err != nil {
				return err
			}
			if fi.Size() == s.t.Files[slot].Length {
				there[slot], err = s.stagedAt(slot, name, fi)
				return err
			}
		}
		if err := s.root.RemoveAll(filepath.FromSlash(name)); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fi, err := s.root.Lstat(partsName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return there, nil
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return there, s.root.RemoveAll(partsName)
	}
	there[partsSlot], err = s.stagedAt(partsSlot, partsName, fi)
	return there, err
}

// stagedAt takes note of how a file looks.
func (s *Stage) stagedAt(slot int, name string, fi fs.FileInfo) (f staged, err error) {
	f.stamp = content.StampAt(s.root, name, fi)
	s.marks.set(slot, f.stamp)
	f.data, err = s.dataOf(name, fi.Size())
	return f, err
}

// ours is the files that this fetch puts below the staging folder, by name, and their folders.
func (s *Stage) ours() (files map[string]int, folders map[string]bool) {
	files, folders = make(map[string]int), map[string]bool{dataName: true}
	for i := range s.t.Files {
		if !s.plan.want[i] || s.plan.kept[i] {
			continue
		}
		name := path.Join(dataName, s.dataPath(i))
		files[name] = i
		for dir := path.Dir(name); !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	return files, folders
}

// dataOf is the parts of a file that may have been written to.
func (s *Stage) dataOf(name string, size int64) ([]span, error) {
	f, err := openPlain(s.root, filepath.FromSlash(name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	spans := []span{}
	for off := int64(0); off < size; {
		data, hole := nextData(f, off, size)
		if data >= size {
			break
		}
		if hole <= data {
			hole = size
		}
		spans = append(spans, span{data, min(hole, size)})
		off = hole
	}
	return spans, nil
}

// hash judges pieces from what is on disk, on all cores, and tells right of those that are.
func (s *Stage) hash(ctx context.Context, j *judge, todo []int, progress func(done, total int64), right func(piece int)) error {
	v := &view{s: s, layout: s.plan.layout}
	var total, done int64
	for _, i := range todo {
		total += v.pieceLength(i)
	}
	var mu sync.Mutex
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		group.Go(panics.Caught(func() error {
			for {
				k := int(next.Add(1)) - 1
				if k >= len(todo) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				i := todo[k]
				ok, err := j.right(i, func(w io.Writer) error {
					_, err := (&piece{v, i}).WriteTo(w)
					return err
				})
				if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					return diskError(fmt.Sprintf("hash what is in %q", s.root.Name()), err)
				}
				if ok {
					right(i)
				}
				mu.Lock()
				done += v.pieceLength(i)
				if progress != nil {
					progress(done, total)
				}
				mu.Unlock()
			}
		}))
	}
	return group.Wait()
}

// found notes a piece that was hashed right. Its bytes may not have reached the disk yet.
func (s *Stage) found(i int) {
	start := int64(i) * s.t.PieceLength
	m := &s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range s.plan.layout.Extents(start, start+s.t.PieceLength) {
		if e.File != content.Padding {
			m.dirty[s.slotOf(i, e.File)] = struct{}{}
		}
	}
	m.state[i].complete, m.state[i].saved = true, true
	m.news = true
}
