//go:build !linux

package bench

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Labs need network namespaces, and memory and processor time are read from /proc.
const supported = false

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(int, syscall.Signal) {}

func killProcess(int) {}

func room(string) int64 { return 0 }

func listenIn(string, string) (net.Listener, error) { return nil, errors.ErrUnsupported }

func countersOf(string) (*os.File, error) { return nil, errors.ErrUnsupported }
