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

// intro is the first line of every age file.
const intro = "age-encryption.org/v1\n"

// ErrNotForUs means that none of the identities opens a box: it is sealed to others.
var ErrNotForUs = errors.New("it is sealed to others")

// Box seals plain to 1 to MaxRecipients recipients of one kind. A recipient that cannot be used is a *RecipientError.
func Box(plain []byte, recipients []string) ([]byte, error) {
	to, err := parseRecipients(recipients, MaxRecipients)
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

// OpenBox opens what Box, or age, has sealed to one of ids. It refuses more than limit bytes of plaintext. The error is
// ErrNotForUs, of kind fault.Denied, or of kind fault.Unverified.
func OpenBox(box []byte, limit int64, ids ...Identity) ([]byte, error) {
	r, err := decrypt(box[:min(len(box), maxHeader)], bytes.NewReader(box), ids, MaxRecipients)
	if err != nil {
		return nil, fmt.Errorf("opening a box: %w", err)
	}
	return readAll(r, limit, "opening a box")
}

// OpenBoxAt is OpenBox if it is known that one of ids is recipient number place, counted from 0: then a box for four
// hundred others costs no more to try than one for a few.
func OpenBoxAt(box []byte, limit int64, place int, ids ...Identity) ([]byte, error) {
	list := make([]age.Identity, 0, len(ids))
	for _, i := range ids {
		if !i.IsZero() {
			list = append(list, placed{i.age(), place})
		}
	}
	r, err := decryptWith(box[:min(len(box), maxHeader)], bytes.NewReader(box), list, MaxRecipients, 1)
	if err != nil {
		return nil, fmt.Errorf("opening a box: %w", err)
	}
	return readAll(r, limit, "opening a box")
}

// placed tries only one of the recipients.
type placed struct {
	age.Identity
	place int
}

func (p placed) Unwrap(all []*age.Stanza) ([]byte, error) {
	if p.place < 0 || p.place >= len(all) {
		return nil, age.ErrIncorrectIdentity
	}
	return p.Identity.Unwrap(all[p.place : p.place+1])
}

// decrypt checks the header, which must be in head, the first bytes of r, before it tries ids on it.
func decrypt(head []byte, r io.Reader, ids []Identity, recipients int) (io.Reader, error) {
	list := make([]age.Identity, 0, len(ids))
	for _, i := range ids {
		if !i.IsZero() {
			list = append(list, i.age())
		}
	}
	return decryptWith(head, r, list, recipients, recipients)
}

// decryptWith is decrypt with identities that try at most tries of the recipients.
func decryptWith(head []byte, r io.Reader, list []age.Identity, recipients, tries int) (io.Reader, error) {
	n, err := stanzas(head)
	switch {
	case err != nil:
		return nil, fault.New(fault.Unverified, "%w", err)
	case n > recipients:
		return nil, fault.New(fault.Unverified, "it is for %d recipients, more than %d", n, recipients)
	case min(n, tries)*len(list) > maxTries:
		return nil, fault.New(fault.Unverified, "it is for %d recipients, too many to try %d keys on", n, len(list))
	case len(list) == 0:
		return nil, fault.New(fault.Denied, "%w", ErrNotForUs)
	}
	out, err := age.Decrypt(r, list...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, fault.New(fault.Denied, "%w", ErrNotForUs)
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
		return nil, fault.New(fault.Unverified, "%s: it contains more than %d bytes", doing, limit)
	}
	return plain, nil
}

// stanzas counts the recipients in the age header that b begins with, before anything is computed for them.
func stanzas(b []byte) (int, error) {
	if !bytes.HasPrefix(b, []byte(intro)) {
		return 0, errors.New("it is not an age file")
	}
	end := bytes.Index(b, []byte("\n---"))
	if end < 0 {
		return 0, fmt.Errorf("its header is cut off, or has more than %d bytes", len(b))
	}
	return bytes.Count(b[:end], []byte("\n-> ")), nil
}

// named is a recipient that is named in the error if no key can be wrapped to it.
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

func parseRecipients(texts []string, most int) ([]age.Recipient, error) {
	if len(texts) == 0 || len(texts) > most {
		return nil, fmt.Errorf("%d recipients, not 1 to %d", len(texts), most)
	}
	out := make([]age.Recipient, len(texts))
	accounts := slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, accountPrefix) })
	for i, t := range texts {
		r, err := parseRecipient(t)
		if err == nil && accounts {
			// age would refuse the file, but not say which recipient is of the other kind.
			err = checkAccount(t)
		}
		if err != nil {
			return nil, err
		}
		out[i] = named{t, r}
	}
	return out, nil
}
