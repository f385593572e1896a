package seeder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// ignoring holds the patterns in force in a folder, weakest first. The patterns of the command line (asked)
// override every ignore file.
type ignoring struct {
	files []gitignore.Pattern
	asked []gitignore.Pattern
}

func newIgnoring(exclude []string) (*ignoring, error) {
	ig := &ignoring{files: systemPatterns()}
	for _, line := range exclude {
		p, err := parsePattern(line, nil)
		if err != nil {
			return nil, fault.New(fault.Usage, "exclude %q: %w", line, err)
		}
		if p != nil {
			ig.asked = append(ig.asked, p)
		}
	}
	return ig, nil
}

// in adds the ignore file of the folder dir, whose on-disk path is domain.
func (ig *ignoring) in(dir *os.Root, domain []string) (*ignoring, error) {
	where := path.Join(append(append([]string{}, domain...), IgnoreFile)...)
	f, fi, err := content.OpenRegular(dir, IgnoreFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ig, nil
	case err != nil:
		return nil, fmt.Errorf("read %q: %w", where, plain(err))
	}
	defer f.Close()
	if fi.Size() > maxIgnore {
		return nil, fault.New(fault.Usage, "%q has %d bytes; an ignore file has at most %d", where, fi.Size(), maxIgnore)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxIgnore))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", where, plain(err))
	}
	sub := &ignoring{asked: ig.asked, files: ig.files[:len(ig.files):len(ig.files)]}
	for i, line := range strings.Split(string(text), "\n") {
		p, err := parsePattern(strings.TrimSuffix(line, "\r"), domain)
		if err != nil {
			return nil, fault.New(fault.Usage, "%q, line %d: pattern %q: %w", where, i+1, line, err)
		}
		if p != nil {
			sub.files = append(sub.files, p)
		}
	}
	return sub, nil
}

// excludes says whether the file or folder at an on-disk path is left out. Its parent folder is known to be
// included, because excluded folders are never entered.
func (ig *ignoring) excludes(at []string, dir bool) bool {
	for _, list := range [][]gitignore.Pattern{ig.asked, ig.files} {
		for i := len(list) - 1; i >= 0; i-- {
			got := list[i].Match(at, dir)
			if got == gitignore.NoMatch {
				continue
			}
			// The library also matches everything below a match. Whether the parent was excluded was decided,
			// with all patterns, when it was entered.
			if len(at) > 1 && list[i].Match(at[:len(at)-1], true) == got {
				continue
			}
			return got == gitignore.Exclude
		}
	}
	return false
}

// parsePattern returns nil for blank lines and comments.
func parsePattern(line string, domain []string) (gitignore.Pattern, error) {
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return nil, nil
	}
	// The library lets "a/**" match the folder itself too, so that "!a/b" would not work. Since excluded folders
	// are not entered, "a/*" means the same.
	if strings.HasSuffix(line, "/**") {
		line = strings.TrimSuffix(line, "*")
	}
	for _, part := range strings.Split(strings.TrimPrefix(line, "!"), "/") {
		if _, err := filepath.Match(part, ""); err != nil {
			return nil, err
		}
	}
	return gitignore.ParsePattern(line, domain), nil
}

// plain strips the operation and path that os adds to errors: messages here name the path themselves.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
