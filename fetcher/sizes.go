package fetcher

import (
	"errors"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// checkSizes refuses, before the first byte, a file that is longer than the file system can hold: FAT ends at 4 GiB. What the system
// does not tell is found by making a file of that length, which takes no room where files can have holes.
func (s *Stage) checkSizes() error {
	largest := -1
	for i := range s.t.Files {
		if s.plan.want[i] && !s.plan.kept[i] && (largest < 0 || s.t.Files[i].Length > s.t.Files[largest].Length) {
			largest = i
		}
	}
	if largest < 0 || s.t.Files[largest].Length <= everywhere {
		return nil
	}
	length := s.t.Files[largest].Length
	most := s.plan.most(s.root.Name())
	if most == 0 {
		most = s.probe(length)
	}
	if most == 0 || length <= most {
		return nil
	}
	return fault.Hint(
		fault.New(fault.Failed, "%q has %s, and the file system of %q holds no file of more than %s", s.dataPath(largest), humanize.IBytes(uint64(length)), s.plan.dir, humanize.IBytes(uint64(most+1))),
		"choose a folder on another file system with -o, format the drive with exFAT, or leave out the large files with --only")
}

// everywhere is the length that every file system holds.
const everywhere = 1<<32 - 1

// probe makes a file of a length. It gives the length up to which files are known to go if this one is too long, and else 0.
func (s *Stage) probe(length int64) (most int64) {
	const name = "probe"
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0 // who writes there next says why
	}
	defer s.root.Remove(name)
	defer f.Close()
	if errors.Is(f.Truncate(length), errTooLarge) {
		return everywhere
	}
	return 0
}
