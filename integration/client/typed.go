package client

import (
	"os/exec"
	"regexp"
	"strings"
)

// Shown is the group link and the password that commands printed last.
type Shown struct{ Link, Password string }

// GroupLink matches the link of a group, without hints.
var GroupLink = regexp.MustCompile(`p2pshare:a[a-z2-7]{30,}`)

// madePassword matches a line with a password that p2pshare made: five words.
var madePassword = regexp.MustCompile(`(?m)^[a-z]+(-[a-z]+){4}\r?$`)

// Read takes the link and the password from what a command printed, if there are any.
func (s *Shown) Read(out string) {
	if link := GroupLink.FindString(out); link != "" {
		s.Link = link
	}
	if password := madePassword.FindString(out); password != "" {
		s.Password = strings.TrimSuffix(password, "\r")
	}
}

// Typed returns a command line as a user types it. shell makes a command of a line of bash. With answers it runs at a
// terminal of its own, where each answer is typed when the program asks for it.
func Typed(shell func(line string) *exec.Cmd, line string, answers ...string) *exec.Cmd {
	if len(answers) == 0 {
		return shell(line)
	}
	cmd := shell(`script -qec "$0" /dev/null`)
	cmd.Args = append(cmd.Args, line)
	cmd.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
	return cmd
}
