package fetcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/names"
)

// Renamed is a file that is not called as the torrent has it.
type Renamed struct {
	Own   string // its path in the torrent, with the torrent's name, slash-separated
	Local string // its path below the target's folder
}

// Renamed lists the wanted files that are called otherwise because the file system cannot hold their own names. It is known
// when Target is.
func (p *Plan) Renamed() (list []Renamed) {
	for i := range p.t.Files {
		own, local := path.Join(p.t.Name, p.t.FilePath(i)), path.Join(p.top, p.local[i])
		if p.want[i] && norm.NFC.String(own) != norm.NFC.String(local) {
			list = append(list, Renamed{own, local})
		}
	}
	return list
}

// place gives every file the name that pick says.
func (p *Plan) place(pick names.Pick) {
	placed := content.Tree(p.t).Place(pick)
	p.local, p.links = placed.Paths, placed.Find
}

// linkTo is where a symlink to a path of the torrent leads, from the content's folder.
func (p *Plan) linkTo(to []string) string {
	at := strings.Split(p.links(to), "/")
	for i, c := range at {
		if alwaysPortable && names.Portable(c) != nil { // the torrent does not hold it, and "C:" is no folder
			made := names.Of(c).Made
			at[i] = made[len(made)-1]
		}
	}
	return strings.Join(at, "/")
}

// placeIn gives every file the name that it has in a folder, or its own if it is not there.
func (p *Plan) placeIn(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the target: %w", err)
	}
	defer root.Close()
	p.place(content.Present(root))
	return nil
}

// nameFiles settles what the content and its files are called: what is there keeps its name, and the rest has its own where
// the file system can hold it.
func (s *Stage) nameFiles() error {
	p := s.plan
	x := &trial{root: s.root, known: map[string]bool{}}
	holds := p.holds
	if holds == nil {
		holds = x.holds
	}
	choose := func(n names.Name) string {
		if !n.Odd() || holds(n.Own, n.Rival) {
			return n.Own
		}
		for _, name := range n.Made[:len(n.Made)-1] {
			if holds(name, "") {
				return name
			}
		}
		return n.Made[len(n.Made)-1]
	}
	_, err := s.dir.Lstat(p.top)
	if there := err == nil; !there {
		p.top = choose(names.Of(p.t.Name))
	}
	if p.merge {
		target, err := folder(s.dir, p.top, false)
		if err != nil {
			return diskError("look into the target", err)
		}
		defer target.Close()
		present := content.Present(target)
		p.place(func(dir string, n names.Name) string {
			name := present(dir, n)
			if _, err := target.Lstat(path.Join(dir, name)); err == nil && (name != n.Own || n.Rival == "") {
				return name
			}
			return choose(n)
		})
	} else {
		p.place(func(_ string, n names.Name) string { return choose(n) })
	}
	if err := x.end(); err != nil {
		return diskError("try what names the file system can hold", err)
	}
	return nil
}

// trial tries what names a file system can hold, in a folder of its own below the staging folder.
type trial struct {
	root  *os.Root
	dir   *os.Root // nil: not made yet
	known map[string]bool
	err   error // of the disk
}

// holds says whether a file can have the name, keeps it as it is, and is another than one that has the rival's. Names of one
// kind are tried once.
func (x *trial) holds(name, rival string) bool {
	if alwaysPortable && names.Portable(name) != nil {
		return false
	}
	k := kind(name)
	if rival != "" {
		k += "\x00" + difference(name, rival)
	}
	can, known := x.known[k]
	if !known && x.err == nil {
		can = x.try(name, rival)
		x.known[k] = can
	}
	return can
}

func (x *trial) try(name, rival string) bool {
	if x.dir == nil {
		if err := x.root.RemoveAll(trialName); err != nil {
			x.err = err
			return false
		}
		if x.dir, x.err = enter(x.root, trialName, privatePerm, true); x.err != nil {
			return false
		}
	}
	for _, n := range []string{rival, name} {
		if n == "" {
			continue
		}
		f, err := x.dir.OpenFile(n, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			if errors.Is(err, syscall.ENOSPC) || isFull(err) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EMFILE) {
				x.err = err
			}
			break
		}
		f.Close()
	}
	d, err := x.dir.Open(".")
	if err != nil {
		x.err = err
		return false
	}
	defer d.Close()
	list, err := d.Readdirnames(-1)
	if err != nil {
		x.err = err
		return false
	}
	for _, n := range list {
		if err := x.dir.RemoveAll(n); err != nil {
			x.err = err
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return n == name || norm.NFC.String(n) == norm.NFC.String(name) })
	}
	if rival == "" {
		return has(name)
	}
	return len(list) == 2 && slices.Contains(list, name)
}

// end removes what the trials left, and says what kept them from coming out.
func (x *trial) end() error {
	if x.dir == nil {
		return x.err
	}
	x.dir.Close()
	if err := x.root.RemoveAll(trialName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(x.err, err)
	}
	return x.err
}

// kind is the same for names that a file system can hold or not for the same reasons.
func kind(name string) string {
	var odd []rune
	for _, r := range name {
		switch {
		case unicode.Is(unicode.Cf, r):
			r = '\u200b' // some leave them out
		case r >= 0x10000:
			r = 0x10000 // some keep names in UCS-2
		case names.Portable("x"+string(r)+"x") != nil:
		case r >= utf8.RuneSelf:
			r = utf8.RuneSelf // some keep names in an encoding of one language
		default:
			continue
		}
		if !slices.Contains(odd, r) {
			odd = append(odd, r)
		}
	}
	slices.Sort(odd)
	k := string(odd)
	if len(name) > 100 || utf8.RuneCountInString(name) > 100 {
		k += fmt.Sprintf("\x00%d,%d", len(name), utf8.RuneCountInString(name))
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		k += "\x00end" + string(last)
	}
	if names.Portable(strings.Map(func(r rune) rune {
		if names.Portable("x"+string(r)+"x") != nil {
			return 'x'
		}
		return r
	}, strings.TrimRight(name, ". "))) != nil && len(name) < 100 {
		k += "\x00device"
	}
	return k
}

// difference is what tells a name from one that is alike.
func difference(a, b string) string {
	switch {
	case strings.EqualFold(a, b) && isASCII(a) && isASCII(b):
		return "case"
	case norm.NFC.String(a) == norm.NFC.String(b):
		return "composition"
	}
	return a + "\x00" + b
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
