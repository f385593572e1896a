package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminalPair is a pseudo terminal of 90 columns: the end a person sits at, and the program's.
func terminalPair(t *testing.T) (person, program *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("no pseudo terminals here, mount /dev/pts: %v", err)
	}
	person = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 90}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// TestTerminal presses Ctrl-C where a person would.
func TestTerminal(t *testing.T) {
	person, tty := terminalPair(t)
	cmd := program(t, append([]string{"publish", content(t)}, alone...)...)
	cmd.Stdin, cmd.Stderr = tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	screen, read := newLog(), make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(screen, person) // ends with EIO when the program does
	}()
	answer, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "magnet:?xt=urn:btih:") {
		t.Fatalf("stdout: got %q, %v, want the magnet", answer, err)
	}
	screen.wait(t, "0 peers, 0 B/s up, 0 B sent")
	if _, err := person.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: got %v, want a normal end", err)
	}
	<-read
	if got := screen.String(); !strings.Contains(got, "stopped seeding") || !strings.Contains(got, "\x1b[") {
		t.Errorf("screen: got %q, want a line that is drawn over, and how it ended", got)
	}
}
