package fetcher

import "golang.org/x/sys/unix"

var errTooLarge error = unix.EFBIG

// unlimited is the length of a file that no file system of the kind reaches, so that nothing has to be tried: to try it would write
// zeros all over an exFAT drive.
const unlimited = 1<<63 - 1

// maxFileSize is the longest file that the system says dir, and this process, can have; 0: it does not say.
func maxFileSize(dir string) int64 {
	var most int64
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		switch int64(st.Type) {
		case unix.MSDOS_SUPER_MAGIC:
			most = everywhere
		case unix.EXFAT_SUPER_MAGIC:
			most = unlimited
		}
	}
	// Beyond the limit of a process (ulimit -f) it would be ended by a signal.
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &l) == nil && l.Cur < unlimited && (most == 0 || int64(l.Cur) < most) {
		return int64(l.Cur)
	}
	return most
}
