package fetcher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/content"
)

// clone copies files by reference, where that is to be had, and hashes the copies, which nobody else can change. It returns
// the pieces that were looked for in them.
func (r *reuser) clone(ctx context.Context, todo []int) (tried map[int]bool, err error) {
	missing := map[int32]int{} // per file, the pieces of it that are to be had
	for _, i := range todo {
		for _, e := range r.files(i) {
			if e.File != content.Padding {
				missing[int32(e.File)]++
			}
		}
	}
	refused := map[*os.Root]bool{} // the file systems differ, or this one cannot
	for i := range r.s.t.Files {
		f := &r.s.t.Files[i]
		begin, end := r.s.t.PieceRange(f)
		if missing[int32(i)] < end-begin || f.Length < leastClone || len(r.near[i]) == 0 || !r.s.plan.want[i] || r.s.plan.kept[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		src := r.sources[r.near[i][0]]
		if refused[src.root] {
			continue
		}
		ok, err := r.cloneOne(i)
		if err != nil {
			return nil, err
		}
		r.cloned[int32(i)], refused[src.root] = ok, !ok
	}
	tried = map[int]bool{}
	var whole []int
	for _, i := range todo {
		all := true
		for _, e := range r.files(i) {
			all = all && (e.File == content.Padding || r.cloned[int32(e.File)])
		}
		if all {
			tried[i] = true
			whole = append(whole, i)
		}
	}
	last := int64(0)
	return tried, r.s.hash(ctx, r.judge, whole, func(done, _ int64) {
		r.advance(done - last)
		last = done
	}, r.s.found)
}

// cloneOne makes the staged file i a copy of what comes first for it. false: that cannot be had.
func (r *reuser) cloneOne(i int) (bool, error) {
	name := filepath.FromSlash(path.Join(dataName, r.s.dataPath(i)))
	if _, err := r.s.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return false, nil // an earlier attempt's, with bytes of its own
	}
	from, err := r.open.get(int(r.near[i][0]), false)
	if err != nil {
		return false, nil
	}
	defer r.open.put(from)
	to, err := r.s.files.get(i, true)
	if err != nil {
		return false, diskError("make a file in the staging folder", err)
	}
	defer r.s.files.put(to)
	cloned := false
	err = r.s.marks.change(i, to.File, func() error {
		if err := cloneFile(to.File, from.File); err != nil {
			r.s.log.Debug("a file is copied, for it cannot be copied by reference", "file", r.s.dataPath(i), "reason", err)
			return nil
		}
		cloned = true
		return to.Truncate(r.s.t.Files[i].Length) // the other may have been shorter or longer
	})
	if err != nil {
		return false, diskError("size a file in the staging folder", err)
	}
	return cloned, nil
}
