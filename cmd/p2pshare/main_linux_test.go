package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/internal/signed"
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

// asked is a command at a terminal of its own, which asks for a password though its stdin is no terminal.
func asked(t *testing.T, args ...string) (person *os.File, screen *screenLog, end func() error) {
	t.Helper()
	person, tty := terminalPair(t)
	cmd := program(t, args...)
	cmd.ExtraFiles = []*os.File{tty}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	screen = newLog()
	cmd.Stdout, cmd.Stderr = screen, screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() }) // stays open, so that what the terminal shows can be asked after the end
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(screen, person) // ends when the test closes its end
	}()
	t.Cleanup(func() { person.Close(); tty.Close(); <-read })
	return person, screen, cmd.Wait
}

// shows says whether the terminal shows what is typed.
func shows(t *testing.T, person *os.File) bool {
	t.Helper()
	raw, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var state *unix.Termios
	var stateErr error
	if err := raw.Control(func(fd uintptr) { state, stateErr = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); err != nil || stateErr != nil {
		t.Fatal(err, stateErr)
	}
	return state.Lflag&unix.ECHO != 0
}

// types answers a question once the terminal no longer shows what is typed.
func types(t *testing.T, person *os.File, screen *screenLog, question, answer string) {
	t.Helper()
	screen.wait(t, question)
	for late := time.Now().Add(30 * time.Second); shows(t, person); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("after %q the terminal shows what is typed", question)
		}
	}
	if _, err := io.WriteString(person, answer); err != nil {
		t.Fatal(err)
	}
}

func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func TestPasswordAtTheTerminal(t *testing.T) {
	person, screen, end := asked(t, "group", "owner", "export", "nothing", "out.age")
	types(t, person, screen, "Passphrase for the file", "lemon tree\n")
	types(t, person, screen, "Once more: ", "lemon tree\n")
	if code := exitCode(end()); code != 10 {
		t.Errorf("got code %d, want 10: there is no such group; screen %q", code, screen.String())
	}
	if strings.Contains(screen.String(), "lemon") || !shows(t, person) {
		t.Errorf("screen: got %q, want no password, and what is typed afterwards shown: %v", screen.String(), shows(t, person))
	}
}

// TestInterruptedPassword presses Ctrl-C instead: the terminal has to be as it was.
func TestInterruptedPassword(t *testing.T) {
	person, screen, end := asked(t, "group", "restore", ".", "--user", "nas")
	types(t, person, screen, "Password of nas: ", "lem\x03")
	if code := exitCode(end()); code != 130 {
		t.Errorf("got code %d, want 130; screen %q", code, screen.String())
	}
	if !shows(t, person) {
		t.Error("the terminal does not show what is typed any more")
	}
}

// TestNoTerminal: with neither a terminal nor a source, the ways are named.
func TestNoTerminal(t *testing.T) {
	cmd := program(t, "group", "restore", ".", "--user", "nas")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = strings.NewReader("not asked for\n")
	out, err := cmd.CombinedOutput()
	if code := exitCode(err); code != 4 || !strings.Contains(string(out), "--password-file -") {
		t.Errorf("got code %d, %q, want 4 and the ways", code, out)
	}
}

// TestNoKeyring: a machine without a desktop says so.
func TestNoKeyring(t *testing.T) {
	cmd := program(t, "group", "join", privateLink, "--keyring")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+t.TempDir()+"/none")
	out, err := cmd.CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), "the desktop's keyring") || !strings.Contains(string(out), "leave --keyring out") {
		t.Errorf("got code %d, %q, want 1, and the way out", code, out)
	}
}

// privateLink is of a group that nobody has.
var privateLink = signed.Link{Kind: signed.Private}.String()
