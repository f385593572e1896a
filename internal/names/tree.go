package names

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Name is a name in a folder of a torrent, and what stands for it where a file system cannot hold it.
type Name struct {
	Own   string
	Made  []string // to be taken instead, the likest first; none for a name that every system can hold
	Rival string   // a name before it in the folder that some systems hold for the same; empty: none
}

// Odd reports whether some file system cannot hold the name.
func (n Name) Odd() bool { return len(n.Made) > 0 }

// Pick says what a name in a folder is called on disk. dir is the folder as it is on disk, slash-separated, "." for the
// outermost.
type Pick func(dir string, n Name) string

// Tree is the names of a torrent's files below its own name.
type Tree struct {
	nodes []node // parents before what is in them
	at    map[place]int32
	files []int32
}

// place is a name in a folder.
type place struct {
	folder int32 // a node; -1: the outermost
	name   string
}

type node struct {
	parent int32 // -1: the outermost folder
	name   Name
}

// Of is the name of a torrent, which nothing stands beside.
func Of(name string) Name {
	n := Name{Own: name}
	if odd(name) {
		n.Made = made(name, name, leastDigits)
	}
	return n
}

// NewTree makes the tree of paths that CheckPath accepts. A file without a path, which is the torrent itself, is left out.
func NewTree(paths [][]string) *Tree {
	t := &Tree{files: make([]int32, len(paths)), at: map[place]int32{}}
	for i, p := range paths {
		parent := int32(-1)
		for _, c := range p {
			here := place{parent, c}
			k, there := t.at[here]
			if !there {
				k = int32(len(t.nodes))
				t.nodes = append(t.nodes, node{parent: parent, name: Name{Own: c}})
				t.at[here] = k
			}
			parent = k
		}
		t.files[i] = parent
	}
	t.name()
	return t
}

// name finds out what each name needs. No made name is one, on any system, that another in the folder has.
func (t *Tree) name() {
	taken := make(map[place]string, len(t.nodes)) // by key
	var todo []int32
	for k := range t.nodes {
		n := &t.nodes[k]
		here := place{n.parent, Key(n.name.Own)}
		if rival, there := taken[here]; there {
			n.name.Rival = rival
		} else {
			taken[here] = n.name.Own
		}
		if n.name.Rival != "" || odd(n.name.Own) {
			todo = append(todo, int32(k))
		}
	}
	for _, k := range todo {
		n := &t.nodes[k]
		whole := t.own(k)
		for digits := leastDigits; ; digits *= 2 {
			names := made(n.name.Own, whole, digits)
			free := func(s string) bool { return taken[place{n.parent, Key(s)}] == "" }
			if digits < 2*sha256.Size && !(free(names[0]) && free(names[len(names)-1])) {
				continue
			}
			for _, s := range names {
				taken[place{n.parent, Key(s)}] = s
			}
			n.name.Made = names
			break
		}
	}
}

// own is the path of a node in the torrent.
func (t *Tree) own(k int32) string {
	var parts []string
	for ; k >= 0; k = t.nodes[k].parent {
		parts = append(parts, t.nodes[k].name.Own)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// Placed is a tree on disk.
type Placed struct {
	tree  *Tree
	paths []string // per node
	Paths []string // per file, slash-separated; empty for one without a path
}

// Place asks pick about every name, a folder before what is in it.
func (t *Tree) Place(pick Pick) *Placed {
	p := &Placed{tree: t, paths: make([]string, len(t.nodes)), Paths: make([]string, len(t.files))}
	for k, n := range t.nodes {
		dir := "."
		if n.parent >= 0 {
			dir = p.paths[n.parent]
		}
		p.paths[k] = path.Join(dir, pick(dir, n.name))
	}
	for i, k := range t.files {
		if k >= 0 {
			p.Paths[i] = p.paths[k]
		}
	}
	return p
}

// Find is where a path of the torrent is on disk, such as one that a symlink leads to. What the torrent does not hold keeps
// its own names.
func (p *Placed) Find(components []string) string {
	at, parent := ".", int32(-1)
	for i, c := range components {
		k, there := p.tree.at[place{parent, c}]
		if !there {
			return path.Join(append([]string{at}, components[i:]...)...)
		}
		at, parent = p.paths[k], k
	}
	return at
}

// odd reports whether some file system cannot hold a name by itself.
func odd(name string) bool {
	if len(name) > longestEverywhere || Portable(name) != nil {
		return true
	}
	return strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0
}

// made is what stands for a name: as much of it as can be had everywhere, and digits of a hash of its path in the torrent.
// The first keeps letters of all scripts, the last is ASCII alone.
func made(name, whole string, digits int) []string {
	sum := sha256.Sum256([]byte(whole))
	mark := "~" + hex.EncodeToString(sum[:])[:digits]
	full, plain := put(mark, name, false), put(mark, name, true)
	if full == plain {
		return []string{full}
	}
	return []string{full, plain}
}

// put puts a mark into a name, before its extension, and cleans the rest.
func put(mark, name string, ascii bool) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case ascii && r >= utf8.RuneSelf, judgeRune(r) != "", r == '~':
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, norm.NFC.String(name))
	ext := path.Ext(clean)
	if len(ext) > longestExtension || strings.ContainsRune(ext, ' ') || ext == "." {
		ext = ""
	}
	stem := strings.TrimRight(cut(strings.TrimSuffix(clean, ext), longestEverywhere-len(mark)-len(ext)-1), ". ")
	if device(stem) != "" || stem == "" {
		stem = "_" + stem
	}
	return stem + mark + ext
}

// cut is as much of s as fits into n bytes, without half a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
