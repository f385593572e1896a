package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Exit codes, by short names for the table of commands.
const (
	exitDone        = fault.ExitDone
	exitFailed      = fault.ExitFailed
	exitUsage       = fault.ExitUsage
	exitNotFound    = fault.ExitNotFound
	exitInUse       = fault.ExitInUse
	exitDenied      = fault.ExitDenied
	exitUnverified  = fault.ExitUnverified
	exitTimeout     = fault.ExitTimeout
	exitInterrupted = fault.ExitInterrupted
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
	code := fault.KindOf(err).ExitCode()
	if code == exitFailed && errors.Is(err, context.DeadlineExceeded) {
		return exitTimeout
	}
	return code
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
