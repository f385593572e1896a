package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Exit codes. 1 to 3 are left to what is general: 2 is Go's own for a crash.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 4
	exitNotFound    = 10
	exitInUse       = 11
	exitDenied      = 12
	exitUnverified  = 13
	exitTimeout     = 14
	exitInterrupted = 130
)

// exitWords explain the codes in help, man page and tests.
var exitWords = []struct {
	code  int
	words string
}{
	{exitDone, "done"},
	{exitFailed, "failed"},
	{exitUsage, "the command line is wrong"},
	{exitNotFound, "no such file or share"},
	{exitInUse, "in use: the home by another p2pshare, or the content by another share"},
	{exitDenied, "not allowed"},
	{exitUnverified, "the bytes are not what they should be"},
	{exitTimeout, "the time ran out"},
	{exitInterrupted, "interrupted before the work was done"},
}

// errInterrupted is the end that the user asked for, before there was an answer. It may carry a hint.
var errInterrupted = errors.New("interrupted")

// exitCode is the code of err.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	switch fault.KindOf(err) {
	case fault.Usage:
		return exitUsage
	case fault.NotFound:
		return exitNotFound
	case fault.InUse:
		return exitInUse
	case fault.Denied:
		return exitDenied
	case fault.Unverified:
		return exitUnverified
	case fault.Timeout:
		return exitTimeout
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return exitTimeout
	}
	return exitFailed
}

// interrupted turns the end of a context that the user cancelled into errInterrupted.
func interrupted(ctx context.Context, err error, hint string) error {
	if err != nil && errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted) {
		return fault.Hint(errInterrupted, "%s", hint)
	}
	return err
}

func usagef(format string, args ...any) error {
	return fault.New(fault.Usage, format, args...)
}

// exitHelp lists codes for a command's help.
func exitHelp(codes []int) string {
	var b strings.Builder
	for _, w := range exitWords {
		for _, c := range codes {
			if c == w.code {
				fmt.Fprintf(&b, "  %3d  %s\n", w.code, w.words)
			}
		}
	}
	return b.String()
}
