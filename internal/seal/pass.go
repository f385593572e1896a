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
	// slotDomain is what a slot's owner is signed in.
	slotDomain = "slot"
	// boxWork is the work factor of a slot's box: what opens it has 256 bits already, and nobody can make it cost more.
	boxWork = 1
	// slotHead is what stands before a slot's box: the tag and its signature.
	slotHead = len(signed.Key{}) + ed25519.SignatureSize
)

// Pass is what a password is for one account of one group, after the work that makes each guess cost a second: the tag by
// which the account's slot is asked for, and what opens it. Neither can be had without the password, and so nobody can ask
// for a slot who has a name alone.
type Pass struct {
	account    string
	group      signed.GroupID
	tag        signed.SigningKey
	passphrase string
}

func (p Pass) String() string       { return fmt.Sprintf("password of %q (redacted)", p.account) }
func (p Pass) GoString() string     { return p.String() }
func (p Pass) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Stretch makes a Pass with scrypt (RFC 7914; N = 2^work, r = 8, p = 1), work being from 1 to MaxWork. Group and account are
// the salt, so that work spent on guessing for one serves for no other. The work has to be the one the slot was made with.
//
// It takes 2^work KiB while it runs, which no other call shares: they wait for each other.
func Stretch(gid signed.GroupID, account, password string, work int) (Pass, error) {
	if work < 1 || work > MaxWork {
		return Pass{}, fmt.Errorf("a work factor of %d is not from 1 to %d", work, MaxWork)
	}
	salt := append([]byte("p2pshare/v1 slot\x00"), gid[:]...)
	secret, err := stretch([]byte(Normalize(password)), append(salt, account...), work)
	if err != nil {
		return Pass{}, err
	}
	expand := func(info string) []byte {
		out, err := hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot "+info, 32)
		if err != nil {
			panic(err) // one hash was asked for
		}
		return out
	}
	tag, err := signed.SigningKeyFromSeed(expand("tag"))
	return Pass{account, gid, tag, hex.EncodeToString(expand("box"))}, err
}

// stretching lets one password or passphrase be stretched at a time in the process, of whatever groups.
var stretching sync.Mutex

// alone runs what takes 2^work KiB, as scrypt does. What it takes is given back to the system at once: it may be more than all
// else that the process has, and would stay resident for minutes.
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

// Tag is what the slot is asked for by: a public key, of which the password is the secret half.
func (p Pass) Tag() signed.Key { return p.tag.Public() }

// Slot is what an account's record holds for who has the password.
type Slot struct {
	Tag signed.Key
	Box []byte // what who asks by the tag is given: an age file
	sig []byte // of the tag's key
}

// ParseSlot reads what MakeSlot made. It judges the form alone; the box may be anything.
func ParseSlot(b []byte) (Slot, error) {
	if len(b) <= slotHead || len(b) > maxSlot {
		return Slot{}, badSlot("%d bytes are not from %d to %d", len(b), slotHead+1, maxSlot)
	}
	n := len(signed.Key{})
	return Slot{Tag: signed.Key(b[:n]), sig: b[n:slotHead], Box: b[slotHead:]}, nil
}

// Owned says whether who knows the password has made the slot for this account: all members see the tags of the others,
// and nobody may take one of them for a slot of his own.
func (s Slot) Owned(gid signed.GroupID, account string) bool {
	return s.Tag.Verify(slotDomain, slotOwner(gid, account), s.sig)
}

func slotOwner(gid signed.GroupID, account string) []byte { return append(gid[:], account...) }
