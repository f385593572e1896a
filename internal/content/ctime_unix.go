//go:build unix && !darwin && !netbsd

package content

import "syscall"

func ctimeOf(st *syscall.Stat_t) syscall.Timespec { return st.Ctim }
