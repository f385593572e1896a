// Command p2pshare shares files from peer to peer.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/node"
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
		Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir,
		Terminal: terminal, Now: time.Now, Signals: signals, Version: version, Open: open,
		StdLog: func(w io.Writer) { log.SetFlags(0); log.SetOutput(w) },
	}))
}

func open(ctx context.Context, s cli.Settings) (cli.Backend, error) {
	n, err := node.Open(ctx, node.Options{Home: s.Home, Network: s.Network, Log: s.Log, Version: s.Version})
	if err != nil {
		return nil, err
	}
	return n, nil
}

func terminal() (int, bool) {
	fd := int(os.Stderr.Fd())
	if !term.IsTerminal(fd) {
		return 0, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}
