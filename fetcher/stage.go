package fetcher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// partsSlot is the file for bytes of files that are not wanted, or are in the target already, where
// they share a piece with one that is wanted. They lie there as in the piece space.
const partsSlot = -1

// Stage is the staging folder of one fetch, and the storage that the engine writes to. All methods may
// be called from several goroutines, but Resume comes first and Finish last.
type Stage struct {
	plan  *Plan
	t     *metafile.Torrent
	log   *slog.Logger
	now   func() time.Time
	about [sha256.Size]byte

	dir, base, root *os.Root // the target's folder, .p2pshare in it, the staging folder in that
	name            string   // of the staging folder
	lock            *os.File
	unlocked        bool // the file system has no locks
	files           *handles
	made            map[string]bool // folders of the data that are there; guarded by files.mu

	place sync.RWMutex // held while files are moved
	moved bool         // the data is in the target now

	marks   marks
	mem     memory
	suspect []atomic.Bool // per piece: it was wrong once
	syncing sync.Mutex    // one checkpoint at a time
	errs    chan error
	wg      sync.WaitGroup
	stop    chan struct{}
	closing sync.Once
}

// Open makes the staging folder of p, or takes up the one that an earlier attempt left, and locks it.
// An error of kind InUse says that another process fetches the same torrent into the same folder.
func Open(ctx context.Context, p *Plan, log *slog.Logger) (*Stage, error) {
	if !p.judged {
		at, err := p.Existing(ctx, nil)
		if err != nil {
			return nil, err
		}
		if at != nil {
			return nil, fmt.Errorf("open staging for %q: %q is complete already", p.t.Name, p.Target())
		}
	}
	s := &Stage{
		plan: p, t: p.t, log: log, now: time.Now, about: aboutWhat(p.t, p),
		marks: marks{m: make(map[int]*mark)}, made: make(map[string]bool), errs: make(chan error, 1), stop: make(chan struct{}),
	}
	s.files = newHandles(openFiles, s.openSlot)
	s.mem.init(p)
	s.suspect = make([]atomic.Bool, len(s.mem.state))
	if err := s.openFolders(); err != nil {
		s.closeFolders()
		return nil, diskError(fmt.Sprintf("open the staging folder in %q", p.dir), err)
	}
	err := s.nameFiles()
	if err == nil {
		err = s.checkSizes()
	}
	if err == nil {
		err = s.checkSpace()
	}
	if err != nil {
		if _, serr := s.root.Lstat(dataName); errors.Is(serr, fs.ErrNotExist) {
			s.removeFolders()
		}
		s.closeFolders()
		return nil, err
	}
	s.wg.Go(panics.Guard(s.checkpoints, func(bug *panics.Error) { s.fail(bug) }))
	return s, nil
}

// Unlocked says that nothing keeps another process from fetching the same into the same folder: the file system has no
// locks.
func (s *Stage) Unlocked() bool { return s.unlocked }

// WriteErr gives the first error of the disk, once. The fetch cannot go on after it.
func (s *Stage) WriteErr() <-chan error { return s.errs }

// Close writes what is whole, notes what is proven, and closes all files. What was not finished can be
// taken up by another Open.
func (s *Stage) Close() error {
	var err error
	s.closing.Do(func() {
		s.mem.close(s)
		close(s.stop)
		s.wg.Wait()
		if !s.hasMoved() {
			err = panics.Catch(s.checkpoint) // what failed once may again, and the files are to be closed
		}
		err = errors.Join(err, s.files.close())
		s.closeFolders()
	})
	return err
}

// Discard closes the stage and removes all that was fetched.
func (s *Stage) Discard() error {
	err := s.Close()
	dir, oerr := os.OpenRoot(s.plan.dir)
	if oerr != nil {
		return errors.Join(err, oerr)
	}
	defer dir.Close()
	base, oerr := enter(dir, stagingName, privatePerm, false)
	if errors.Is(oerr, fs.ErrNotExist) {
		return err
	}
	if oerr != nil {
		return errors.Join(err, oerr)
	}
	defer base.Close()
	err = errors.Join(err, base.RemoveAll(s.name))
	_ = dir.Remove(stagingName) // it stays if another fetch is in it
	return err
}

// Tidy removes the staging folder that an attempt left which was killed after it had moved the content. One that
// another process has open stays, and so does one that may hold other files of the torrent.
func (p *Plan) Tidy() error {
	if p.WantedBytes() < p.t.Size {
		return nil
	}
	s := &Stage{plan: p, t: p.t, name: stageName(p.t)}
	defer s.closeFolders()
	err := func() (err error) {
		if s.dir, err = os.OpenRoot(p.dir); err != nil {
			return err
		}
		if s.base, err = enter(s.dir, stagingName, privatePerm, false); err != nil {
			return err
		}
		if s.root, err = enter(s.base, s.name, privatePerm, false); err != nil {
			return err
		}
		if err := s.takeLock(); err != nil {
			return err
		}
		return s.removeFolders()
	}()
	if errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) == fault.InUse {
		return nil
	}
	return err
}

func (s *Stage) hasMoved() bool {
	s.place.RLock()
	defer s.place.RUnlock()
	return s.moved
}

