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

// HashOf returns the SHA-256 of b.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }

// GroupID names a group: the first 20 bytes of the SHA-256 of its first root's text. Written as 40 hex digits.
type GroupID [20]byte

func (g GroupID) String() string               { return hex.EncodeToString(g[:]) }
func (g GroupID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, g[:]), nil }

// UnmarshalText reads what MarshalText writes, and nothing else.
func (g *GroupID) UnmarshalText(b []byte) error { return parseHex(g[:], string(b)) }

// ParseGroupID reads 40 lower-case hex digits.
func ParseGroupID(s string) (g GroupID, err error) { return g, parseHex(g[:], s) }

// Key is an Ed25519 public key, written as 64 hex digits. A device is identified by its key.
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

// Verify reports whether sig is k's signature over msg in domain. A domain is a constant of the program; it prevents
// a signature made for one purpose from being used for another.
func (k Key) Verify(domain string, msg, sig []byte) bool {
	return ed25519.Verify(k[:], inDomain(domain, msg), sig) // Verify refuses signatures of other lengths
}

// SigningKey is the private half of a Key. The zero SigningKey cannot sign: its methods panic.
type SigningKey struct {
	key ed25519.PrivateKey
}

// NewSigningKey makes a key from 32 random bytes.
func NewSigningKey(random io.Reader) (SigningKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return SigningKey{}, fmt.Errorf("generating a key: %w", err)
	}
	return SigningKeyFromSeed(seed)
}

// SigningKeyFromSeed returns the key that a seed of 32 bytes determines (RFC 8032).
func SigningKeyFromSeed(seed []byte) (SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return SigningKey{}, fmt.Errorf("the seed has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	return SigningKey{ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed returns the seed for SigningKeyFromSeed: the secret itself, to be stored.
func (s SigningKey) Seed() []byte { return s.key.Seed() }

// Signer returns the key in the form that crypto/tls and others need.
func (s SigningKey) Signer() ed25519.PrivateKey { return s.key }

func (s SigningKey) Public() Key { return Key(s.key.Public().(ed25519.PublicKey)) }

// Sign signs msg in domain; see Key.Verify.
func (s SigningKey) Sign(domain string, msg []byte) []byte {
	return ed25519.Sign(s.key, inDomain(domain, msg))
}

func (s SigningKey) String() string       { return "redacted" }
func (s SigningKey) GoString() string     { return "redacted" }
func (s SigningKey) LogValue() slog.Value { return slog.StringValue("redacted") }

// MarshalText keeps a signing key from ending up in JSON by accident.
func (s SigningKey) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

func inDomain(domain string, msg []byte) []byte {
	return append([]byte("p2pshare/v1/"+domain+"\n"), msg...)
}

// verifier returns a verifier of k's signatures on notes (C2SP signed-note) under a name.
func (k Key) verifier(name string) (note.Verifier, error) {
	vkey, err := note.NewEd25519VerifierKey(name, k[:])
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(vkey)
}

// signer returns a signer of notes under a name.
func (s SigningKey) signer(name string) (note.Signer, error) {
	v, err := s.Public().verifier(name)
	if err != nil {
		return nil, err
	}
	// The note package accepts private keys only in a text form: 1 is its number for Ed25519.
	seed := base64.StdEncoding.EncodeToString(append([]byte{1}, s.Seed()...))
	return note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), seed))
}

// RecordHash returns the hash of a record as a leaf of a log's tree (RFC 6962).
func RecordHash(record []byte) Hash { return Hash(tlog.RecordHash(record)) }
