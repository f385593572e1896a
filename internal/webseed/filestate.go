package webseed

import (
	"fmt"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// fileState is the state of one file at one server. A file without a state has no known problems. Guarded by fetch.mu.
type fileState struct {
	why string // why it is no longer requested there; empty: it is
	end int64  // the server has no bytes from here on; 0: unknown

	until   time.Time // it is not requested before
	failed  int       // consecutive failures
	since   int64     // source.good at the first of them
	refused int       // consecutive refusals

	right, wrong int   // pieces that lie completely in this file
	waste        int64 // bytes of the wrong ones minus bytes of the right ones
}

// state returns the state of a file, creating it if necessary.
func (s *source) state(file int) *fileState {
	st := s.files[file]
	if st == nil {
		st = &fileState{}
		s.files[file] = st
	}
	return st
}

// gives says whether s can send the bytes of a file up to end now, and whether it ever can. f.mu is held.
func (s *source) gives(file int, end int64, now time.Time) (ok, ever bool) {
	if s.dead {
		return false, false
	}
	st := s.files[file]
	if st == nil {
		return true, true
	}
	ever = st.why == "" && (st.end == 0 || end <= st.end)
	return ever && !st.until.After(now), ever
}

// tries returns how often a piece that came wrong is requested. f.mu is held.
func (s *source) tries() int {
	if s.mixed {
		return mixedTries
	}
	return pieceTries
}

// compare records that a server has a file, and its version. If answers from one address have different versions of a file,
// several servers are behind it, and one may have what another lacks.
func (f *fetch) compare(s *source, file int, h http.Header) {
	version := h.Get("ETag") + " " + h.Get("Last-Modified")
	f.mu.Lock()
	defer f.mu.Unlock()
	s.mixed = s.mixed || s.version != "" && s.versionOf == file && s.version != version
	s.version, s.versionOf = version, file
	if st := s.files[file]; st != nil {
		st.refused = 0 // now, not when all of it has come: others may be refused in between
	}
}

// clean says whether s has no known problems. f.mu is held.
func (s *source) clean() bool { return !s.dead && len(s.files) == 0 && len(s.wrong) == 0 }

// canFetch says whether s can fetch a piece now, and whether it ever can: s has some of it, and for the rest there is another
// server. f.mu is held.
func (f *fetch) canFetch(s *source, piece int, now time.Time) (ok, ever bool) {
	if f.o.Near || s.clean() {
		return !s.dead, !s.dead
	}
	if s.dead || s.wrong[piece] >= s.tries() {
		return false, false
	}
	ok, ever = true, true
	own, ownEver := false, false
	begin, end := f.bounds(piece)
	for _, e := range f.o.Layout.Extents(begin, end) {
		if e.File == content.Padding {
			continue
		}
		to := min(e.Offset+e.Length, end) - e.Offset
		now1, ever1 := s.gives(e.File, to, now)
		own, ownEver = own || now1, ownEver || ever1
		for i := 0; i < len(f.sources) && !now1; i++ {
			if other := f.sources[i]; other.wrong[piece] < other.tries() {
				now2, ever2 := other.gives(e.File, to, now)
				now1, ever1 = now2 && !other.until.After(now), ever1 || ever2
			}
		}
		ok, ever = ok && now1, ever && ever1
	}
	return ok && own, ever && ownEver
}

// bounds returns the start and end of a piece in the piece space.
func (f *fetch) bounds(piece int) (begin, end int64) {
	return int64(piece) * f.o.Layout.PieceLength, f.o.Layout.PieceEnd(piece)
}

// giver returns the server to ask for the bytes of a file up to end: s if it has them, else another; nil if none can now.
func (f *fetch) giver(s *source, file, piece int, end int64) *source {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if ok, _ := s.gives(file, end, now); ok {
		return s
	}
	for _, other := range f.sources {
		if ok, _ := other.gives(file, end, now); ok && !other.until.After(now) && other.wrong[piece] < other.tries() {
			return other
		}
	}
	return nil
}

// exhausted says whether s will never send any of the missing pieces. f.mu is held.
func (f *fetch) exhausted(s *source, v View, now time.Time) bool {
	if s.clean() {
		return false
	}
	for i := range f.pending(v) {
		if _, ever := f.canFetch(s, i, now); ever {
			return false
		}
	}
	return true
}

// pending iterates over the pieces that are still missing.
func (f *fetch) pending(v View) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for _, r := range f.o.Wanted {
			for i := r[0]; i < r[1]; i++ {
				if (v.Missing[i] || f.taken[i]) && !yield(i) {
					return
				}
			}
		}
	}
}

