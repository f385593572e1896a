package group

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// lockedFile is the owner key behind a passphrase: an age file that `age -d` opens. lockedName has its public half.
const (
	lockedFile = "owner.age"
	lockedName = "owner.pub"
)

// OwnerLocked says whether the owner key of this home has a passphrase, and which key that is.
func (g *Group) OwnerLocked() (signed.Key, bool) {
	b, err := os.ReadFile(filepath.Join(g.dir, lockedName))
	if err != nil {
		return signed.Key{}, false
	}
	if _, err := os.Lstat(filepath.Join(g.dir, lockedFile)); err != nil {
		return signed.Key{}, false
	}
	k, err := signed.ParseKey(strings.TrimSpace(string(b)))
	return k, err == nil
}

// OwnerKey is the owner key that this home holds, with its passphrase if it has one.
func (g *Group) OwnerKey(passphrase string) (signed.SigningKey, error) {
	if k, ok := g.Owner(); ok {
		return k, nil
	}
	b, err := os.ReadFile(filepath.Join(g.dir, lockedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return signed.SigningKey{}, fault.Hint(fault.New(fault.Denied, "this home holds no owner key of %q", g.Name()),
			"use a machine of an owner; p2pshare group owner key makes a key that they can add")
	}
	if err != nil {
		return signed.SigningKey{}, err
	}
	if passphrase == "" {
		return signed.SigningKey{}, fault.Hint(fault.New(fault.Denied, "the owner key of %q has a passphrase", g.Name()), "give it with --passphrase-file or at the prompt")
	}
	return readOwner(b, g.ID(), passphrase)
}

// LockOwner gives the owner key a passphrase; an empty one takes it away.
func (g *Group) LockOwner(now, next string, work int) error {
	k, err := g.OwnerKey(now)
	if err != nil {
		return err
	}
	if next == "" {
		if _, locked := g.OwnerLocked(); !locked {
			return fault.New(fault.Usage, "the owner key of %q has no passphrase", g.Name())
		}
		if err := replaceKey(filepath.Join(g.dir, ownerFile), Key{Kind: KeyOwner, Group: g.ID(), Secret: k}); err != nil {
			return err
		}
		return g.forgetLocked()
	}
	if len(g.nextOwners()) > 0 {
		return fault.Hint(fault.New(fault.Usage, "an owner key is on its way in"), "lock it when the root that names it is signed by enough")
	}
	b, err := seal.LockKey(ownerText(k, g.ID()), next, work)
	if err != nil {
		return err
	}
	return g.writeLocked(b, k)
}

// writeLocked keeps the owner key behind a passphrase, and no longer without one.
func (g *Group) writeLocked(b []byte, k signed.SigningKey) error {
	// Both are there for a moment: a crash leaves one that opens.
	err := errors.Join(state.WriteFile(filepath.Join(g.dir, lockedFile), b, 0o600),
		state.WriteFile(filepath.Join(g.dir, lockedName), []byte(k.Public().String()+"\n"), 0o600))
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(g.dir, ownerFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return osfs.SyncDir(g.dir)
}

func (g *Group) forgetLocked() error {
	for _, name := range []string{lockedFile, lockedName} {
		if err := os.Remove(filepath.Join(g.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return osfs.SyncDir(g.dir)
}

// ExportOwner writes the owner key, behind a passphrase, to a file that is not there yet.
func (g *Group) ExportOwner(path, passphrase string, work int) error {
	k, err := g.OwnerKey(passphrase)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fault.Hint(fault.New(fault.Usage, "%q is there already", path), "name another file: a key that is written over is lost")
	}
	b, err := seal.LockKey(ownerText(k, g.ID()), passphrase, work)
	if err != nil {
		return err
	}
	return state.WriteFile(path, b, 0o600)
}

// ImportOwner takes an owner key that ExportOwner wrote into a home that holds none. It keeps the passphrase of the file.
func (g *Group) ImportOwner(path, passphrase string) error {
	b, err := readSmall(path)
	if err != nil {
		return err
	}
	k, err := readOwner(b, g.ID(), passphrase)
	if err != nil {
		return err
	}
	if s, err := g.State(); err == nil && !slices.Contains(s.Root().Owners, k.Public()) {
		return fault.Hint(fault.New(fault.Usage, "the key in %q is of none of the owners of %q", path, g.Name()), "p2pshare group show lists their keys")
	}
	held, locked := g.OwnerLocked()
	if o, ok := g.Owner(); ok {
		held, locked = o.Public(), true
	}
	if locked && held != k.Public() {
		return fault.Hint(fault.New(fault.Usage, "this home holds another owner key of %q", g.Name()), "use another home for this one")
	}
	return g.writeLocked(b, k)
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no key file %q", path)
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile || !info.Mode().IsRegular() {
		return nil, fault.New(fault.Usage, "the key file %q: it is larger than %d bytes, or no file", path, maxKeyFile)
	}
	return os.ReadFile(path)
}

// ownerText is an owner key for people to keep: the group, and the seed of the Ed25519 key in hex.
func ownerText(k signed.SigningKey, id signed.GroupID) []byte {
	return []byte(fmt.Sprintf("# the owner key of the p2pshare group\n%v\n%s\n", id, hex.EncodeToString(k.Seed())))
}

func readOwner(locked []byte, id signed.GroupID, passphrase string) (signed.SigningKey, error) {
	text, err := seal.UnlockKey(locked, passphrase)
	if err != nil {
		return signed.SigningKey{}, err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		return signed.SigningKey{}, fault.New(fault.Usage, "what is locked is no owner key")
	}
	if lines[0] != id.String() {
		return signed.SigningKey{}, fault.New(fault.Usage, "the owner key is of another group, %.40q", lines[0])
	}
	seed, err := hex.DecodeString(lines[1])
	if err != nil {
		return signed.SigningKey{}, fault.New(fault.Usage, "what is locked is no owner key")
	}
	return signed.SigningKeyFromSeed(seed)
}
