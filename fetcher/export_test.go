package fetcher

import (
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// SetGatherLimit bounds the memory of s as on a smaller machine.
func (s *Stage) SetGatherLimit(n int64) {
	s.mem.mu.Lock()
	defer s.mem.mu.Unlock()
	s.mem.limit = n
}

// Checkpoint notes what is proven now, once it is written, as the clock does every few seconds.
func (s *Stage) Checkpoint() error {
	m := &s.mem
	m.mu.Lock()
	for m.writing > 0 {
		m.moves.Wait()
	}
	m.mu.Unlock()
	return s.checkpoint()
}

// SetOpenFiles bounds the cached descriptors.
func (s *Stage) SetOpenFiles(n int) { s.files.max = n }

// DecodeNote reads a note about nothing in particular.
func DecodeNote(b []byte, pieces int) (proven []bool, stamps map[int]content.Stamp, err error) {
	n, err := decodeNote(b, [32]byte{}, pieces)
	return n.proven, n.stamps, err
}

// EncodeNote writes one.
func EncodeNote(proven []bool, stamps map[int]content.Stamp) []byte {
	return note{proven, stamps}.encode([32]byte{})
}

// SetClock gives s another clock.
func (s *Stage) SetClock(now func() time.Time) {
	s.mem.mu.Lock()
	defer s.mem.mu.Unlock()
	s.now = now
}

// Gathered is how many bytes of memory are taken by pieces.
func (s *Stage) Gathered() int64 {
	s.mem.mu.Lock()
	defer s.mem.mu.Unlock()
	return s.mem.used
}

// SetBounds bounds what is listed, what is read in search, and the memory of a piece; 0 leaves one as it is.
func (o *Reuse) SetBounds(sources int, scan, whole int64) { o.bounds = bounds{sources, scan, whole} }

// Abandon ends s as a kill does: nothing is noted.
func (s *Stage) Abandon() {
	s.closing.Do(func() {
		s.mem.mu.Lock()
		s.mem.closed = true
		s.mem.mu.Unlock()
		close(s.stop)
		s.wg.Wait()
		_ = s.files.close()
		s.closeFolders()
	})
}
