package bench

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// ownGroup makes a process the head of its own group, which is ended as a whole, and ends it with this process.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func signalGroup(pid int, s syscall.Signal) { _ = syscall.Kill(-pid, s) } // it may have exited already

func killProcess(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) } // as above

// room returns the free bytes of a folder's file system.
func room(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize
}

func listenIn(ns, address string) (l net.Listener, err error) {
	err = inNamespace(ns, func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}

// countersOf opens the counters of all interfaces of a namespace. The file keeps showing them when read from outside.
func countersOf(ns string) (f *os.File, err error) {
	err = inNamespace(ns, func() error {
		f, err = os.Open(fmt.Sprintf("/proc/self/task/%d/net/dev", unix.Gettid()))
		return err
	})
	return f, err
}

// inNamespace runs f with the calling thread inside a network namespace. Sockets that f opens stay there.
func inNamespace(ns string, f func() error) error {
	target, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return fmt.Errorf("enter namespace: %w", err)
	}
	defer target.Close()
	runtime.LockOSThread()
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("remember namespace: %w", err)
	}
	defer home.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %q: %w", ns, err)
	}
	ferr := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread stays locked, so the runtime ends it with its goroutine: nothing else may run in the
		// lab by accident.
		return fmt.Errorf("leave namespace %q: %w", ns, err)
	}
	runtime.UnlockOSThread()
	return ferr
}
