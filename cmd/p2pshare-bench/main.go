// Command p2pshare-bench compares p2pshare with similar programs, in isolated networks on this machine.
//
// It is a separate program so that p2pshare contains nothing that only its developers need. It takes p2pshare's binary from
// --program, from its own folder or from the PATH, and uses it only through its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/bench"
	"github.com/p2pshare/p2pshare/internal/fault"
)

var errInterrupted = errors.New("interrupted")

// system is the process environment of a run.
type system struct {
	args           []string
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	os.Exit(system{args: os.Args[1:], stdout: os.Stdout, stderr: os.Stderr}.run(ctx))
}

// run executes a command line and returns its exit code.
func (s system) run(ctx context.Context) int {
	app := &cli.App{
		Name: "p2pshare-bench", HelpName: "p2pshare-bench", HideVersion: true,
		// The library's help command is shared by all apps and becomes its own child; ToMan would never end.
		HideHelpCommand: true,
		Usage:           "compare p2pshare with other programs, in isolated networks",
		Description: "Each command makes a network on this machine, shares a payload on it with p2pshare and every other installed program in turn, " +
			"and prints the figures side by side. No packet leaves these networks, and they are removed afterwards.",
		Writer: s.stdout, ErrWriter: s.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // run prints it
		OnUsageError:   usageError,
		Commands:       append(s.commands(), manCommand(), helpCommand()),
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return fault.Hint(usagef("there is no command %q", c.Args().First()), "p2pshare-bench help lists them")
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
	}
	err := app.RunContext(ctx, append([]string{app.Name}, s.args...))
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = fault.Hint(errInterrupted, "all its networks and files have been removed")
	}
	fmt.Fprintf(s.stderr, "p2pshare-bench: %v\n", err)
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(s.stderr, "  %s\n", hint)
	}
	if errors.Is(err, errInterrupted) {
		return fault.ExitInterrupted
	}
	return fault.KindOf(err).ExitCode()
}

func usageError(c *cli.Context, err error, _ bool) error {
	return fault.Hint(usagef("%s", strings.TrimPrefix(err.Error(), "flag provided but not defined: ")), "%s --help lists the flags", c.App.Name+" "+c.Command.Name)
}

func usagef(format string, args ...any) error { return fault.New(fault.Usage, format, args...) }

// program returns the path of the p2pshare to measure.
func program(file string) (string, error) {
	if file != "" {
		if !executable(file) {
			return "", fault.Hint(fault.New(fault.NotFound, "there is no program %q", file), "give the path of a p2pshare binary")
		}
		return filepath.Abs(file)
	}
	if own, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(own), "p2pshare"); executable(beside) {
			return beside, nil
		}
	}
	found, err := exec.LookPath("p2pshare")
	if err != nil {
		return "", fault.Hint(fault.New(fault.NotFound, "there is no p2pshare in this program's folder or in the PATH"), "name one: --program FILE")
	}
	return filepath.Abs(found)
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// environment returns the Env of this machine.
func (s system) environment(c *cli.Context) (bench.Env, error) {
	bin, err := program(c.String("program"))
	if err != nil {
		return bench.Env{}, err
	}
	e := bench.SystemEnv(bin, func(line string) { fmt.Fprintln(s.stderr, line) }, time.Now)
	e.Work, e.Command = c.String("work"), "p2pshare-bench "+strings.Join(s.args, " ")
	if e.Work != "" {
		if e.Work, err = filepath.Abs(e.Work); err != nil {
			return e, err
		}
	}
	return e, nil
}
