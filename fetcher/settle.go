package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// SpoiledError says that somebody else changed staged files, and that what was proven of them is wrong now. The pieces are
// to be fetched again, by another Open.
type SpoiledError struct {
	Files  []string // slash-separated, with the torrent's name; a few of them
	Pieces int      // that are wrong

	replace []int // files of the target that turned out to be wrong; none: others wrote to what is staged
}

func (e *SpoiledError) Error() string {
	if e.replace != nil {
		return fmt.Sprintf("of %s some bytes are wrong", strings.Join(e.Files, ", "))
	}
	return fmt.Sprintf("somebody else wrote to what was fetched (%s), and %d pieces of it are wrong", strings.Join(e.Files, ", "), e.Pieces)
}

// Heed takes note of what an attempt has found, once its stage is closed: the next replaces those files.
func (p *Plan) Heed(e *SpoiledError) {
	for _, i := range e.replace {
		p.kept[i], p.over[i] = false, true
		p.doubt(i)
	}
}

// settle makes sure of every file before it is called the content: one that is not as it was left, or as it was when it was
// last hashed, is hashed again. If something is wrong then, the error is a *SpoiledError, or, of a file in the target, of
// kind Unverified.
func (s *Stage) settle(ctx context.Context) error {
	if closeToMove { // closing is what brings the times of a file up to date there
		if err := s.files.close(); err != nil {
			return err
		}
	}
	for range settleTries {
		suspects, err := s.suspects()
		if err != nil || len(suspects) == 0 {
			return err
		}
		if err := s.again(ctx, suspects); err != nil {
			return err
		}
		if err := s.compareKept(); err != nil {
			return err
		}
	}
	return fault.Hint(fmt.Errorf("finish %q: its files are written to again and again by somebody else", s.t.Name),
		"find out what writes there, and run the same command")
}

// suspects are the slots that may hold other bytes than were proven, with how they look now.
func (s *Stage) suspects() (map[int]content.Stamp, error) {
	suspects := map[int]content.Stamp{}
	look := func(slot int, as func(now content.Stamp) bool) error {
		now, err := s.look(slot)
		if err == nil && !as(now) {
			s.log.Warn("a file was changed by somebody else, and is hashed again", "file", s.slotName(slot))
			suspects[slot] = now
		}
		return err
	}
	for i := range s.t.Files {
		if !s.plan.want[i] || s.t.Files[i].Length == 0 {
			continue
		}
		err := look(i, func(now content.Stamp) bool {
			if s.plan.kept[i] {
				return now.Same(s.plan.stamps[i])
			}
			return s.marks.is(i, s.afterMove(i, now))
		})
		if err != nil {
			return nil, diskError(fmt.Sprintf("look at %q", s.slotName(i)), err)
		}
	}
	if s.marks.knows(partsSlot) {
		if err := look(partsSlot, func(now content.Stamp) bool { return s.marks.is(partsSlot, now) }); err != nil {
			return nil, diskError(fmt.Sprintf("look at %q", partsName), err)
		}
	}
	return suspects, nil
}

// afterMove takes from a stamp what our own move has changed.
func (s *Stage) afterMove(slot int, now content.Stamp) content.Stamp {
	if s.hasMoved() && (s.plan.merge || !s.t.Dir) {
		now.CTime = s.marks.stamp(slot).CTime
	}
	return now
}

// look is the stamp of what is at a slot's place, whatever is open; the zero one if that is no file.
func (s *Stage) look(slot int) (content.Stamp, error) {
	s.place.RLock()
	defer s.place.RUnlock()
	root, name := s.root, partsName
	switch {
	case s.inTarget(slot):
		root, name = s.dir, s.dataPath(slot)
	case slot != partsSlot:
		name = path.Join(dataName, s.dataPath(slot))
	}
	fi, err := root.Lstat(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.Mode().IsRegular() {
		return content.Stamp{}, nil
	}
	if err != nil {
		return content.Stamp{}, err
	}
	return content.StampAt(root, name, fi), nil
}

// again hashes all that was proven of the suspects.
func (s *Stage) again(ctx context.Context, suspects map[int]content.Stamp) error {
	for slot := range suspects {
		if err := s.files.forget(slot); err != nil { // it may be another file by now
			return err
		}
		now, err := s.resize(slot)
		if err != nil {
			return err
		}
		if slot != partsSlot && s.plan.kept[slot] {
			s.plan.stamps[slot] = now
		} else {
			s.marks.set(slot, now)
		}
	}
	judge := newJudge(s.t, len(s.mem.state))
	var todo []int
	right := make([]bool, len(s.mem.state))
	for i, need := range s.plan.needed() {
		if (need || s.plan.proven[i]) && !s.held(i, func(slot int, _, _ int64) bool { _, is := suspects[slot]; return !is }) {
			if judge.knows(i) {
				todo = append(todo, i)
			}
			continue
		}
		right[i] = true
	}
	m := &s.mem
	err := s.hash(ctx, judge, todo, nil, func(i int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		right[i] = true
	})
	if err != nil {
		return err
	}
	return s.spoiled(right, suspects)
}

// resize gives a file that was made longer or shorter its length back, and says how it looks then.
func (s *Stage) resize(slot int) (content.Stamp, error) {
	now, err := s.look(slot)
	if err != nil || slot == partsSlot || now.Size == s.t.Files[slot].Length {
		return now, err
	}
	s.place.RLock()
	in := s.inTarget(slot)
	s.place.RUnlock()
	if in {
		return now, inTheWay(fmt.Errorf("%q was changed by somebody else when all of it was there", filepath.Join(s.plan.dir, filepath.FromSlash(s.dataPath(slot)))))
	}
	h, err := s.files.get(slot, true)
	if err != nil {
		return now, diskError(fmt.Sprintf("open %q", s.slotName(slot)), err)
	}
	defer s.files.put(h)
	if err := s.marks.change(slot, h.File, func() error { return h.Truncate(s.t.Files[slot].Length) }); err != nil {
		return now, diskError(fmt.Sprintf("size %q", s.slotName(slot)), err)
	}
	return stampOf(h.File)
}

// spoiled forgets the pieces that are not right, and is the error that says so; nil if there are none.
func (s *Stage) spoiled(right []bool, suspects map[int]content.Stamp) error {
	e := &SpoiledError{}
	m := &s.mem
	m.mu.Lock()
	for i, ok := range right {
		if !ok {
			e.Pieces++
			m.state[i].complete, m.state[i].saved, m.state[i].whole = false, false, false
		}
	}
	m.news = m.news || e.Pieces > 0
	m.mu.Unlock()
	if e.Pieces == 0 {
		return nil
	}
	for slot := range suspects {
		if slot != partsSlot && (s.plan.kept[slot] || s.hasMoved()) {
			return inTheWay(fmt.Errorf("%q was changed by somebody else when it had been hashed", filepath.Join(s.plan.dir, filepath.FromSlash(s.dataPath(slot)))))
		}
		if len(e.Files) < shownNames {
			e.Files = append(e.Files, fmt.Sprintf("%q", s.slotName(slot)))
		}
	}
	return e
}
