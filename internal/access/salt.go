package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// SaltSize is the length of the salt in the info of a private group's torrent: 16 random bytes, which keep the infohash from
// being guessed by who has the same files, and 16 that say who made it.
const SaltSize = 32

// NewSalt draws the salt of a torrent that an account publishes into a group. The account is told by its First: others may have
// its name later.
func NewSalt(g signed.GroupID, account signed.Key) ([]byte, error) {
	b := make([]byte, SaltSize/2, SaltSize)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	return append(b, commitment(g, account, b)...), nil
}

// madeBy says whether a torrent's salt was drawn for an account of a group.
func madeBy(salt []byte, g signed.GroupID, account signed.Key) bool {
	if len(salt) != SaltSize {
		return false
	}
	return subtle.ConstantTimeCompare(salt[SaltSize/2:], commitment(g, account, salt[:SaltSize/2])) == 1
}

// commitment binds the random half to group and account.
func commitment(g signed.GroupID, account signed.Key, random []byte) []byte {
	h := sha256.New()
	h.Write([]byte("p2pshare/v1 made by\n"))
	h.Write(g[:])
	h.Write(random)
	h.Write(account[:])
	return h.Sum(nil)[:SaltSize/2]
}
