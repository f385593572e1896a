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

// ErrPassword is the answer both to a wrong password and to an unknown user: telling them apart would help an attacker
// who guesses.
var ErrPassword = errors.New("wrong password, or no such user")

// ErrPassphrase means that the passphrase does not open a locked key.
var ErrPassphrase = errors.New("wrong passphrase")

// WrongPassword returns ErrPassword with a hint for users; also for a user who has no slot.
func WrongPassword() error {
	return fault.Hint(fault.New(fault.Denied, "%w", ErrPassword),
		"check the password letter by letter, and the name given with --user; an admin can set a new one with p2pshare group passwd GROUP --user NAME")
}

// WrongGroupPassword is WrongPassword for the password of the group, which belongs to no user.
func WrongGroupPassword() error {
	return fault.Hint(fault.New(fault.Denied, "%w", groupPassword{}),
		"check it letter by letter; link and password change when a member is removed, so the link may be outdated too: ask for both again")
}

// groupPassword is ErrPassword with another text.
type groupPassword struct{}

func (groupPassword) Error() string { return "that is not the password of this group" }
func (groupPassword) Unwrap() error { return ErrPassword }

// Login is what a password unlocks: the keys of an account, or of the invite behind the password of a group.
type Login struct {
	Account string
	Group   signed.GroupID
	Key     signed.SigningKey
	Seal    Identity
}

func (l Login) String() string       { return fmt.Sprintf("login of %q (redacted)", l.Account) }
func (l Login) GoString() string     { return l.String() }
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// wireLogin is a Login as it is encoded and encrypted; the fields are in the order of their keys.
type wireLogin struct {
	Account string         `json:"acct"`
	Group   signed.GroupID `json:"gid"`
	Key     string         `json:"key"`
	Pad     string         `json:"pad,omitempty"` // so that a slot's length reveals nothing about the name
	Seal    string         `json:"seal"`
}

// MakeSlot protects a Login with a password. work is a work factor from 1 to MaxWork: always MaxWork, except in tests.
// It returns the bytes of a Slot.
func MakeSlot(l Login, password string, work int) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("making a password slot: %w", err) }
	if err := checkLogin(l); err != nil {
		return fail(err)
	}
	plain, err := signed.Marshal(wireLogin{l.Account, l.Group, hex.EncodeToString(l.Key.Seed()), strings.Repeat(".", maxAccount-len(l.Account)+1), l.Seal.Secret()})
	if err != nil {
		return fail(fmt.Errorf("the account of %q cannot be written", l.Account)) // not err, which would quote the keys
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
		return fmt.Errorf("the account's name has %d bytes, not 1 to %d", len(l.Account), maxAccount)
	case l.Key.Signer() == nil:
		return errors.New("the account's key is missing")
	case !l.Seal.Account():
		return errors.New("the account's identity is missing, or not of the kind for accounts")
	}
	return nil
}

// Open opens the Box of a slot. The error is ErrPassword, or of kind fault.Unverified if it is no slot of this group
// whatever the password. It costs next to nothing: the work was done in Stretch.
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
		return Login{}, badSlot("its content is not a login")
	}
	var seed [32]byte
	l := Login{Account: f.NeedText("acct", maxAccount)}
	f.NeedHex("gid", l.Group[:])
	f.NeedHex("key", seed[:])
	f.Text("pad", maxAccount)
	secret := f.NeedText("seal", 256)
	if f.Done() != nil {
		return Login{}, badSlot("its content is not a login") // not the error, which would quote the keys
	}
	if l.Group != p.group {
		return Login{}, badSlot("it belongs to the group %v", l.Group)
	}
	if l.Account != p.account {
		return Login{}, badSlot("it belongs to the account %q", l.Account)
	}
	if l.Key, err = signed.SigningKeyFromSeed(seed[:]); err != nil {
		return Login{}, badSlot("%w", err)
	}
	if l.Seal, err = Parse(secret); err != nil {
		return Login{}, badSlot("%w", err)
	}
	if err := checkLogin(l); err != nil || l.Seal.Secret() != secret {
		return Login{}, badSlot("its content is not a login of an account")
	}
	return l, nil
}

func badSlot(format string, args ...any) error {
	return fault.New(fault.Unverified, "opening a password slot: "+format, args...)
}

// LockKey protects an owner's key with a passphrase. The result is text that can be printed and that `age -d` opens.
func LockKey(key []byte, passphrase string, work int) ([]byte, error) {
	if Normalize(passphrase) == "" {
		return nil, fault.New(fault.Usage, "locking a key: the passphrase is empty")
	}
	if len(key) == 0 || len(key) > maxLocked {
		return nil, fmt.Errorf("locking a key: %d bytes, not 1 to %d", len(key), maxLocked)
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

// UnlockKey opens what LockKey, or `age -p` with or without -a, has made. The error is ErrPassphrase, or of kind
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
		return nil, fault.Hint(fault.New(fault.Denied, "unlocking a key: %w", ErrPassphrase), "use the passphrase given when the key was locked or exported")
	case err != nil:
		return fail("%w", err)
	}
	return plain, nil
}

func lock(plain []byte, passphrase string, work int) ([]byte, error) {
	if work < 1 || work > MaxWork {
		return nil, fmt.Errorf("the work factor %d is not from 1 to %d", work, MaxWork)
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

// unlock returns ErrPassword, or why the file cannot be opened with any passphrase. It refuses a work factor above
// work.
func unlock(file []byte, passphrase string, work int, limit int64) ([]byte, error) {
	n, err := stanzas(file)
	if err != nil {
		return nil, err
	}
	if n != 1 {
		return nil, fmt.Errorf("it has %d recipients, not a single passphrase", n)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassword // age refuses an empty one
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
	return readAll(r, limit, "its content")
}