// openFolders opens the folders from the outermost in, and takes the lock.
func (s *Stage) openFolders() error {
	if err := os.MkdirAll(s.plan.dir, 0o755); err != nil {
		return err
	}
	var err error
	if s.dir, err = os.OpenRoot(s.plan.dir); err != nil {
		return err
	}
	if s.base, err = enter(s.dir, stagingName, privatePerm, true); err != nil {
		return err
	}
	s.name = stageName(s.t)
	// A fetch that ends removes its folder, and a lock in a removed folder holds nobody off.
	for range 10 {
		if s.root, err = enter(s.base, s.name, privatePerm, true); err != nil {
			return err
		}
		if err = s.takeLock(); err != nil {
			return err
		}
		here, err1 := s.root.Stat(".")
		there, err2 := s.base.Lstat(s.name)
		if err1 == nil && err2 == nil && os.SameFile(here, there) {
			return nil
		}
		s.lock.Close()
		s.root.Close()
		s.lock, s.root = nil, nil
	}
	return errors.New("the folder is removed again and again by another process")
}

func (s *Stage) takeLock() error {
	f, err := s.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = openPlain(s.root, lockName, os.O_RDWR)
	}
	if err != nil {
		return err
	}
	err = osfs.Exclusive(f)
	if errors.Is(err, osfs.ErrNoLocks) {
		s.unlocked, err = true, nil
	}
	if err != nil {
		f.Close()
		if errors.Is(err, osfs.ErrHeld) {
			return fault.Hint(fault.New(fault.InUse, "another p2pshare fetches %q into %q", s.t.Name, s.plan.dir),
				"wait for it, or choose another folder with -o")
		}
		return fmt.Errorf("lock: %w", err)
	}
	s.lock = f
	return nil
}

func (s *Stage) closeFolders() {
	if s.lock != nil {
		s.lock.Close() // which also unlocks
	}
	for _, r := range []*os.Root{s.root, s.base, s.dir} {
		if r != nil {
			r.Close()
		}
	}
}

// removeFolders removes the staging folder, and .p2pshare if nothing else is in it.
func (s *Stage) removeFolders() error {
	if err := s.base.RemoveAll(s.name); err != nil {
		return err
	}
	_ = s.dir.Remove(stagingName)
	return nil
}

// NoRoomError is a disk that has less room than a fetch needs. It is syscall.ENOSPC.
type NoRoomError struct {
	Name, Dir  string
	Need, Free int64 // bytes
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("%q needs %s more in %q, and %s are free", e.Name, humanize.Bytes(uint64(e.Need)), e.Dir, humanize.Bytes(uint64(e.Free)))
}

// Unwrap gives the system's error for it.
func (e *NoRoomError) Unwrap() error { return syscall.ENOSPC }

// checkSpace refuses to begin what the disk has no room for.
func (s *Stage) checkSpace() error {
	need, err := s.Missing()
	if err != nil {
		return err
	}
	free, err := s.plan.free(s.plan.dir)
	if err != nil {
		return err
	}
	if need > 0 && uint64(need) > free {
		return fault.Hint(fault.New(fault.Failed, "%w", &NoRoomError{s.t.Name, s.plan.dir, need, int64(free)}),
			"make room for %s, or choose another folder with -o", humanize.Bytes(uint64(need)-free))
	}
	return nil
}

// Missing is how many bytes the disk has to give yet until all that is wanted is on it.
func (s *Stage) Missing() (int64, error) {
	need := s.plan.bytes
	for i, proven := range s.plan.proven {
		if proven {
			need -= s.plan.wantedIn(i)
		}
	}
	err := fs.WalkDir(s.root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			need -= onDisk(fi)
		}
		return err
	})
	if err != nil {
		return 0, diskError("look into the staging folder", err)
	}
	return max(need, 0), nil
}

// stageName is the staging folder's name: the infohash, v1's if there is one.
func stageName(t *metafile.Torrent) string {
	if t.V1 != nil {
		return t.V1.HexString()
	}
	return hex.EncodeToString(t.V2[:])
}

// slotOf is the file that a piece's bytes of a file of the torrent are in.
func (s *Stage) slotOf(piece, file int) int {
	p := s.plan
	if p.want[file] && (!p.kept[file] || p.proven[piece]) {
		return file
	}
	if p.proven[piece] {
		return file // unwanted, but there: read in the target
	}
	return partsSlot
}

// inTarget says that a slot is a file of the target, which is only ever read.
func (s *Stage) inTarget(slot int) bool {
	return slot != partsSlot && (s.moved || s.plan.kept[slot] || !s.plan.want[slot])
}

// dataPath is where a file is below the folder of its kind.
func (s *Stage) dataPath(file int) string {
	return path.Join(s.plan.top, s.plan.local[file])
}

// openSlot opens a file for the cache, making it at its full length if it is to be written.
func (s *Stage) openSlot(slot int, write bool) (*os.File, error) {
	s.place.RLock()
	defer s.place.RUnlock()
	if s.inTarget(slot) {
		if write {
			return nil, fmt.Errorf("write to %q, which is finished", s.dataPath(slot))
		}
		f, _, err := content.OpenRegular(s.dir, s.dataPath(slot))
		return f, err
	}
	name, perm := partsName, fs.FileMode(0o600)
	if slot != partsSlot {
		name, perm = path.Join(dataName, s.dataPath(slot)), 0o644
		if s.t.Files[slot].Exec {
			perm = 0o755
		}
	}
	name = filepath.FromSlash(name)
	if !write {
		return openPlain(s.root, name, os.O_RDONLY)
	}
	if dir := filepath.Dir(name); !s.made[dir] {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		s.made[dir] = true
	}
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrExist) {
		return openPlain(s.root, name, os.O_RDWR)
	}
	if err != nil {
		return nil, err
	}
	if slot != partsSlot {
		// Sparse: the length is right from the first block on, the room is taken as blocks come.
		err = f.Truncate(s.t.Files[slot].Length)
	}
	if err == nil {
		err = s.marks.made(slot, f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
