// Command p2pshare shares files from peer to peer.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version string

func main() {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(os.Stderr, "p2pshare: finding the working folder: %v\n", err)
		os.Exit(1)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir,
		Terminal: terminal, Now: time.Now, Signals: signals, Version: version, Open: open,
		StdLog: func(w io.Writer) { log.SetFlags(0); log.SetOutput(w) },
		Screen: screen, Ask: asker(), Secret: secretAsker(), Keyring: desktopKeyring{}, Daemons: daemons{}, Umask: umask(),
	}))
}

// open gives the daemon of the home if one answers, else a node in this process.
func open(ctx context.Context, s cli.Settings) (cli.Backend, error) {
	if !s.Alone {
		c, err := localapi.Dial(ctx, s.Home, s.Version)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, localapi.ErrNoDaemon) {
			return nil, err
		}
	}
	return openHere(ctx, s)
}

func terminal() (int, bool) {
	fd := int(os.Stderr.Fd())
	if !term.IsTerminal(fd) {
		return 0, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil {
		width = 0
	}
	return width, true
}

func screen() (width, height int, ok bool) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	return width, height, err == nil && width > 0 && height > 0
}

// asker is nil where nobody can see the question or answer it.
func asker() func(context.Context, string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) {
		if _, err := io.WriteString(os.Stderr, question); err != nil {
			return "", fmt.Errorf("asking: %w", err)
		}
		text := ""
		read := make(chan error, 1)
		go func() { // ends with the process if the question is broken off: a read of the terminal cannot be
			read <- panics.Catch(func() (err error) {
				text, err = bufio.NewReader(os.Stdin).ReadString('\n')
				return err
			})
		}()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case err := <-read:
			if err != nil && err != io.EOF {
				return "", fmt.Errorf("reading the answer: %w", err)
			}
			return strings.TrimSpace(text), nil
		}
	}
}
