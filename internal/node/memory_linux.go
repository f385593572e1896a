package node

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// freeMemory is how many bytes this process may take before the kernel ends it, or another; below zero: that is not known.
func freeMemory() int64 { return freeMemoryIn(os.DirFS("/")) }

func freeMemoryIn(root fs.FS) int64 {
	machine := fields(root, "proc/meminfo")
	available, known := machine["MemAvailable"]
	if !known {
		return -1
	}
	swap := machine["SwapFree"] << 10
	free := available<<10 + swap
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // without it there is no bound
	for line := range strings.Lines(string(groups)) {
		own, two := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for dir := path.Clean("/" + own); two; dir = path.Dir(dir) {
			if left, bound := leftIn(root, path.Join("sys/fs/cgroup", dir), swap); bound {
				free = min(free, left)
			}
			two = dir != "/"
		}
	}
	return max(free, 0)
}

// leftIn is what a control group leaves to those in it. Pages of files, but for those in memory alone, are given back when others need them.
func leftIn(root fs.FS, dir string, swap int64) (left int64, bound bool) {
	most, ok := number(root, path.Join(dir, "memory.max"))
	now, known := number(root, path.Join(dir, "memory.current"))
	if !ok || !known {
		return 0, false
	}
	stat := fields(root, path.Join(dir, "memory.stat"))
	left = most - now + max(0, stat["file"]-stat["shmem"])
	room := swap
	if most, ok := number(root, path.Join(dir, "memory.swap.max")); ok {
		used, _ := number(root, path.Join(dir, "memory.swap.current"))
		room = min(room, max(0, most-used))
	}
	return left + room, true
}

// number reads a file that holds one; "max", a bound that is none, is no number.
func number(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n >= 0 && n < 1<<60
}

// fields reads lines of a name and a number.
func fields(root fs.FS, name string) map[string]int64 {
	b, _ := fs.ReadFile(root, name) // what cannot be read says nothing
	out := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			out[strings.TrimSuffix(f[0], ":")] = n
		}
	}
	return out
}
