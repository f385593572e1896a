package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// ErrNotForUs says that none of the identities opens a box: it is sealed to others.
var ErrNotForUs = errors.New("it is sealed to others")

// Box seals plain to 1 to MaxRecipients recipients of one kind. A recipient that takes nothing is a *RecipientError.
func Box(plain []byte, recipients []string) ([]byte, error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return nil, fmt.Errorf("sealing a box: %w", err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("sealing a box: %w", err)
	}
	return b.Bytes(), nil
}

// OpenBox opens what Box, or age, has sealed to one of ids. More than limit bytes inside are refused. An error is
// ErrNotForUs, or of fault.Unverified.
func OpenBox(box []byte, limit int64, ids ...Identity) ([]byte, error) {
	n, err := stanzas(box)
	if err == nil && n > MaxRecipients {
		err = fmt.Errorf("it is for %d recipients, more than %d", n, MaxRecipients)
	}
	if err != nil {
		return nil, fault.New(fault.Unverified, "opening a box: %w", err)
	}
	r, err := decrypt(bytes.NewReader(box), ids)
	if err != nil {
		return nil, fmt.Errorf("opening a box: %w", err)
	}
	return readAll(r, limit, "opening a box")
}

// decrypt wraps ErrNotForUs where none of ids fits.
func decrypt(r io.Reader, ids []Identity) (io.Reader, error) {
	list := make([]age.Identity, 0, len(ids))
	for _, i := range ids {
		if !i.IsZero() {
			list = append(list, i.age())
		}
	}
	if len(list) == 0 {
		return nil, ErrNotForUs
	}
	out, err := age.Decrypt(r, list...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, ErrNotForUs
	case err != nil:
		return nil, fault.New(fault.Unverified, "%w", err)
	}
	return out, nil
}

func readAll(r io.Reader, limit int64, doing string) ([]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fault.New(fault.Unverified, "%s: it is damaged: %w", doing, err)
	}
	if int64(len(plain)) > limit {
		return nil, fault.New(fault.Unverified, "%s: it holds more than %d bytes", doing, limit)
	}
	return plain, nil
}

// stanzas counts the recipients in an age header, before anything is computed for them.
func stanzas(box []byte) (int, error) {
	end := bytes.Index(box, []byte("\n---"))
	if end < 0 {
		return 0, errors.New("it is no age file")
	}
	if end > maxHeader {
		return 0, fmt.Errorf("its header has more than %d bytes", maxHeader)
	}
	return bytes.Count(box[:end], []byte("\n-> ")), nil
}

// named is a recipient whose refusal to take a key says whose it is.
type named struct {
	text string
	age.Recipient
}

func (n named) WrapWithLabels(key []byte) (list []*age.Stanza, labels []string, err error) {
	if r, ok := n.Recipient.(age.RecipientWithLabels); ok {
		list, labels, err = r.WrapWithLabels(key)
	} else {
		list, err = n.Wrap(key)
	}
	if err != nil {
		return nil, nil, badRecipient(n.text, err)
	}
	return list, labels, nil
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 || len(texts) > MaxRecipients {
		return nil, fmt.Errorf("%d recipients are not from 1 to %d", len(texts), MaxRecipients)
	}
	out := make([]age.Recipient, len(texts))
	accounts := slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, accountPrefix) })
	for i, t := range texts {
		r, err := parseRecipient(t)
		if err == nil && accounts {
			// age would refuse the file, and not say whose recipient is of the other kind.
			err = checkAccount(t)
		}
		if err != nil {
			return nil, err
		}
		out[i] = named{t, r}
	}
	return out, nil
}
