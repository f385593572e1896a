package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zalando/go-keyring"
	"golang.org/x/term"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// terminalFiles are the terminal to ask on: the process's own, whatever stdin and stdout are, so that a password can be
// typed into a pipeline. It is nil where there is none.
func terminalFiles() (in, out *os.File) {
	if in, out = controllingTerminal(); in != nil {
		return in, out
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) {
		return os.Stdin, os.Stderr
	}
	return nil, nil
}

// secretAsker is nil where nobody can be asked for a password.
func secretAsker() func(context.Context, string) (string, error) {
	in, out := terminalFiles()
	if in == nil {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) { return askSecret(ctx, in, out, question) }
}

// askSecret reads a line that the terminal does not show. However it ends, the terminal shows what is typed again.
func askSecret(ctx context.Context, in, out *os.File, question string) (string, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("asking for a password: %w", err)
	}
	if _, err := io.WriteString(out, question); err != nil {
		return "", fmt.Errorf("asking for a password: %w", err)
	}
	var text []byte
	read := make(chan error, 1)
	go func() { // ends with the process if the question is broken off: a read of the terminal cannot be
		read <- panics.Catch(func() (err error) {
			text, err = term.ReadPassword(fd)
			return err
		})
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before), endLine(out))
	case failed := <-read:
		if err := endLine(out); err != nil {
			return "", err
		}
		if failed != nil && failed != io.EOF {
			return "", fmt.Errorf("reading the password: %w", failed)
		}
		return string(text), nil
	}
}

// endLine ends the line of the question, as the user's own key was not shown.
func endLine(out io.Writer) error {
	_, err := io.WriteString(out, "\n")
	return err
}

// keyringService is what this program's entries in the desktop's keyring are under.
const keyringService = "p2pshare"

// desktopKeyring is the keyring of the desktop: the Secret Service on Linux, the keychain on macOS, the credential
// manager on Windows.
type desktopKeyring struct{}

func (desktopKeyring) Get(entry string) (string, error) {
	text, err := keyring.Get(keyringService, entry)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", cli.ErrNoEntry
	}
	return text, err
}

func (desktopKeyring) Set(entry, secret string) error {
	return keyring.Set(keyringService, entry, secret)
}
