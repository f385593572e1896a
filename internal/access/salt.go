package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// SaltSize is the length in bytes of the salt in the info of a private group's torrent: 16 random bytes, so that nobody
// with the same files can guess the infohash, and 16 that commit to the account that made it.
const SaltSize = 32

// NewSalt returns a new salt for a torrent that an account publishes into a group. account is the account's First key,
// because its name may belong to another later.
func NewSalt(g signed.GroupID, account signed.Key) ([]byte, error) {
	b := make([]byte, SaltSize/2, SaltSize)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	return append(b, commitment(g, account, b)...), nil
}

// madeBy reports whether a torrent's salt was made for an account of a group.
func madeBy(salt []byte, g signed.GroupID, account signed.Key) bool {
	if len(salt) != SaltSize {
		return false
	}
	return subtle.ConstantTimeCompare(salt[SaltSize/2:], commitment(g, account, salt[:SaltSize/2])) == 1
}

// commitment binds the random half of a salt to group and account.
func commitment(g signed.GroupID, account signed.Key, random []byte) []byte {
	h := sha256.New()
	h.Write([]byte("p2pshare/v1 made by\n"))
	h.Write(g[:])
	h.Write(random)
	h.Write(account[:])
	return h.Sum(nil)[:SaltSize/2]
}
