package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// saltSize is the size in bytes of the salt that makes each derived key unique, so that it is used only once.
const saltSize = 16

// Wrap encrypts plain for anyone with a secret of at least 16 bytes: ChaCha20-Poly1305 with a key that HKDF-SHA-256
// derives from the secret, a random salt and the use. The salt precedes the ciphertext. As in age, the key is used
// only once, and the nonce is zero.
func Wrap(secret, use string, plain []byte) ([]byte, error) {
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	return oneUse(secret, use, salt).Seal(salt, make([]byte, chacha20poly1305.NonceSize), plain, nil), nil
}

// Unwrap decrypts what Wrap encrypted for the same use. The error is of kind fault.Denied: another secret, another
// use, or damage.
func Unwrap(secret, use string, wrapped []byte) ([]byte, error) {
	if len(wrapped) < saltSize {
		return nil, fault.New(fault.Denied, "opening a wrapped key: it is truncated")
	}
	return open(oneUse(secret, use, wrapped[:saltSize]), wrapped[saltSize:])
}

// WrapFixed is Wrap without a salt, with the same result each time: for a use with a single plaintext, whoever wraps
// it.
func WrapFixed(secret, use string, plain []byte) []byte {
	return oneUse(secret, use, nil).Seal(nil, make([]byte, chacha20poly1305.NonceSize), plain, nil)
}

// UnwrapFixed decrypts what WrapFixed encrypted.
func UnwrapFixed(secret, use string, wrapped []byte) ([]byte, error) {
	return open(oneUse(secret, use, nil), wrapped)
}

func open(a cipher.AEAD, sealed []byte) ([]byte, error) {
	plain, err := a.Open(nil, make([]byte, chacha20poly1305.NonceSize), sealed, nil)
	if err != nil {
		return nil, fault.New(fault.Denied, "opening a wrapped key: it was wrapped with another secret, or is damaged")
	}
	return plain, nil
}

func oneUse(secret, use string, salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(secret), salt, "p2pshare/v1 "+use, chacha20poly1305.KeySize)
	if err != nil {
		panic(err) // cannot happen for 32 bytes; only FIPS mode refuses short secrets
	}
	a, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err) // cannot happen: the key has the right length
	}
	return a
}
