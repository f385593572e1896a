package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// Holder says whether the lock called name is held, and by which process; 0 if that is not known. It looks for
// an instant by holding the lock together with others who look, so that who takes it just then has to try again.
func (h *Home) Holder(name string) (pid int, held bool, err error) {
	f, err := os.Open(h.Path(name + ".lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("opening the lock: %w", err)
	}
	defer f.Close()
	err = lockShared(f)
	if err == nil {
		return 0, false, nil
	}
	if !errors.Is(err, errLocked) {
		return 0, false, fmt.Errorf("looking at the lock %q: %w", f.Name(), err)
	}
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	for n > 0 && b[n-1] == '\n' {
		n--
	}
	if pid, err = strconv.Atoi(string(b[:n])); err != nil || pid < 0 {
		pid = 0
	}
	return pid, true, nil
}
