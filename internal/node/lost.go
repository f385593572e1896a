package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// missEvery is how often files that nobody gives are looked for.
	missEvery = 5 * time.Second
	// filesShown is how many files a sentence names, and filesListed a list.
	filesShown  = 20
	filesListed = 100
)

// fileList is the names of files, as far as they are shown, and how many there are.
type fileList struct {
	list []string
	all  int
}

func (n *fileList) add(name string) {
	if n.all++; len(n.list) < filesListed {
		n.list = append(n.list, name)
	}
}

func (n fileList) String() string {
	shown := make([]string, 0, filesShown)
	for _, name := range n.list[:min(len(n.list), filesShown)] {
		shown = append(shown, strconv.Quote(name))
	}
	text := strings.Join(shown, ", ")
	if more := n.all - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// missed is what the last look found.
type missed struct {
	at time.Time
	losses
}

// losses are files of which bytes are missing that nobody gives.
type losses struct {
	lost, rest fileList // those that are wanted, and the other wanted ones
	beside     fileList // those that are not wanted and share the pieces that are missing, where all that is missing is so shared
}

// gives says who nobody gives.
func (l losses) gives() string {
	text := fmt.Sprintf("nobody who is there gives %s", l.lost)
	if l.beside.all > 0 {
		text += fmt.Sprintf(": what is missing shares its pieces with %s, and only who has those as well can give it", l.beside)
	}
	return text
}

// miss looks for files that nobody gives, and tells of them when they are others than before.
func (w *watch) miss(now time.Time) {
	was := w.missed
	if now.Sub(was.at) < missEvery {
		return
	}
	l := w.lost()
	w.missed = missed{now, l}
	lost, rest := l.lost, l.rest
	if lost.all == 0 || lost.all == was.lost.all && slices.Equal(lost.list, was.lost.list) {
		return
	}
	only := ""
	if rest.all > 0 {
		only = fmt.Sprintf("; with --only the rest can be had: %s", rest)
	}
	warn(w.say, "nothing has come for %v: %s%s; others are looked for until the fetch is ended", hope, l.gives(), only)
}

// losses looks for wanted files of which some bytes are missing that neither a peer who is connected nor a web seed gives.
func (f *fetch) losses() (l losses) {
	standing, web := f.t.Standing(), f.web.Gives()
	gone := make([]bool, len(standing.Missing))
	for _, r := range f.plan.Wanted() {
		for i := r.Begin; i < r.End; i++ {
			gone[i] = standing.Missing[i] && standing.Holders[i] == 0 && !web(i)
		}
	}
	for i := range f.meta.Files {
		if !f.plan.Want()[i] {
			continue
		}
		name := f.meta.FilePath(i)
		if name == "" {
			name = f.name()
		}
		begin, end := f.meta.PieceRange(&f.meta.Files[i])
		if slices.Contains(gone[begin:end], true) {
			l.lost.add(name)
		} else {
			l.rest.add(name)
		}
	}
	l.beside = f.beside(gone)
	return l
}

// beside are the files that are not wanted and have bytes in the pieces that are gone; none if a piece has no such bytes.
func (f *fetch) beside(gone []bool) (files fileList) {
	in := f.plan.Inside()
	for i := range gone {
		if gone[i] && in[i] {
			return fileList{}
		}
	}
	for i := range f.meta.Files {
		begin, end := f.meta.PieceRange(&f.meta.Files[i])
		if !f.plan.Want()[i] && slices.Contains(gone[begin:end], true) {
			files.add(f.meta.FilePath(i))
		}
	}
	return files
}
