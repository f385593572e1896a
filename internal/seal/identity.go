package seal

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"

	"filippo.io/age"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Identity decrypts what is sealed to its recipient. The zero Identity decrypts nothing, and its Recipient and Secret
// are empty.
type Identity struct {
	// Only pointers, so that no form of printing reaches what they point to.
	hybrid  *age.HybridIdentity
	classic *age.X25519Identity
}

// NewAccount makes the identity of an account: ML-KEM-768 with X25519, because what is sealed to it may be recorded
// today and attacked for as long as it matters.
func NewAccount() (Identity, error) {
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		return Identity{}, fmt.Errorf("generating the identity of an account: %w", err)
	}
	return Identity{hybrid: i}, nil
}

// NewAudience makes the identity of an audience: X25519. Its recipient is in no record, only in boxes that accounts can
// open, so that an attacker has no public key to work on.
func NewAudience() (Identity, error) {
	i, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fmt.Errorf("generating the identity of an audience: %w", err)
	}
	return Identity{classic: i}, nil
}

// Parse reads what Secret returns. The error does not quote it.
func Parse(s string) (Identity, error) {
	ids, err := ParseIdentityFile([]byte(s))
	if err != nil {
		return Identity{}, err
	}
	if len(ids) != 1 {
		return Identity{}, fault.New(fault.Unverified, "reading a secret key: got %d keys", len(ids))
	}
	return ids[0], nil
}

// IsZero reports whether i has no key.
func (i Identity) IsZero() bool { return i.hybrid == nil && i.classic == nil }

// Account reports whether i is of the kind that NewAccount makes.
func (i Identity) Account() bool { return i.hybrid != nil }

// Recipient returns the public half, for `age -r`.
func (i Identity) Recipient() string {
	switch {
	case i.hybrid != nil:
		return i.hybrid.Recipient().String()
	case i.classic != nil:
		return i.classic.Recipient().String()
	}
	return ""
}

// Secret returns the key itself: a line of a file for `age -i`.
func (i Identity) Secret() string {
	switch {
	case i.hybrid != nil:
		return i.hybrid.String()
	case i.classic != nil:
		return i.classic.String()
	}
	return ""
}

func (i Identity) String() string       { return "redacted" }
func (i Identity) GoString() string     { return "redacted" }
func (i Identity) LogValue() slog.Value { return slog.StringValue("redacted") }

// MarshalText keeps a key from ending up in JSON by accident.
func (i Identity) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

func (i Identity) age() age.Identity {
	if i.hybrid != nil {
		return i.hybrid
	}
	return i.classic
}

// IdentityFile returns a file for `age -i`: one key per line, in order. Keys beyond MaxIdentities are left out.
func IdentityFile(ids []Identity) []byte {
	var b bytes.Buffer
	for _, i := range ids[:min(len(ids), MaxIdentities)] {
		b.WriteString(i.Secret())
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// ParseIdentityFile reads 1 to MaxIdentities keys. Like age, it ignores comments and empty lines.
func ParseIdentityFile(b []byte) ([]Identity, error) {
	fail := func(format string, args ...any) ([]Identity, error) {
		return nil, fault.New(fault.Unverified, "reading secret keys: "+format, args...)
	}
	if len(b) > maxKeys {
		return fail("%d bytes, more than %d", len(b), maxKeys)
	}
	if n := bytes.Count(b, []byte("AGE-SECRET-KEY-")); n > MaxIdentities {
		return fail("%d keys, more than %d", n, MaxIdentities)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return fail("%w", err)
	}
	out := make([]Identity, len(ids))
	for n, id := range ids {
		switch id := id.(type) {
		case *age.HybridIdentity:
			out[n].hybrid = id
		case *age.X25519Identity:
			out[n].classic = id
		default:
			return fail("key %d is of an unknown kind", n+1)
		}
	}
	return out, nil
}

// RecipientError is returned for a recipient that nothing can be sealed to.
type RecipientError struct {
	Recipient string
	Err       error
}

func (e *RecipientError) Error() string {
	return fmt.Sprintf("recipient %.40q: %v", e.Recipient, e.Err)
}

func (e *RecipientError) Unwrap() error { return e.Err }

// CheckRecipient checks that Box can seal to s. Account holders choose their recipients: one that is well formed, but
// to which no key can be wrapped, would keep everyone from sealing to any set that contains it, so CheckRecipient
// wraps a key to it. The error is a *RecipientError of kind fault.Unverified.
func CheckRecipient(s string) error {
	r, err := parseRecipient(s)
	if err != nil {
		return err
	}
	if _, err := r.Wrap(make([]byte, 16)); err != nil {
		return badRecipient(s, err)
	}
	return nil
}

// CheckAccount is CheckRecipient for the recipient of an account, which is post-quantum: age does not mix the kinds.
func CheckAccount(s string) error {
	if err := checkAccount(s); err != nil {
		return err
	}
	return CheckRecipient(s)
}

func checkAccount(s string) error {
	if !strings.HasPrefix(s, accountPrefix) {
		return badRecipient(s, fmt.Errorf("it is not post-quantum (%s..), which those of accounts must be", accountPrefix))
	}
	return nil
}

const accountPrefix = "age1pq1"

func badRecipient(s string, err error) error {
	return fault.New(fault.Unverified, "%w", &RecipientError{s, err})
}

func parseRecipient(s string) (r age.Recipient, err error) {
	switch {
	case len(s) > maxRecipient:
		err = fmt.Errorf("%d characters, more than %d", len(s), maxRecipient)
	case strings.HasPrefix(s, accountPrefix):
		r, err = age.ParseHybridRecipient(s)
	case strings.HasPrefix(s, "age1"):
		r, err = age.ParseX25519Recipient(s)
	default:
		err = fmt.Errorf("it is not an age recipient (age1..)")
	}
	if err != nil {
		return nil, badRecipient(s, err)
	}
	return r, nil
}
