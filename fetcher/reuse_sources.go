package fetcher

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/names"
)

// source is a file that bytes may be taken from.
type source struct {
	root *os.Root
	path string // below root, with slashes
	size int64
}

// shelf finds sources.
type shelf struct {
	byPath map[string][]int32 // below their place, and below its first folder
	byKey  map[string][]int32 // by what NameKey says of their name
	bySize map[int64][]int32
}

// NameKey is the same for names that differ in case, composition or version: app-1.4.2.iso and App-1.5.iso.
func NameKey(name string) string {
	var b strings.Builder
	in := false
	for _, c := range names.Key(name) {
		number := c >= '0' && c <= '9' || c == '.' && in
		if number && !in {
			b.WriteByte('#')
		}
		if in = number; !number {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// look lists what is in the places: regular files, through no symlink, as many as maxSources.
func (r *reuser) look(ctx context.Context) error {
	r.listed = shelf{map[string][]int32{}, map[string][]int32{}, map[int64][]int32{}}
	r.open = newHandles(openSources, func(slot int, _ bool) (*os.File, error) {
		src := r.sources[slot]
		f, _, err := content.OpenRegular(src.root, src.path)
		return f, err
	})
	r.except = map[string]bool{}
	for _, p := range r.o.Except {
		if at, err := filepath.EvalSymlinks(p); err == nil {
			r.except[at] = true
		}
	}
	for _, place := range r.o.Places {
		if err := r.lookAt(ctx, place); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lookAt lists one place. What cannot be read is passed over: it is no more than a place where something might have been.
func (r *reuser) lookAt(ctx context.Context, place string) error {
	at, err := filepath.EvalSymlinks(place) // of what was named; below it no symlink is followed
	if err != nil {
		r.s.log.Debug("nothing is reused from a place", "place", place, "reason", err)
		return nil
	}
	fi, err := os.Stat(at)
	if err != nil {
		r.s.log.Debug("nothing is reused from a place", "place", place, "reason", err)
		return nil
	}
	dir, only := at, ""
	if !fi.IsDir() {
		dir, only = filepath.Dir(at), filepath.Base(at)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		r.s.log.Debug("nothing is reused from a place", "place", place, "reason", err)
		return nil
	}
	r.roots = append(r.roots, root)
	if only != "" {
		if fi.Mode().IsRegular() {
			r.add(root, only, fi.Size())
		}
		return nil
	}
	seen, most := 0, cmp.Or(r.o.bounds.sources, maxSources)
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if seen++; seen > most || len(r.sources) >= most {
			r.s.log.Warn("not all of a place is looked at for what can be reused", "place", place, "files", most)
			return fs.SkipAll
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil:
			return nil
		case d.IsDir() && (d.Name() == stagingName || p != "." && r.except[filepath.Join(dir, p)]):
			return fs.SkipDir
		case !d.Type().IsRegular() || r.except[filepath.Join(dir, p)]:
			return nil
		}
		if fi, err := d.Info(); err == nil && fi.Size() > 0 {
			r.add(root, p, fi.Size())
		}
		return nil
	})
}

func (r *reuser) add(root *os.Root, p string, size int64) {
	i := int32(len(r.sources))
	r.sources = append(r.sources, source{root, p, size})
	r.listed.byPath[p] = append(r.listed.byPath[p], i)
	if _, below, ok := strings.Cut(p, "/"); ok {
		r.listed.byPath[below] = append(r.listed.byPath[below], i)
	}
	key := NameKey(path.Base(p))
	r.listed.byKey[key] = append(r.listed.byKey[key], i)
	r.listed.bySize[size] = append(r.listed.bySize[size], i)
}

// match finds for every file that is to be taken from somewhere the sources that look like it.
func (r *reuser) match(ctx context.Context, todo []int) error {
	t := r.s.t
	r.near, r.exact = make([][]int32, len(t.Files)), make([]int32, len(t.Files))
	r.misses, r.cloned = make([][]int32, len(t.Files)), map[int32]bool{}
	for i := range r.exact {
		r.exact[i] = -1
	}
	wanted := make([]bool, len(t.Files))
	for _, i := range todo {
		for _, e := range r.files(i) {
			if e.File != content.Padding {
				wanted[e.File] = true
			}
		}
	}
	for i, w := range wanted {
		if !w {
			continue
		}
		if r.s.plan.kept[i] { // its bytes are in the target, but for proof of the pieces it shares
			r.exact[i] = int32(len(r.sources))
			r.sources = append(r.sources, source{r.s.dir, r.s.dataPath(i), t.Files[i].Length})
			continue
		}
		r.near[i] = r.alike(i)
	}
	if err := r.identify(ctx, wanted); err != nil {
		return err
	}
	for i := range r.near {
		if x := r.exact[i]; x >= 0 {
			r.near[i] = slices.Insert(slices.DeleteFunc(r.near[i], func(k int32) bool { return k == x }), 0, x)
		} else if r.o.Chunks != nil {
			// What has moved within a file is found by its chunks.
			r.near[i] = slices.DeleteFunc(r.near[i], func(k int32) bool { return r.sources[k].size != t.Files[i].Length })
		}
		r.misses[i] = make([]int32, len(r.near[i]))
	}
	return nil
}

// alike lists sources with the path of a file, its name or its size, the likeliest first.
func (r *reuser) alike(file int) []int32 {
	t := r.s.t
	p, length := t.FilePath(file), t.Files[file].Length
	if !t.Dir {
		p = t.Name
	}
	base := path.Base(p)
	type rated struct {
		i                int32
		path, same, name bool
		differ           int64
	}
	var list []rated
	seen := map[int32]bool{}
	consider := func(from []int32, samePath bool) {
		for _, i := range from[:min(len(from), maxAlike)] {
			if seen[i] {
				continue
			}
			seen[i] = true
			src := r.sources[i]
			list = append(list, rated{i, samePath, src.size == length, path.Base(src.path) == base, max(src.size-length, length-src.size)})
		}
	}
	consider(r.listed.byPath[p], true)
	consider(r.listed.byPath[path.Join(t.Name, p)], true)
	consider(r.listed.byKey[NameKey(base)], false)
	consider(r.listed.bySize[length], false)
	first := func(yes bool) int {
		if yes {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b rated) int {
		return cmp.Or(
			cmp.Compare(first(a.path && a.same), first(b.path && b.same)), cmp.Compare(first(a.same && a.name), first(b.same && b.name)),
			cmp.Compare(first(a.path), first(b.path)), cmp.Compare(first(a.same), first(b.same)),
			cmp.Compare(first(a.name), first(b.name)), cmp.Compare(a.differ, b.differ), cmp.Compare(a.i, b.i))
	})
	out := make([]int32, 0, maxNear)
	for _, x := range list[:min(len(list), maxNear)] {
		out = append(out, x.i)
	}
	return out
}

// samePlace says whether a source has the path of a file and its length: the pieces tell whether it is the same file.
func (r *reuser) samePlace(file int, i int32) bool {
	p := r.s.t.FilePath(file)
	if !r.s.t.Dir {
		p = r.s.t.Name
	}
	src := r.sources[i]
	return src.size == r.s.t.Files[file].Length && (src.path == p || strings.HasSuffix(src.path, "/"+p))
}

var errShort = errors.New("it became shorter while it was being read")
