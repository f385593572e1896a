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

// Name is a name in a folder of a torrent, and the substitutes for file systems that cannot hold it.
type Name struct {
	Own   string
	Made  []string // substitutes, the most similar first; nil for a name that every system can hold
	Rival string   // an earlier name in the folder that is the same on some systems; empty: none
}

// Odd reports whether some file system cannot hold the name.
func (n Name) Odd() bool { return len(n.Made) > 0 }

// Pick chooses the name on disk for a name in a folder. dir is the folder's path on disk, slash-separated; "." is the top.
type Pick func(dir string, n Name) string

// Tree holds the names of a torrent's files, below the torrent's own name.
type Tree struct {
	nodes []node // parents before their children
	at    map[nodeKey]int32
	files []int32
}

// nodeKey identifies a node by its folder and name.
type nodeKey struct {
	folder int32 // a node; -1: the top
	name   string
}

type node struct {
	parent int32 // -1: the top
	name   Name
}

// Of returns the Name of a torrent itself, which has no siblings.
func Of(name string) Name {
	n := Name{Own: name}
	if odd(name) {
		n.Made = made(name, name, leastDigits)
	}
	return n
}

// NewTree makes the tree of paths that CheckPath accepts. It skips empty paths, which stand for the torrent itself.
func NewTree(paths [][]string) *Tree {
	t := &Tree{files: make([]int32, len(paths)), at: map[nodeKey]int32{}}
	for i, p := range paths {
		parent := int32(-1)
		for _, c := range p {
			here := nodeKey{parent, c}
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

// name fills in rivals and substitutes. No substitute is the same, on any system, as another name in the folder.
func (t *Tree) name() {
	taken := make(map[nodeKey]string, len(t.nodes)) // by key
	var todo []int32
	for k := range t.nodes {
		n := &t.nodes[k]
		here := nodeKey{n.parent, Key(n.name.Own)}
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
			free := func(s string) bool { return taken[nodeKey{n.parent, Key(s)}] == "" }
			if digits < 2*sha256.Size && !(free(names[0]) && free(names[len(names)-1])) {
				continue
			}
			for _, s := range names {
				taken[nodeKey{n.parent, Key(s)}] = s
			}
			n.name.Made = names
			break
		}
	}
}

// own returns the path of a node in the torrent.
func (t *Tree) own(k int32) string {
	var parts []string
	for ; k >= 0; k = t.nodes[k].parent {
		parts = append(parts, t.nodes[k].name.Own)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// Placed holds the paths on disk of a tree.
type Placed struct {
	tree  *Tree
	paths []string // per node
	Paths []string // per file, slash-separated; empty for a file without a path
}

// Place calls pick for every name, folders before their content.
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

// Find returns the path on disk of a path in the torrent, such as the target of a symlink. Components that are not in the
// torrent keep their names.
func (p *Placed) Find(components []string) string {
	at, parent := ".", int32(-1)
	for i, c := range components {
		k, there := p.tree.at[nodeKey{parent, c}]
		if !there {
			return path.Join(append([]string{at}, components[i:]...)...)
		}
		at, parent = p.paths[k], k
	}
	return at
}

// odd reports whether some file system cannot hold a name, regardless of other names.
func odd(name string) bool {
	if len(name) > longestEverywhere || Portable(name) != nil {
		return true
	}
	return strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0
}

// made returns the substitutes for a name: the part of it that every system can hold, with digits of a hash of its path in
// the torrent. The first keeps letters of all scripts; the last is ASCII only.
func made(name, whole string, digits int) []string {
	sum := sha256.Sum256([]byte(whole))
	mark := "~" + hex.EncodeToString(sum[:])[:digits]
	full, plain := put(mark, name, false), put(mark, name, true)
	if full == plain {
		return []string{full}
	}
	return []string{full, plain}
}

// put inserts mark into a name, before its extension, and replaces the characters that are not portable.
func put(mark, name string, ascii bool) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case ascii && r >= utf8.RuneSelf, judgeRune(r) != "", hides(r) != "" && !isJoiner(r), r == '~':
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

// cut returns at most n bytes of s, without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
