package seal

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"

	"filippo.io/age"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Identity opens what is sealed to its recipient. The zero Identity opens nothing, and its Recipient and Secret are
// empty.
type Identity struct {
	// Pointers alone, so that no form of printing reaches what they hold.
	hybrid  *age.HybridIdentity
	classic *age.X25519Identity
}

// NewAccount makes the identity of an account: ML-KEM-768 with X25519, because what is sealed to it may be recorded
// today and attacked for as long as it matters.
func NewAccount() (Identity, error) {
	i, err := age.GenerateHybridIdentity()
	if err != nil {
		return Identity{}, fmt.Errorf("making the identity of an account: %w", err)
	}
	return Identity{hybrid: i}, nil
}

// NewAudience makes the identity of an audience: X25519. Its recipient stands in no record, but only in boxes that
// accounts open, so that an attacker has no public key to work on.
func NewAudience() (Identity, error) {
	i, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fmt.Errorf("making the identity of an audience: %w", err)
	}
	return Identity{classic: i}, nil
}

// Parse reads what Secret writes. The error does not repeat it.
func Parse(s string) (Identity, error) {
	ids, err := ParseIdentityFile([]byte(s))
	if err != nil {
		return Identity{}, err
	}
	if len(ids) != 1 {
		return Identity{}, fault.New(fault.Unverified, "reading a secret key: there are %d", len(ids))
	}
	return ids[0], nil
}

// IsZero says whether there is no key.
func (i Identity) IsZero() bool { return i.hybrid == nil && i.classic == nil }

// Account says whether it is of the kind that NewAccount makes.
func (i Identity) Account() bool { return i.hybrid != nil }

// Recipient is the public half, as `age -r` takes it.
func (i Identity) Recipient() string {
	switch {
	case i.hybrid != nil:
		return i.hybrid.Recipient().String()
	case i.classic != nil:
		return i.classic.Recipient().String()
	}
	return ""
}

// Secret is the key itself: a line of a file that `age -i` takes.
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

// IdentityFile is a file that `age -i` takes: a key a line, in their order. Of more than MaxIdentities the first
// stand.
func IdentityFile(ids []Identity) []byte {
	var b bytes.Buffer
	for _, i := range ids[:min(len(ids), MaxIdentities)] {
		b.WriteString(i.Secret())
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// ParseIdentityFile reads 1 to MaxIdentities keys. Comments and empty lines are passed over, as age does.
func ParseIdentityFile(b []byte) ([]Identity, error) {
	fail := func(format string, args ...any) ([]Identity, error) {
		return nil, fault.New(fault.Unverified, "reading secret keys: "+format, args...)
	}
	if len(b) > maxKeys {
		return fail("%d bytes, more than %d", len(b), maxKeys)
	}
	if n := bytes.Count(b, []byte("AGE-SECRET-KEY-")); n > MaxIdentities {
		return fail("there are %d, more than %d", n, MaxIdentities)
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

// RecipientError is a recipient that nothing can be sealed to.
type RecipientError struct {
	Recipient string
	Err       error
}

func (e *RecipientError) Error() string {
	return fmt.Sprintf("recipient %.40q: %v", e.Recipient, e.Err)
}

func (e *RecipientError) Unwrap() error { return e.Err }

// CheckRecipient says whether Box can seal to s. An account's recipient is what its owner says: one that is well
// formed and yet takes no key would keep everyone from sealing to a set that it is in, so it is asked to take one.
// The error is a *RecipientError of fault.Unverified.
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
		return badRecipient(s, fmt.Errorf("it is not post-quantum (%s..), as those of accounts are", accountPrefix))
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
		err = fmt.Errorf("it is none of age (age1..)")
	}
	if err != nil {
		return nil, badRecipient(s, err)
	}
	return r, nil
}
