package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// maxSecret is the longest password that is read: far more than anybody types, and little to hold.
const maxSecret = 1024

// ErrNoEntry is a Keyring's where it has no such entry.
var ErrNoEntry = errors.New("the keyring has no such entry")

// Keyring is the desktop's, with this program's entries.
type Keyring interface {
	Get(entry string) (string, error) // ErrNoEntry: there is none
	Set(entry, secret string) error
}

const passwordText = "A password comes from the terminal, which does not show it, or from --password-file; it is never an argument or a variable, which other programs could see."

func passwordFileFlag() cli.Flag {
	return &cli.StringFlag{Name: "password-file", Category: groupMember, Usage: "read the password from the first line of `FILE`, which nobody else may read; - is stdin"}
}

// choiceFlags are those of commands that make a password unless one is chosen.
func choiceFlags() []cli.Flag {
	return []cli.Flag{
		passwordFileFlag(),
		&cli.BoolFlag{Name: "ask", Category: groupMember, Usage: "ask for the password, twice, rather than make one"},
	}
}

// newPassword reads the password that the user has chosen; empty: one is to be made.
func (s *session) newPassword(ctx context.Context, c *cli.Context, whose string) (node.Secret, error) {
	file, ask := c.String("password-file"), c.Bool("ask")
	switch {
	case file != "" && ask:
		return "", fault.Hint(usagef("--ask and --password-file are two sources of one password"), "leave one of them out")
	case file != "":
		return s.secretFile("--password-file", file)
	case ask:
		return s.askTwice(ctx, "New password "+whose+" (empty: one is made): ", "leave --ask out, and one is made; or add --password-file FILE, - for stdin")
	}
	return "", nil
}

// password reads one that there is.
func (s *session) password(ctx context.Context, c *cli.Context, question string) (node.Secret, error) {
	if file := c.String("password-file"); file != "" {
		return s.secretFile("--password-file", file)
	}
	p, err := s.askSecret(ctx, question, "add --password-file FILE, or --password-file - and write it to stdin")
	if err == nil && p == "" {
		err = usagef("the password is empty")
	}
	return p, err
}

// askSecret asks on the terminal. ways is what to do where there is none.
func (s *session) askSecret(ctx context.Context, question, ways string) (node.Secret, error) {
	if s.env.Secret == nil {
		what := "password"
		if strings.Contains(question, "assphrase") {
			what = "passphrase"
		}
		return "", fault.Hint(usagef("a %s is needed, and there is no terminal to ask for it on", what), "%s", ways)
	}
	text, err := s.env.Secret(ctx, question)
	if err != nil {
		return "", interrupted(ctx, err, "nothing was done")
	}
	return checkSecret("the password", text)
}

// askTwice asks for a new one, which must be typed the same twice. Empty is an answer.
func (s *session) askTwice(ctx context.Context, question, ways string) (node.Secret, error) {
	p, err := s.askSecret(ctx, question, ways)
	if err != nil || p == "" {
		return "", err
	}
	again, err := s.askSecret(ctx, "Once more: ", ways)
	if err == nil && again != p {
		err = fault.Hint(usagef("the two are not the same"), "nothing was done; the same command asks again")
	}
	if err != nil {
		return "", err
	}
	return p, nil
}

// secretFile reads the first line of a file, or of stdin.
func (s *session) secretFile(flag, path string) (node.Secret, error) {
	if path == "-" {
		if s.env.Stdin == nil {
			return "", usagef("%s -: there is no stdin", flag)
		}
		return firstLine(flag+" -", s.env.Stdin)
	}
	name := s.abs(path)
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.New(fault.NotFound, "%s: there is no file %q", flag, name)
	case err != nil:
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", flag, err)
	case info.IsDir():
		return "", usagef("%s %q is a folder", flag, name)
	case runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0: // Windows has other rights
		return "", fault.Hint(fault.New(fault.Denied, "%s: %q is open to other users of this machine", flag, name), "chmod 600 %s", shellQuote(name))
	}
	return firstLine(fmt.Sprintf("%s %q", flag, name), f)
}

func firstLine(what string, r io.Reader) (node.Secret, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxSecret+2)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", usagef("%s: the first line is empty", what)
	}
	return checkSecret(what, line)
}

// checkSecret refuses what could not arrive as it was typed. The text itself stays out of what it says.
func checkSecret(what, text string) (node.Secret, error) {
	switch {
	case len(text) > maxSecret:
		return "", usagef("%s is longer than %d bytes", what, maxSecret)
	case !utf8.ValidString(text), strings.ContainsRune(text, 0):
		return "", fault.Hint(usagef("%s is no text in UTF-8", what), "write letters, digits and what else is on the keyboard")
	}
	return node.Secret(text), nil
}

// kept is where a password was looked for in the keyring, and whether it has to be put there.
type kept struct {
	entry string
	store bool
	found bool
}

// keyringPassword takes the password from the desktop's keyring, or asks for it.
func (s *session) keyringPassword(ctx context.Context, entry, question string) (node.Secret, kept, error) {
	k := kept{entry: entry}
	if s.env.Keyring == nil {
		return "", k, fault.Hint(usagef("this machine has no keyring"), "leave --keyring out, and add --password-file FILE")
	}
	text, err := s.fromKeyring(ctx, entry)
	switch {
	case ctx.Err() != nil:
		return "", k, interrupted(ctx, ctx.Err(), "nothing was done")
	case errors.Is(err, ErrNoEntry):
		k.store = true
		p, err := s.askSecret(ctx, question, "the keyring has no entry "+entry+" of the service p2pshare yet; run this on a terminal once, or add --password-file FILE")
		if err == nil && p == "" {
			err = usagef("the password is empty")
		}
		return p, k, err
	case err != nil:
		return "", k, fault.Hint(fmt.Errorf("asking the desktop's keyring: %w", err), "leave --keyring out, and type the password or add --password-file FILE")
	}
	k.found = true
	p, err := checkSecret("the keyring's entry "+entry, text)
	return p, k, err
}

// fromKeyring waits no longer than ctx: a keyring may have to be unlocked first, in a window that nobody sees.
func (s *session) fromKeyring(ctx context.Context, entry string) (string, error) {
	text := ""
	got := make(chan error, 1)
	go func() { // may outlive the command, and ends with the process
		got <- panics.Catch(func() (err error) {
			text, err = s.env.Keyring.Get(entry)
			return err
		})
	}()
	select {
	case err := <-got:
		return text, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// keep puts a password that has opened into the keyring. That it cannot is no failure of what was done.
func (s *session) keep(k kept, p node.Secret) {
	if !k.store {
		return
	}
	if err := s.env.Keyring.Set(k.entry, string(p)); err != nil {
		s.out.event(node.Event{Level: "warn", Message: "the password could not be put into the keyring: " + err.Error()})
		return
	}
	s.out.say("the keyring has the password now, as %s of the service p2pshare", printable(k.entry))
}

// explain says where a password came from that did not open.
func (k kept) explain(err error) error {
	if k.found && fault.KindOf(err) == fault.Denied {
		return fault.Hint(err, "the password is the one in the keyring, %s of the service p2pshare: mend it there, or leave --keyring out", k.entry)
	}
	return err
}

// shellQuote makes one word of a POSIX shell of a path.
func shellQuote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
