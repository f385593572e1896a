// Package infohash checks that a hash can name a torrent.
package infohash

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// errZero is for hashes whose first 20 bytes, the part that handshakes, trackers and the DHT carry (BEP 52), are zeros.
// No content is known to have one, and "no hash" is often written that way, by clients too.
var errZero = errors.New("it is all zeros, and no content has that hash")

// Check refuses what cannot be a hash of content: a length other than that of SHA-1 (v1) or SHA-256 (v2), and zeros.
// Every hash from outside goes through it.
func Check(h []byte) error {
	if len(h) != sha1.Size && len(h) != sha256.Size {
		return fmt.Errorf("it has %d bytes; a v1 hash has %d, a v2 hash %d", len(h), sha1.Size, sha256.Size)
	}
	for _, b := range h[:sha1.Size] {
		if b != 0 {
			return nil
		}
	}
	return errZero
}

// CheckV1 is Check for a hash as 40 hex digits in lower case.
func CheckV1(digits string) error { return check(digits, sha1.Size) }

// CheckV2 is Check for a hash as 64 hex digits in lower case: a v2 infohash, or the SHA-256 of something else.
func CheckV2(digits string) error { return check(digits, sha256.Size) }

func check(digits string, size int) error {
	h, err := hex.DecodeString(digits)
	if err != nil || len(h) != size || strings.ToLower(digits) != digits {
		return fmt.Errorf("%q is not %d hex digits in lower case", digits, 2*size)
	}
	return Check(h)
}
