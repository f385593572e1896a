package fetcher

import (
	"fmt"
	"time"
)

// checkpoints notes every few seconds what is proven. A disk that takes long for it is asked less
// often.
func (s *Stage) checkpoints() {
	wait := time.NewTimer(checkpointEvery)
	defer wait.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-wait.C:
		}
		begun := time.Now()
		if err := s.checkpoint(); err != nil {
			s.fail(err)
			return
		}
		wait.Reset(max(checkpointEvery, checkpointShare*time.Since(begun)))
	}
}

// checkpoint brings the bytes of saved pieces to the disk, and then the note that says so: a power cut
// cannot leave a note without its bytes. A file that is written to after that is not as the note says, and is hashed again
// after a crash.
func (s *Stage) checkpoint() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	m := &s.mem
	m.mu.Lock()
	if !m.news {
		m.mu.Unlock()
		return nil
	}
	proven := make([]bool, len(m.state))
	for i := range m.state {
		proven[i] = m.state[i].saved
	}
	dirty := m.dirty
	m.dirty, m.news = make(map[int]struct{}), false
	m.mu.Unlock()
	if err := s.sync(dirty); err != nil {
		return diskError(fmt.Sprintf("sync %q", s.root.Name()), err)
	}
	if err := s.writeNote(note{proven, s.marks.sure()}); err != nil {
		return diskError(fmt.Sprintf("write %q in %q", bitmapName, s.root.Name()), err)
	}
	return nil
}

// sync brings the data of some slots to the disk.
func (s *Stage) sync(slots map[int]struct{}) error {
	if canSyncAll && len(slots) >= syncFiles {
		return syncAll(s.lock)
	}
	for slot := range slots {
		h, err := s.files.get(slot, true)
		if err != nil {
			return err
		}
		err = syncData(h.File)
		s.files.put(h)
		if err != nil {
			return err
		}
	}
	return nil
}
