package group

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// The kinds of keys in files.
const (
	KeyAccount = "account"
	KeyDevice  = "device"
	KeyOwner   = "owner"
)

const keyVersion = 1

// Key is a secret in a file, with what it is for.
type Key struct {
	Kind    string
	Group   signed.GroupID
	Account string // of an account's or a device's
	Secret  signed.SigningKey
}

// keyFile is a Key as it is written.
type keyFile struct {
	Kind    string `json:"kind"`
	Group   string `json:"group"`
	Account string `json:"account,omitempty"`
	Seed    string `json:"seed"` // of the Ed25519 key, in hex
}

// NewSecret makes a key.
func NewSecret() (signed.SigningKey, error) { return signed.NewSigningKey(rand.Reader) }

// WriteKey writes a key to a file of mode 0600 that is not there yet.
func WriteKey(path string, k Key) error {
	if _, err := os.Lstat(path); err == nil {
		return fault.Hint(fault.New(fault.Usage, "%q is there already", path), "name another file: a key that is written over is lost")
	}
	return replaceKey(path, k)
}

func replaceKey(path string, k Key) error {
	return state.WriteVersioned(path, keyVersion, keyFile{k.Kind, k.Group.String(), k.Account, hex.EncodeToString(k.Secret.Seed())})
}

// ReadKey reads a key of a kind. A file that others may read is refused.
func ReadKey(path, kind string) (Key, error) {
	bad := func(format string, args ...any) (Key, error) {
		return Key{}, fault.Hint(fault.New(fault.Usage, "the key file %q: %w", path, fmt.Errorf(format, args...)),
			"p2pshare group user add writes an account's key, group join --device-key a device's")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fault.New(fault.NotFound, "there is no key file %q", path)
	}
	if err != nil {
		return Key{}, err
	}
	if err := private(path, info); err != nil {
		return Key{}, err
	}
	if info.Size() > maxKeyFile {
		return bad("it is larger than %d bytes", maxKeyFile)
	}
	var t keyFile
	if err := state.ReadVersioned(path, keyVersion, &t); err != nil {
		return bad("it is damaged, or no key file")
	}
	k := Key{Kind: t.Kind, Account: t.Account}
	if k.Kind != kind {
		return bad("it holds the key of an %s, not of an %s", k.Kind, kind)
	}
	if k.Group, err = signed.ParseGroupID(t.Group); err != nil {
		return bad("it names no group")
	}
	seed, err := hex.DecodeString(t.Seed)
	if err != nil {
		return bad("its seed is malformed")
	}
	if k.Secret, err = signed.SigningKeyFromSeed(seed); err != nil {
		return bad("its seed is malformed")
	}
	return k, nil
}

// private refuses a secret that others may read.
func private(path string, info fs.FileInfo) error {
	if osfs.OthersMayRead(info) {
		return fault.Hint(fault.New(fault.Denied, "others may read the key file %q", path), "chmod 600 it; if it lay open for long, make another key")
	}
	return nil
}
