package signed

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256, written as 64 hex digits.
type Hash [32]byte

func (h Hash) String() string               { return hex.EncodeToString(h[:]) }
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (h *Hash) UnmarshalText(b []byte) error { return parseHex(h[:], string(b)) }

// ParseHash reads 64 lower-case hex digits.
func ParseHash(s string) (h Hash, err error) { return h, parseHex(h[:], s) }

// HashOf is the SHA-256 of b.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }

// GroupID names a group: the first 20 bytes of the SHA-256 of its first root's text. Written as 40 hex digits.
type GroupID [20]byte

func (g GroupID) String() string               { return hex.EncodeToString(g[:]) }
func (g GroupID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, g[:]), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (g *GroupID) UnmarshalText(b []byte) error { return parseHex(g[:], string(b)) }

// ParseGroupID reads 40 lower-case hex digits.
func ParseGroupID(s string) (g GroupID, err error) { return g, parseHex(g[:], s) }

// Key is an Ed25519 public key, written as 64 hex digits. A device is named by its key.
type Key [32]byte

func (k Key) String() string               { return hex.EncodeToString(k[:]) }
func (k Key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (k *Key) UnmarshalText(b []byte) error { return parseHex(k[:], string(b)) }

// ParseKey reads 64 lower-case hex digits.
func ParseKey(s string) (k Key, err error) { return k, parseHex(k[:], s) }

func parseHex(to []byte, s string) error {
	if len(s) != 2*len(to) || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%.80q is not %d lower-case hex digits", s, 2*len(to))
	}
	_, err := hex.Decode(to, []byte(s))
	return err
}

// Verify says whether sig is k's over msg in this domain. A domain is a constant of the program; it keeps a
// signature made for one purpose from standing for another.
func (k Key) Verify(domain string, msg, sig []byte) bool {
	return ed25519.Verify(k[:], inDomain(domain, msg), sig) // which refuses signatures of other lengths
}

// SigningKey is the private half of a Key. The zero SigningKey signs nothing: its methods panic.
type SigningKey struct {
	key ed25519.PrivateKey
}

// NewSigningKey makes a key from 32 bytes of random.
func NewSigningKey(random io.Reader) (SigningKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return SigningKey{}, fmt.Errorf("making a key: %w", err)
	}
	return SigningKeyFromSeed(seed)
}

// SigningKeyFromSeed is the key that grows from a seed of 32 bytes (RFC 8032).
func SigningKeyFromSeed(seed []byte) (SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return SigningKey{}, fmt.Errorf("a seed of %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	return SigningKey{ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed is what SigningKeyFromSeed takes: the secret itself, to be kept.
func (s SigningKey) Seed() []byte { return s.key.Seed() }

// Signer is the key as crypto/tls and others want it.
func (s SigningKey) Signer() ed25519.PrivateKey { return s.key }

func (s SigningKey) Public() Key { return Key(s.key.Public().(ed25519.PublicKey)) }

// Sign signs msg in a domain; see Key.Verify.
func (s SigningKey) Sign(domain string, msg []byte) []byte {
	return ed25519.Sign(s.key, inDomain(domain, msg))
}

func (s SigningKey) String() string       { return "redacted" }
func (s SigningKey) GoString() string     { return "redacted" }
func (s SigningKey) LogValue() slog.Value { return slog.StringValue("redacted") }

// MarshalText keeps a secret from ending up in JSON by accident.
func (s SigningKey) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

func inDomain(domain string, msg []byte) []byte {
	return append([]byte("p2pshare/v1/"+domain+"\n"), msg...)
}

// verifier is k as the verifier of notes (C2SP signed-note) under a name.
func (k Key) verifier(name string) (note.Verifier, error) {
	vkey, err := note.NewEd25519VerifierKey(name, k[:])
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(vkey)
}

// signer is s as the signer of notes under a name.
func (s SigningKey) signer(name string) (note.Signer, error) {
	v, err := s.Public().verifier(name)
	if err != nil {
		return nil, err
	}
	// The package reads private keys in a text form alone: 1 is its number for Ed25519.
	seed := base64.StdEncoding.EncodeToString(append([]byte{1}, s.Seed()...))
	return note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), seed))
}

// RecordHash is the hash of a record as a leaf of a log's tree (RFC 6962).
func RecordHash(record []byte) Hash { return Hash(tlog.RecordHash(record)) }
