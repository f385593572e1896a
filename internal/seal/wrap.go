package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// saltSize is that of the salt that a key is derived with, which makes it a key of one use.
const saltSize = 16

// Wrap seals plain to whoever holds a secret of at least 16 bytes: ChaCha20-Poly1305 under a key that HKDF-SHA-256 makes of the
// secret, a random salt and what it is used for. The salt stands before it. As in age, the key is used once, and the nonce is zero.
func Wrap(secret, use string, plain []byte) ([]byte, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	return oneUse(secret, use, salt).Seal(salt, make([]byte, chacha20poly1305.NonceSize), plain, nil), nil
}

// Unwrap opens what Wrap has sealed for the same use. The error is of fault.Denied: another secret, another use, or damage.
func Unwrap(secret, use string, wrapped []byte) ([]byte, error) {
	if len(wrapped) < saltSize {
		return nil, fault.New(fault.Denied, "opening a wrapped key: it is cut")
	}
	return open(oneUse(secret, use, wrapped[:saltSize]), wrapped[saltSize:])
}

// WrapFixed is Wrap without a salt, the same each time: for a use that has one plaintext only, whoever wraps it.
func WrapFixed(secret, use string, plain []byte) []byte {
	return oneUse(secret, use, nil).Seal(nil, make([]byte, chacha20poly1305.NonceSize), plain, nil)
}

// UnwrapFixed opens what WrapFixed has sealed.
func UnwrapFixed(secret, use string, wrapped []byte) ([]byte, error) {
	return open(oneUse(secret, use, nil), wrapped)
}

func open(a cipher.AEAD, sealed []byte) ([]byte, error) {
	plain, err := a.Open(nil, make([]byte, chacha20poly1305.NonceSize), sealed, nil)
	if err != nil {
		return nil, fault.New(fault.Denied, "opening a wrapped key: it is sealed with another, or damaged")
	}
	return plain, nil
}

func oneUse(secret, use string, salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(secret), salt, "p2pshare/v1 "+use, chacha20poly1305.KeySize)
	if err != nil {
		panic(err) // 32 bytes are few; FIPS mode alone refuses short secrets
	}
	a, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err) // the key has its length
	}
	return a
}
