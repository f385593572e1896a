package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// Existing looks at a target that is there already. It returns where the content is if all that is
// wanted verifies; nil if something is to be fetched, which is then only what is missing, and with Options.Replace
// what is wrong; and else an error of kind Unverified if a file is there that is not the content's. It only reads.
// progress may be nil.
func (p *Plan) Existing(ctx context.Context, progress func(done, total int64)) (*content.Located, error) {
	p.top = filepath.Base(content.In(p.t, p.dir))
	target := p.Target()
	fi, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		p.judged = true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the target: %w", err)
	}
	if fi.Mode().Type() != p.targetType() {
		return nil, inTheWay(fmt.Errorf("%q is there already, and is %s", target, kindOf(fi)))
	}
	at, err := content.At(p.t, target)
	if err != nil {
		return nil, err
	}
	if p.t.Dir {
		if err := p.placeIn(at.Root); err != nil {
			return nil, err
		}
	}
	missing, err := p.lookInto(&at)
	if err != nil {
		return nil, err
	}
	report, err := content.Verify(ctx, p.t, at, content.Options{Progress: progress})
	if err != nil {
		return nil, err
	}
	at.Stamps = report.Stamps
	all, err := p.judge(report, missing)
	if err != nil {
		return nil, err
	}
	p.judged = true
	if !all {
		p.merge = p.t.Dir
		return nil, nil
	}
	if err := stampLinks(p, &at); err != nil {
		return nil, err
	}
	return &at, nil
}

