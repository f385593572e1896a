package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// ErrPassword is the one answer to a wrong password and to a user that is not there: which of them it is would be a
// hint to who guesses.
var ErrPassword = errors.New("wrong password, or no such user")

// ErrPassphrase says that a locked key does not open.
var ErrPassphrase = errors.New("wrong passphrase")

// WrongPassword is ErrPassword as users see it, also for who finds no slot of a user.
func WrongPassword() error {
	return fault.Hint(fault.New(fault.Denied, "%w", ErrPassword),
		"check the password letter by letter, and the name given with --user; an admin makes a new one with p2pshare group passwd GROUP --user NAME")
}

// WrongGroupPassword is ErrPassword for who gave the password of the group, which is no user's.
func WrongGroupPassword() error {
	return fault.Hint(fault.New(fault.Denied, "%w", groupPassword{}),
		"check it letter by letter; the link may be an old one too, for both change when somebody is removed: ask for them again")
}

// groupPassword is ErrPassword in other words.
type groupPassword struct{}

func (groupPassword) Error() string { return "that is not the password of this group" }
func (groupPassword) Unwrap() error { return ErrPassword }

// Login is what a password opens: the keys of an account, or of the invite that the password of a group is.
type Login struct {
	Account string
	Group   signed.GroupID
	Key     signed.SigningKey
	Seal    Identity
}

func (l Login) String() string       { return fmt.Sprintf("login of %q (redacted)", l.Account) }
func (l Login) GoString() string     { return l.String() }
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// wireLogin is a Login as it is encrypted; the fields are in the order of their keys.
type wireLogin struct {
	Account string         `json:"acct"`
	Group   signed.GroupID `json:"gid"`
	Key     string         `json:"key"`
	Pad     string         `json:"pad,omitempty"` // so that a slot's length tells nothing of the name
	Seal    string         `json:"seal"`
}

// MakeSlot puts a Login behind a password, with a work factor from 1 to MaxWork: MaxWork, but in tests. It gives the bytes
// of a Slot.
func MakeSlot(l Login, password string, work int) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("making a password slot: %w", err) }
	if err := checkLogin(l); err != nil {
		return fail(err)
	}
	plain, err := signed.Marshal(wireLogin{l.Account, l.Group, hex.EncodeToString(l.Key.Seed()), strings.Repeat(".", maxAccount-len(l.Account)+1), l.Seal.Secret()})
	if err != nil {
		return fail(fmt.Errorf("the account of %q cannot be written", l.Account)) // not err: it quotes
	}
	p, err := Stretch(l.Group, l.Account, password, work)
	if err != nil {
		return fail(err)
	}
	box, err := lock(plain, p.passphrase, boxWork)
	if err != nil {
		return fail(err)
	}
	tag := p.Tag()
	return slices.Concat(tag[:], p.tag.Sign(slotDomain, slotOwner(l.Group, l.Account)), box), nil
}

func checkLogin(l Login) error {
	switch {
	case l.Account == "" || len(l.Account) > maxAccount:
		return fmt.Errorf("an account's name of %d bytes is not from 1 to %d", len(l.Account), maxAccount)
	case l.Key.Signer() == nil:
		return errors.New("the account's key is missing")
	case !l.Seal.Account():
		return errors.New("the account's identity is missing or none of an account")
	}
	return nil
}

