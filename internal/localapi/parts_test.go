//go:build unix

package localapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/internal/localapi"
)

// parts are what this test binary is when a test starts it again, by the variable LOCALAPI_TEST_PART.
var parts = map[string]func() error{
	"connect": connectPart, "listen": listenPart, "narrow": narrowPart,
}

// connectPart sends a request to the socket LOCALAPI_TEST_PATH and prints what comes back.
func connectPart() error {
	c, err := net.Dial("unix", os.Getenv("LOCALAPI_TEST_PATH"))
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "GET /v1/version HTTP/1.1\r\nHost: p2pshare\r\n\r\n") // fails if it is cut off at once
	b, err := io.ReadAll(c)
	fmt.Printf("%d bytes\n%s", len(b), b)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// listenPart listens on LOCALAPI_TEST_PATH and prints whatever anybody sends before the first line of which it
// has read nothing.
func listenPart() error {
	l, err := net.Listen("unix", os.Getenv("LOCALAPI_TEST_PATH"))
	if err != nil {
		return err
	}
	if err := os.Chmod(os.Getenv("LOCALAPI_TEST_PATH"), 0o777); err != nil {
		return err
	}
	fmt.Println("listening")
	c, err := l.Accept()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	fmt.Printf("%d bytes\n", len(b))
	return err
}

// narrowPart serves a backend on the home LOCALAPI_TEST_HOME with few descriptors, until SIGTERM.
func narrowPart() error {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 512, Max: 512}); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	home := os.Getenv("LOCALAPI_TEST_HOME")
	l, err := localapi.Listen(home, "")
	if err != nil {
		return err
	}
	log := &failures{}
	server := localapi.NewServer(localapi.Options{Backend: &fake{}, Home: home, Version: "v", Log: log.logger()})
	fmt.Println("listening")
	if err := server.Serve(ctx, l); err != nil {
		return err
	}
	return log.err()
}