// lookInto finds the files that are missing, and refuses what is no plain file or hides behind a
// symlink: a file is only ever what its own name holds.
func (p *Plan) lookInto(at *content.Located) (missing []bool, err error) {
	root, err := os.OpenRoot(at.Root)
	if err != nil {
		return nil, fmt.Errorf("open the target: %w", err)
	}
	defer root.Close()
	missing = make([]bool, len(p.t.Files))
	folders := map[string]bool{".": true} // seen to be real ones
	for i := range p.t.Files {
		for dir, todo := path.Dir(at.Paths[i]), []string(nil); ; dir = path.Dir(dir) {
			if !folders[dir] {
				todo = append(todo, dir)
				continue
			}
			for k := len(todo) - 1; k >= 0 && !missing[i]; k-- {
				fi, err := root.Lstat(filepath.FromSlash(todo[k]))
				switch {
				case errors.Is(err, fs.ErrNotExist):
					missing[i] = true
				case err != nil:
					return nil, fmt.Errorf("look at the target: %w", err)
				case !fi.IsDir():
					return nil, inTheWay(fmt.Errorf("%q is %s, not a folder", filepath.Join(at.Root, todo[k]), kindOf(fi)))
				default:
					folders[todo[k]] = true
				}
			}
			break
		}
		if missing[i] {
			continue
		}
		want := fs.FileMode(0)
		if p.t.Files[i].Symlink != nil {
			want = fs.ModeSymlink
		}
		fi, err := root.Lstat(filepath.FromSlash(at.Paths[i]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing[i] = true
		case err != nil:
			return nil, fmt.Errorf("look at the target: %w", err)
		case p.want[i] && fi.Mode().Type() != want && (p.over == nil || fi.IsDir()):
			return nil, inTheWay(fmt.Errorf("%q is %s", at.File(i), kindOf(fi)))
		}
	}
	return missing, nil
}

// judge takes from a report what need not be fetched. all says that nothing need be.
func (p *Plan) judge(r *content.Report, missing []bool) (all bool, err error) {
	all = true
	culprit, blame := -1, 0
	for i := range p.t.Files {
		if !p.want[i] {
			continue
		}
		if missing[i] {
			all = false
			continue
		}
		if r.Files[i].Problem != "" {
			// A piece shared with a file that is not there cannot be judged: it is fetched, and the
			// file compared with it in the end.
			switch {
			case p.excused(r, missing, i):
			case p.over != nil:
				all, p.over[i] = false, true
				continue
			default:
				if b := p.blame(r, i); b > blame {
					culprit, blame = i, b
				}
				continue
			}
			all = false
		}
		p.kept[i] = true
	}
	if culprit >= 0 {
		name := filepath.Join(p.dir, filepath.FromSlash(path.Join(p.top, p.local[culprit])))
		return false, inTheWay(fmt.Errorf("%q is there already, and is not the content of the torrent: %s", name, r.Files[culprit].Problem))
	}
	if all {
		return true, nil
	}
	copy(p.proven, r.Good)
	for i, over := range p.over {
		if over {
			p.doubt(i)
		}
	}
	p.stamps = r.Stamps
	return false, nil
}

// doubt has a file put together whole, so that it can take the place of the one that is there: its pieces are taken from that
// one where they are right.
func (p *Plan) doubt(i int) {
	begin, end := p.t.PieceRange(&p.t.Files[i])
	for k := begin; k < end; k++ {
		p.proven[k] = false
	}
}

// blame is how sure it is that file i itself is wrong, rather than one that shares a piece with it.
func (p *Plan) blame(r *content.Report, i int) int {
	f := &p.t.Files[i]
	if r.Stamps[i].Size != f.Length || f.Symlink != nil {
		return 3
	}
	begin, end := p.t.PieceRange(f)
	for k := begin; k < end; k++ {
		start := int64(k) * p.t.PieceLength
		if !r.Good[k] && len(p.layout.Extents(start, start+p.t.PieceLength)) == 1 {
			return 2
		}
	}
	return 1
}

// excused reports whether every bad piece of file i is shared with a file that is missing, or, where files are replaced,
// with any other: then the pieces tell which of them is wrong, and a large file is not copied for the sake of a small one.
func (p *Plan) excused(r *content.Report, missing []bool, i int) bool {
	f := &p.t.Files[i]
	if r.Stamps[i].Size != f.Length || f.Symlink != nil || r.Files[i].BadPieces == 0 {
		return false
	}
	begin, end := p.t.PieceRange(f)
	for k := begin; k < end; k++ {
		if r.Good[k] {
			continue
		}
		shared := false
		start := int64(k) * p.t.PieceLength
		for _, e := range p.layout.Extents(start, start+p.t.PieceLength) {
			shared = shared || e.File != content.Padding && (missing[e.File] || p.over != nil && e.File != i)
		}
		if !shared {
			return false
		}
	}
	return true
}

func (p *Plan) targetType() fs.FileMode {
	if p.t.Dir {
		return fs.ModeDir
	}
	return 0
}

// stampLinks stamps what symlinks lead to, as a check for changes looks at them.
func stampLinks(p *Plan, at *content.Located) error {
	for i := range p.t.Files {
		if p.t.Files[i].Symlink == nil {
			continue
		}
		root, err := os.OpenRoot(at.Root)
		if err != nil {
			return fmt.Errorf("open the target: %w", err)
		}
		fi, err := root.Stat(filepath.FromSlash(at.Paths[i]))
		if err == nil {
			at.Stamps[i] = content.StampAt(root, at.Paths[i], fi)
		}
		root.Close()
	}
	return nil
}

// inTheWay is the error of a target that is not the content.
func inTheWay(err error) error {
	return &fault.Error{Kind: fault.Unverified, Hint: "move it away, or choose another folder with -o; --reuse takes from it what is the same", Err: wayError{err}}
}

// ErrInTheWay marks, for errors.Is, the error of a target that holds a file other than the content.
var ErrInTheWay = errors.New("a file is in the way")

type wayError struct{ error }

func (e wayError) Unwrap() []error { return []error{e.error, ErrInTheWay} }

func kindOf(fi fs.FileInfo) string {
	switch fi.Mode().Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a folder"
	case fs.ModeSymlink:
		return "a symlink"
	}
	return "neither a file nor a folder"
}
