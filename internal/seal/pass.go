package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"golang.org/x/crypto/scrypt"

	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// slotDomain is the domain of the signature in a slot.
	slotDomain = "slot"
	// boxWork is the work factor of a slot's box: its passphrase has 256 bits already, and so nobody can make it cost
	// more.
	boxWork = 1
	// slotHead is the size in bytes of what precedes a slot's box: the tag and its signature.
	slotHead = len(signed.Key{}) + ed25519.SignatureSize
)

// Pass is a password stretched for one account of one group, after the work that makes each guess cost a second: the
// tag by which the account's slot is requested, and the passphrase that opens it. Neither can be derived without the
// password, so that nobody can request a slot knowing only a name.
type Pass struct {
	account    string
	group      signed.GroupID
	tag        signed.SigningKey
	passphrase string
}

func (p Pass) String() string       { return fmt.Sprintf("password of %q (redacted)", p.account) }
func (p Pass) GoString() string     { return p.String() }
func (p Pass) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Stretch makes a Pass with scrypt (RFC 7914; N = 2^work, r = 8, p = 1); work is from 1 to MaxWork. Group and account
// are the salt, so that guesses for one do not help with another. The work has to be that with which the slot was
// made.
//
// It takes 2^work KiB while it runs. Calls wait for each other, so that no two take memory at the same time.
func Stretch(gid signed.GroupID, account, password string, work int) (Pass, error) {
	if work < 1 || work > MaxWork {
		return Pass{}, fmt.Errorf("the work factor %d is not from 1 to %d", work, MaxWork)
	}
	salt := append([]byte("p2pshare/v1 slot\x00"), gid[:]...)
	secret, err := stretch([]byte(Normalize(password)), append(salt, account...), work)
	if err != nil {
		return Pass{}, err
	}
	expand := func(info string) []byte {
		out, err := hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot "+info, 32)
		if err != nil {
			panic(err) // cannot happen: 32 bytes are a single hash
		}
		return out
	}
	tag, err := signed.SigningKeyFromSeed(expand("tag"))
	return Pass{account, gid, tag, hex.EncodeToString(expand("box"))}, err
}

// stretching lets the process stretch only one password or passphrase at a time, whatever the groups.
var stretching sync.Mutex

// alone runs f, which takes 2^work KiB, as scrypt does. The memory is returned to the system at once: it may be more
// than all else that the process has, and would stay resident for minutes.
func alone(work int, f func()) {
	if work >= freedWork {
		stretching.Lock()
		defer stretching.Unlock()
		defer debug.FreeOSMemory()
	}
	f()
}

func stretch(password, salt []byte, work int) (key []byte, err error) {
	alone(work, func() { key, err = scrypt.Key(password, salt, 1<<work, 8, 1, sha256.Size) })
	return key, err
}

// Tag returns the key by which the slot is requested: a public key whose private half derives from the password.
func (p Pass) Tag() signed.Key { return p.tag.Public() }

// Slot is the part of an account's record that the password unlocks.
type Slot struct {
	Tag signed.Key
	Box []byte // an age file, given to anyone who requests it by the tag
	sig []byte // signature by the tag's key
}

// ParseSlot reads what MakeSlot made. It only checks the form; the box may be anything.
func ParseSlot(b []byte) (Slot, error) {
	if len(b) <= slotHead || len(b) > maxSlot {
		return Slot{}, badSlot("%d bytes are not from %d to %d", len(b), slotHead+1, maxSlot)
	}
	n := len(signed.Key{})
	return Slot{Tag: signed.Key(b[:n]), sig: b[n:slotHead], Box: b[slotHead:]}, nil
}

// Owned reports whether the slot was made for this account by someone who knows the password: all members see each
// other's tags, and none may use another's tag for a slot of their own.
func (s Slot) Owned(gid signed.GroupID, account string) bool {
	return s.Tag.Verify(slotDomain, slotOwner(gid, account), s.sig)
}

func slotOwner(gid signed.GroupID, account string) []byte { return append(gid[:], account...) }
