package grouplog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Store is the signed state of one group.
type Store struct {
	dir   string
	group signed.GroupID
	step  func(string) error // where a test ends the process; nil in programs
	sync  func(*os.File) error

	mu       sync.Mutex
	roots    []*signed.SignedRoot
	floor    int64 // the highest root there was
	logs     map[signed.Key]*log
	forks    map[signed.Key]*fork
	evidence map[signed.Hash]bool // the bytes of forks
	problems []Problem
}

// log is what is in memory of a device's log.
type log struct {
	head  signed.Head // Size 0: there is none
	floor signed.Head // of a damaged log: the records must lead there again before it counts
	tree  *signed.Tree
	bytes int64
	last  int64   // the time of the last record
	marks []int64 // where every 64th record begins

	stages []stage
}

// stage is a log at some record in its middle.
type stage struct {
	bytes int64
	tree  *signed.Tree
}

// known is the latest head that was ever taken.
func (l *log) known() signed.Head {
	if l.floor.Size > 0 {
		return l.floor
	}
	return l.head
}

// Problem is a file that was set aside, and why.
type Problem struct {
	Path   string      // relative to the group's folder
	Device *signed.Key // whose log it is; nil for other files
	Err    error
}

func (p Problem) String() string { return fmt.Sprintf("%s: %v", p.Path, p.Err) }

// Open reads the group's folder, making it where it is not there. What does not verify is set aside and told by
// Problems. Errors are of the disk alone.
func Open(dir string, g signed.GroupID) (*Store, error) {
	s := &Store{dir: dir, group: g, sync: (*os.File).Sync, logs: map[signed.Key]*log{}, forks: map[signed.Key]*fork{}, evidence: map[signed.Hash]bool{}}
	for _, sub := range []string{"roots", "logs", "evidence", "damaged"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("opening a group: %w", err)
		}
	}
	for _, load := range []func() error{s.openRoots, s.openEvidence, s.openLogs} {
		if err := load(); err != nil {
			return nil, fmt.Errorf("opening a group: %w", err)
		}
	}
	return s, nil
}

// Group is the group's id.
func (s *Store) Group() signed.GroupID { return s.group }

// Problems are the files that were set aside by Open.
func (s *Store) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

func (s *Store) problem(path string, device *signed.Key, err error) {
	s.problems = append(s.problems, Problem{path, device, err})
}

// refused is an error of ours in the words of package signed.
func refused(what string, why signed.Reason, format string, args ...any) error {
	return fault.New(fault.Unverified, "%w", &signed.Refusal{What: what, Reason: why, Detail: fmt.Sprintf(format, args...)})
}

// readFile reads a file that may have at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, refused("file", signed.ErrTooLarge, "%q has %d bytes, more than %d, or is no file", path, info.Size(), limit)
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// at is where a test may end the process.
func (s *Store) at(step string) error {
	if s.step == nil {
		return nil
	}
	return s.step(step)
}

// clean lists a folder of ours and removes what an interrupted write has left.
func (s *Store) clean(sub string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, sub))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.Remove(filepath.Join(s.dir, sub, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, e.Name())
	}
	return out, nil
}

