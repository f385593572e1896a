package main

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory is how many bytes the machine has, and how many this process's control groups leave it; 0: not known, or no
// bound. A service manager may hide /proc/meminfo, so the kernel is asked.
func memory() (machine, group int64) {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		machine = int64(info.Totalram) * int64(info.Unit)
	}
	return machine, groupMemory(os.DirFS("/"))
}

// groupMemory is the least bound of a process's control group and those above it, of version 2; a container with version
// 1 sees its own as the root.
func groupMemory(root fs.FS) (least int64) {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // without it there is no bound
	files := []string{"sys/fs/cgroup/memory/memory.limit_in_bytes"}
	for line := range strings.Lines(string(groups)) {
		own, two := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for dir := path.Clean("/" + own); two; dir = path.Dir(dir) {
			files = append(files, path.Join("sys/fs/cgroup", dir, "memory.max"))
			two = dir != "/"
		}
	}
	for _, f := range files {
		b, err := fs.ReadFile(root, f)
		if err != nil {
			continue
		}
		// "max", or a number near the largest, is none.
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err == nil && n > 0 && n < 1<<60 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
