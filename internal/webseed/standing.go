package webseed

import (
	"fmt"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// standing is how one file stands at one server. A file without one is as good as any. Guarded by fetch.mu.
type standing struct {
	why string // it is not asked for there any more; empty: it may be
	end int64  // the server has no bytes from here on; 0: that is not known

	until   time.Time // it is left alone
	failed  int       // times in a row
	since   int64     // source.good when the first of them was
	refused int       // times in a row

	right, wrong int   // pieces that lie in this file alone
	waste        int64 // bytes of the wrong ones more than of the right ones
}

// at is the standing of a file, made if there is none.
func (s *source) at(file int) *standing {
	st := s.files[file]
	if st == nil {
		st = &standing{}
		s.files[file] = st
	}
	return st
}

// gives says whether s gives the bytes of a file up to end now, and whether it ever will. f.mu is held.
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

// tries is how often a piece is asked for that came wrong. f.mu is held.
func (s *source) tries() int {
	if s.mixed {
		return mixedTries
	}
	return pieceTries
}

// compare takes note of what an answer says of the version of a file. Behind an address whose answers differ in it are several
// servers, of which one may have what another has not.
func (f *fetch) compare(s *source, file int, h http.Header) {
	version := h.Get("ETag") + " " + h.Get("Last-Modified")
	f.mu.Lock()
	defer f.mu.Unlock()
	s.mixed = s.mixed || s.version != "" && s.versionOf == file && s.version != version
	s.version, s.versionOf = version, file
}

// clean says that nothing is known against any byte of s. f.mu is held.
func (s *source) clean() bool { return !s.dead && len(s.files) == 0 && len(s.wrong) == 0 }

// can says whether s can fetch a piece now, and whether it ever will: it gives some of it itself, and what it does not give
// another server does. f.mu is held.
func (f *fetch) can(s *source, piece int, now time.Time) (ok, ever bool) {
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

// bounds are where a piece begins and ends in the piece space.
func (f *fetch) bounds(piece int) (begin, end int64) {
	return int64(piece) * f.o.Layout.PieceLength, f.o.Layout.PieceEnd(piece)
}

// giver is the server to ask for the bytes of a file up to end: s if it gives them, else another; nil: none does now.
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

// spent says that nothing which is missing will ever come from s. f.mu is held.
func (f *fetch) spent(s *source, v View, now time.Time) bool {
	if s.clean() {
		return false
	}
	for i := range f.pending(v) {
		if _, ever := f.can(s, i, now); ever {
			return false
		}
	}
	return true
}

// pending are the pieces that are still to come.
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

// sole is the file that a piece lies in alone; -1: there are several.
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

// fits notes that a piece was right.
func (f *fetch) fits(a arrived) {
	file := f.sole(a.piece)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range a.from {
		s.good++
		s.rightBytes += int64(len(a.b))
		if file >= 0 {
			st := s.at(file)
			st.right++
			st.waste -= int64(len(a.b))
		}
	}
}

// differs notes that a piece was wrong. What a server can waste by that is bounded by what it brought: pieces are asked for a
// few times, for the next mirror behind an address may have what this one has not, files as long as most of their pieces
// are right, wherever in them the wrong ones lie, and so the server.
func (f *fetch) differs(a arrived) {
	file := f.sole(a.piece)
	why := fmt.Sprintf("its content is not the torrent's: piece %d does not fit its hash", a.piece)
	for _, s := range a.from {
		said := ""
		f.mu.Lock()
		s.wrong[a.piece]++
		s.wrongBytes += int64(len(a.b))
		waste := s.wrongBytes > wasteMost+s.rightBytes
		if file >= 0 && !waste {
			st := s.at(file)
			st.wrong++
			if st.waste += int64(len(a.b)); st.wrong >= wrongMost && st.waste > fileWaste && st.why == "" {
				said = f.giveUp(s, file, st, why)
			}
		}
		if said == "" && s.wrong[a.piece] == s.tries() {
			said = f.sayOf(s, fmt.Sprintf("the web seed %s is not asked for piece %d any more: %s", s.shown(), a.piece, why))
		}
		f.mu.Unlock()
		if waste {
			f.drop(s, fmt.Errorf("%s, as most that it sent", why))
		} else if said != "" {
			f.tell(said)
		}
	}
}

// refuse notes that a server does not give a file, or has less of it, and gives what the user should hear.
func (f *fetch) refuse(s *source, file int, e *refusedError) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := s.at(file)
	tries := 1
	if e.mirror || st.right > 0 {
		tries = refusalTries
	}
	if st.refused++; st.refused < tries {
		st.until = time.Now().Add(f.wait(st.refused))
		return ""
	}
	if st.refused = 0; e.end > 0 {
		st.end = e.end
		return f.sayOf(s, fmt.Sprintf("the web seed %s is not asked for the end of %s: %s", s.shown(), f.called(file), e.why))
	}
	said := f.giveUp(s, file, st, e.why)
	if s.lost++; s.lost >= lostMost && s.good == 0 {
		s.dead, s.why = true, fmt.Sprintf("it has none of the first %d files that it was asked for: %s", s.lost, e.why)
		return fmt.Sprintf("the web seed %s is not used any more: %s", s.shown(), s.why)
	}
	return said
}

// giveUp ends a file at a server. f.mu is held.
func (f *fetch) giveUp(s *source, file int, st *standing, why string) string {
	st.why = why
	return f.sayOf(s, fmt.Sprintf("the web seed %s is not asked for %s any more: %s", s.shown(), f.called(file), why))
}

// sayOf is a message about a part of what a server has; empty once there were many. f.mu is held.
func (f *fetch) sayOf(s *source, message string) string {
	switch s.said++; {
	case s.said < sayMost:
		return message
	case s.said == sayMost:
		return message + " (what else it does not give is not told)"
	}
	return ""
}

// called is what the user knows a file by.
func (f *fetch) called(file int) string {
	if p := f.o.Torrent.FilePath(file); p != "" {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q", f.o.Torrent.Name)
}