// sole returns the file that contains the whole piece; -1 if there are several.
func (f *fetch) sole(piece int) int {
	begin, end := f.bounds(piece)
	file := -1
	for _, e := range f.o.Layout.Extents(begin, end) {
		switch {
		case e.File == content.Padding:
		case file >= 0:
			return -1
		default:
			file = e.File
		}
	}
	return file
}

// recordRight records that a piece was right.
func (f *fetch) recordRight(a arrived) {
	file := f.sole(a.piece)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range a.from {
		s.good++
		s.rightBytes += int64(len(a.b))
		if file >= 0 {
			st := s.state(file)
			st.right++
			st.waste -= int64(len(a.b))
		}
	}
}

// recordWrong records that a piece was wrong. This bounds what a server can waste by the right bytes it sent: a piece is
// requested a few times, because the next mirror behind an address may have the right one; a file as long as most of its
// pieces are right, wherever the wrong ones are; and a server likewise.
func (f *fetch) recordWrong(a arrived) {
	file := f.sole(a.piece)
	why := fmt.Sprintf("its content differs from the torrent: piece %d does not match its hash", a.piece)
	for _, s := range a.from {
		said := ""
		f.mu.Lock()
		s.wrong[a.piece]++
		s.wrongBytes += int64(len(a.b))
		waste := s.wrongBytes > wasteMost+s.rightBytes
		if file >= 0 && !waste {
			st := s.state(file)
			st.wrong++
			if st.waste += int64(len(a.b)); st.wrong >= wrongMost && st.waste > fileWaste && st.why == "" {
				said = f.giveUp(s, file, st, why)
			}
		}
		if said == "" && s.wrong[a.piece] == s.tries() {
			said = f.sayOf(s, fmt.Sprintf("the web seed %s is no longer asked for piece %d: %s", s.shown(), a.piece, why))
		}
		f.mu.Unlock()
		if waste {
			f.drop(s, fmt.Errorf("%s, like most of what it sent", why), false)
		} else if said != "" {
			f.tell(said)
		}
	}
}

// recordRefusal records that a server does not have a file, or only its beginning, and returns the message for the user.
func (f *fetch) recordRefusal(s *source, file int, e *refusedError) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := s.state(file)
	tries := 1
	if e.mirror || st.right > 0 {
		tries = refusalTries
	}
	if st.refused++; st.refused < tries {
		st.until = time.Now().Add(f.backoff(st.refused))
		return ""
	}
	if st.refused = 0; e.end > 0 {
		st.end = e.end
		return f.sayOf(s, fmt.Sprintf("the web seed %s is no longer asked for the end of %s: %s", s.shown(), f.fileName(file), e.why))
	}
	said := f.giveUp(s, file, st, e.why)
	if s.lost++; s.lost >= lostMost && s.good == 0 {
		s.dead, s.why = true, fmt.Sprintf("it has none of the first %d files requested: %s", s.lost, e.why)
		return fmt.Sprintf("the web seed %s is no longer used: %s", s.shown(), s.why)
	}
	return said
}

// giveUp stops requesting a file from a server. f.mu is held.
func (f *fetch) giveUp(s *source, file int, st *fileState, why string) string {
	st.why = why
	return f.sayOf(s, fmt.Sprintf("the web seed %s is no longer asked for %s: %s", s.shown(), f.fileName(file), why))
}

// sayOf returns a message about some of a server's content; empty after the first sayMost. f.mu is held.
func (f *fetch) sayOf(s *source, message string) string {
	switch s.said++; {
	case s.said < sayMost:
		return message
	case s.said == sayMost:
		return message + " (further files are not reported)"
	}
	return ""
}

// fileName returns the name of a file for messages.
func (f *fetch) fileName(file int) string {
	if p := f.o.Torrent.FilePath(file); p != "" {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q", f.o.Torrent.Name)
}