// Open opens the Box of a slot. The error is ErrPassword, or of fault.Unverified if it is no slot of this group whatever
// the password. It costs next to nothing: the work was that of Stretch.
func (p Pass) Open(box []byte) (Login, error) {
	if len(box) > maxSlot {
		return Login{}, badSlot("%d bytes, more than %d", len(box), maxSlot)
	}
	plain, err := unlock(box, p.passphrase, boxWork, maxSlot)
	if errors.Is(err, ErrPassword) {
		return Login{}, WrongPassword()
	}
	if err != nil {
		return Login{}, badSlot("%w", err)
	}
	f, err := signed.ReadFields(plain)
	if err != nil {
		return Login{}, badSlot("what is in it is no login")
	}
	var seed [32]byte
	l := Login{Account: f.NeedText("acct", maxAccount)}
	f.NeedHex("gid", l.Group[:])
	f.NeedHex("key", seed[:])
	f.Text("pad", maxAccount)
	secret := f.NeedText("seal", 256)
	if f.Done() != nil {
		return Login{}, badSlot("what is in it is no login") // not the error: it quotes
	}
	if l.Group != p.group {
		return Login{}, badSlot("it is of the group %v", l.Group)
	}
	if l.Account != p.account {
		return Login{}, badSlot("it is of the account %q", l.Account)
	}
	if l.Key, err = signed.SigningKeyFromSeed(seed[:]); err != nil {
		return Login{}, badSlot("%w", err)
	}
	if l.Seal, err = Parse(secret); err != nil {
		return Login{}, badSlot("%w", err)
	}
	if err := checkLogin(l); err != nil || l.Seal.Secret() != secret {
		return Login{}, badSlot("what is in it is no login of an account")
	}
	return l, nil
}

func badSlot(format string, args ...any) error {
	return fault.New(fault.Unverified, "opening a password slot: "+format, args...)
}

// LockKey puts an owner's key behind a passphrase, as text that can be printed and that `age -d` opens.
func LockKey(key []byte, passphrase string, work int) ([]byte, error) {
	if Normalize(passphrase) == "" {
		return nil, fault.New(fault.Usage, "locking a key: the passphrase is empty")
	}
	if len(key) == 0 || len(key) > maxLocked {
		return nil, fmt.Errorf("locking a key: %d bytes are not from 1 to %d", len(key), maxLocked)
	}
	b, err := lock(key, Normalize(passphrase), work)
	if err != nil {
		return nil, fmt.Errorf("locking a key: %w", err)
	}
	var out bytes.Buffer
	w := armor.NewWriter(&out)
	_, err = w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("locking a key: %w", err)
	}
	return out.Bytes(), nil
}

// UnlockKey opens what LockKey, or `age -p` with or without -a, has made. The error is ErrPassphrase, or of
// fault.Unverified.
func UnlockKey(locked []byte, passphrase string) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		return nil, fault.New(fault.Unverified, "unlocking a key: "+format, args...)
	}
	if len(locked) > 2*maxLocked {
		return fail("%d bytes, more than %d", len(locked), 2*maxLocked)
	}
	if text := bytes.TrimSpace(locked); bytes.HasPrefix(text, []byte(armor.Header)) {
		b, err := io.ReadAll(armor.NewReader(bytes.NewReader(text)))
		if err != nil {
			return fail("%w", err)
		}
		locked = b
	}
	plain, err := unlock(locked, Normalize(passphrase), MaxWork, maxLocked)
	switch {
	case errors.Is(err, ErrPassword):
		return nil, fault.Hint(fault.New(fault.Denied, "unlocking a key: %w", ErrPassphrase), "the passphrase is the one given when the key was locked or exported")
	case err != nil:
		return fail("%w", err)
	}
	return plain, nil
}

func lock(plain []byte, passphrase string, work int) ([]byte, error) {
	if work < 1 || work > MaxWork {
		return nil, fmt.Errorf("a work factor of %d is not from 1 to %d", work, MaxWork)
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(work)
	var b bytes.Buffer
	var w io.WriteCloser
	alone(work, func() { w, err = age.Encrypt(&b, r) })
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// unlock answers ErrPassword, or says what keeps the file from being opened with any passphrase. It does no more than work.
func unlock(file []byte, passphrase string, work int, limit int64) ([]byte, error) {
	n, err := stanzas(file)
	if err != nil {
		return nil, err
	}
	if n != 1 {
		return nil, fmt.Errorf("it has %d recipients, and no passphrase alone", n)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassword // it is empty
	}
	id.SetMaxWorkFactor(work)
	var r io.Reader
	alone(work, func() { r, err = age.Decrypt(bytes.NewReader(file), id) })
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) && (len(none.StanzaTypes) != 1 || none.StanzaTypes[0] != "scrypt"):
		return nil, errors.New("it is not locked with a passphrase")
	case errors.As(err, &none):
		return nil, ErrPassword
	case err != nil:
		return nil, err
	}
	return readAll(r, limit, "it opens, but")
}