func (s *Store) openLogs() error {
	list, err := s.clean("logs")
	if err != nil {
		return err
	}
	devices := map[signed.Key]bool{}
	for _, name := range list {
		ext := filepath.Ext(name)
		k, err := signed.ParseKey(strings.TrimSuffix(name, ext))
		if err == nil && (ext == ".rec" || ext == ".head") {
			devices[k] = true
		}
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for k := range devices {
		g.Go(panics.Caught(func() error { return s.openLog(k) }))
	}
	err = g.Wait()
	slices.SortFunc(s.problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return err
}

func (s *Store) path(k signed.Key, ext string) string {
	return filepath.Join(s.dir, "logs", k.String()+ext)
}

// openLog reads one log. It runs beside those of other devices.
func (s *Store) openLog(k signed.Key) error {
	raw, err := readFile(s.path(k, ".head"), signed.MaxHead)
	if errors.Is(err, fs.ErrNotExist) {
		// Nobody has signed over it: the first append did not end. It is no problem, and no log.
		return os.Rename(s.path(k, ".rec"), filepath.Join(s.dir, "damaged", k.String()+".rec"))
	}
	var head signed.Head
	if err == nil {
		head, err = s.headOf(raw, k)
	}
	if err != nil {
		return s.setAside(k, err, ".head", ".rec")
	}
	l := &log{head: head}
	b, err := readFile(s.path(k, ".rec"), signed.MaxLog+signed.MaxRecord)
	if err == nil {
		err = l.read(b)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			if err := s.setAside(k, err, ".rec"); err != nil {
				return err
			}
		} else {
			s.report(k, ".rec", err)
		}
		l = &log{floor: head, tree: new(signed.Tree)}
	} else if int64(len(b)) > l.bytes {
		// Records that were written and not signed: an append that did not end.
		if err := os.Truncate(s.path(k, ".rec"), l.bytes); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[k] = l
	return s.settle(k)
}

func (s *Store) headOf(raw []byte, k signed.Key) (signed.Head, error) {
	h, err := signed.OpenHead(raw, s.group)
	if err == nil && h.Device != k {
		err = refused("head", signed.ErrWrongDevice, "it is of the device %v", h.Device)
	}
	return h, err
}

// read takes as many records as the head speaks of, and verifies them.
func (l *log) read(b []byte) error {
	l.tree = new(signed.Tree)
	l.bytes, l.marks, l.stages = 0, nil, nil
	var last []byte
	for raw := range signed.Lines(b) {
		if l.tree.Size() == l.head.Size {
			break
		}
		l.note(raw)
		l.tree.Append(raw)
		last = raw
	}
	if l.tree.Size() != l.head.Size || l.tree.Root() != l.head.Root {
		return refused("log", signed.ErrDisagrees, "the records of device %v are not those its head was signed over", l.head.Device)
	}
	l.last = timeOf(last)
	return nil
}

// note remembers where a record that is about to be added stands.
func (l *log) note(raw []byte) {
	if l.tree.Size()%markEvery == 0 {
		l.marks = append(l.marks, l.bytes)
	}
	if n := len(l.stages); l.bytes >= stageEvery && (n == 0 || l.bytes >= l.stages[n-1].bytes+stageEvery) {
		l.stages = append(l.stages, stage{l.bytes, l.tree.Clone()})
	}
	l.bytes += int64(len(raw)) + 1
}

// timeOf is the time of a record; of one that is none, 0: the log is broken there in any case.
func timeOf(raw []byte) int64 {
	r, err := signed.ParseRecord(raw)
	if err != nil {
		return 0
	}
	return r.N
}

// setAside moves files of a log out of the way.
func (s *Store) setAside(k signed.Key, why error, exts ...string) error {
	for _, ext := range exts {
		to := filepath.Join(s.dir, "damaged", fmt.Sprintf("%v%s", k, ext))
		if err := os.Rename(s.path(k, ext), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.report(k, exts[0], why)
	return osfs.SyncDir(filepath.Join(s.dir, "logs"))
}

func (s *Store) report(k signed.Key, ext string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem(filepath.Join("logs", k.String()+ext), &k, err)
}

// Heads are the latest heads that were taken, of logs that are whole, in the order of the devices.
func (s *Store) Heads() []signed.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []signed.Head
	for _, l := range s.logs {
		if l.head.Size > 0 {
			out = append(out, l.head)
		}
	}
	slices.SortFunc(out, func(a, b signed.Head) int { return slices.Compare(a.Device[:], b.Device[:]) })
	return out
}

// Head is the latest head of a device's log. Of a log whose records are damaged it is there too, with whole false:
// Extend wants it from record 0 on.
func (s *Store) Head(k signed.Key) (h signed.Head, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[k]
	if l == nil {
		return signed.Head{}, true
	}
	return l.known(), l.floor.Size == 0
}

// Logs is how many devices have a log here.
func (s *Store) Logs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.logs)
}

// Last is the time of the last record of a device's log; 0: it has none.
func (s *Store) Last(k signed.Key) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[k]; l != nil {
		return l.last
	}
	return 0
}

// Bytes is how much a device has signed, the newlines counted.
func (s *Store) Bytes(k signed.Key) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[k]; l != nil {
		return l.bytes
	}
	return 0
}

// Log reads and verifies all records of a device.
func (s *Store) Log(k signed.Key, now time.Time) (signed.Log, error) {
	s.mu.Lock()
	l := s.logs[k]
	s.mu.Unlock()
	if l == nil || l.head.Size == 0 {
		return signed.Log{Device: k}, nil
	}
	// What an append adds meanwhile stands behind what l speaks of.
	b, err := readFile(s.path(k, ".rec"), signed.MaxLog+signed.MaxRecord)
	if err != nil {
		return signed.Log{}, fmt.Errorf("reading a log: %w", err)
	}
	again := log{head: l.head}
	if err := again.read(b); err != nil {
		return signed.Log{}, fmt.Errorf("reading a log: %w", err)
	}
	return signed.ParseLog(k, 0, 0, signed.Lines(b[:again.bytes]), now), nil
}

// Lines are records of a device from the one with the number from on, as they stand on disk, each with its newline:
// as many as fit into limit, but one at least where there is one. The reader verifies them.
func (s *Store) Lines(k signed.Key, from int64, limit int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[k]
	if l == nil || from < 0 || from >= l.head.Size {
		return nil, nil
	}
	f, err := os.Open(s.path(k, ".rec"))
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	defer f.Close()
	start := l.marks[from/markEvery]
	skip := from % markEvery
	var out []byte
	buf := make([]byte, 64<<10)
	for start < l.bytes {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), l.bytes-start)], start)
		if n == 0 {
			return nil, fmt.Errorf("reading a log: %w", err)
		}
		start += int64(n)
		out = append(out, buf[:n]...)
		for ; skip > 0; skip-- {
			i := slices.Index(out, '\n')
			if i < 0 {
				break
			}
			out = out[i+1:]
		}
		if skip == 0 && len(out) > limit {
			if i := strings.LastIndexByte(string(out[:limit]), '\n'); i >= 0 {
				return out[:i+1], nil
			}
			if i := slices.Index(out, '\n'); i >= 0 {
				return out[:i+1], nil
			}
		}
	}
	if skip > 0 {
		return nil, nil
	}
	return out, nil
}
