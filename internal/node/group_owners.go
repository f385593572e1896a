package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// ownOwner makes an owner key for this home, if it holds none. It counts once the group's owners have added it.
func (m *member) ownOwner() (*GroupAnswer, error) {
	wrote := ""
	_, locked := m.OwnerLocked()
	if _, ok := m.Owner(); !ok && !locked {
		secret, err := group.NewSecret()
		if err != nil {
			return nil, err
		}
		wrote = filepath.Join(m.Dir(), "owner.key")
		if err := group.WriteKey(wrote, group.Key{Kind: group.KeyOwner, Group: m.ID(), Secret: secret}); err != nil {
			return nil, err
		}
	}
	a, err := m.show()
	if err != nil {
		return nil, err
	}
	a.Wrote = wrote
	return a, nil
}

// changeOwners signs the next root. If others have to sign it too, it goes into the draft for them.
func (m *member) changeOwners(r ChangeOwners, a *GroupAnswer) error {
	_, locked := m.OwnerLocked()
	owner, err := m.OwnerKey(string(r.Passphrase))
	if err != nil {
		return err
	}
	var raw []byte
	next := owner
	if r.Draft != "" {
		raw, err = os.ReadFile(r.Draft)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if raw != nil {
		raw, err = signed.AddSignature(raw, owner)
	} else {
		if r.Rotate {
			if next, err = group.NewSecret(); err != nil {
				return err
			}
		}
		raw, err = m.nextRoot(r, owner, next)
	}
	if err != nil {
		return err
	}
	if err := m.signRoot(raw, r.Draft, owner, next, a); err != nil || !locked || next.Public() == owner.Public() {
		return err
	}
	if a.Missing > 0 {
		a.Notes = append(a.Notes, "the new owner key has no passphrase until the others have signed; then p2pshare group owner lock gives it one")
		return nil
	}
	// Who protected the old key wants the new one protected.
	return m.LockOwner("", string(r.Passphrase), m.s.n.passwordWork())
}

// signRoot takes a root that this machine's owner has signed, if enough have. Else it goes into a draft for the others.
func (m *member) signRoot(raw []byte, draft string, owner, next signed.SigningKey, a *GroupAnswer) error {
	s, err := m.State()
	if err != nil {
		return err
	}
	drafted, err := signed.ReadDraft(raw)
	if err != nil {
		return err
	}
	// Enough of the owners of now, and enough of those that it names.
	missing := max(s.Root().Need-signatures(raw, s.Root().Owners), drafted.Need-signatures(raw, drafted.Owners))
	if missing > 0 {
		if draft == "" {
			return fault.Hint(fault.New(fault.Denied, "%s to sign too", map[bool]string{true: "1 more owner has", false: fmt.Sprintf("%d more owners have", missing)}[missing == 1]), "--draft FILE writes what they are to sign")
		}
		a.Wrote, a.Missing = draft, missing
		return errors.Join(m.keepNext(owner, next), state.WriteFile(draft, raw, 0o600))
	}
	if err := m.keepNext(owner, next); err != nil {
		return err
	}
	return errors.Join(m.AddRoot(raw), m.SettleOwner())
}

// ownerFiles is what can be done with the owner key alone: another passphrase, a copy, a key from a copy.
func (m *member) ownerFiles(r ChangeOwners) (*GroupAnswer, error) {
	work, wrote, made := m.s.n.passwordWork(), "", ""
	var err error
	switch {
	case r.Lock != nil:
		if *r.Lock != "" {
			err = seal.CheckPassphrase(string(*r.Lock), m.Name())
		}
		if err == nil {
			err = m.LockOwner(string(r.Passphrase), string(*r.Lock), work)
		}
	case r.Export != "":
		if _, open := m.Owner(); open { // else it is the key's own, which was judged before
			if r.Passphrase == "" {
				if made, err = seal.Password(); err != nil {
					return nil, err
				}
				r.Passphrase = Secret(made)
			} else if err := seal.CheckPassphrase(string(r.Passphrase), m.Name()); err != nil {
				return nil, err
			}
		}
		wrote, err = r.Export, m.ExportOwner(r.Export, string(r.Passphrase), work)
	case r.Import != "":
		err = m.ImportOwner(r.Import, string(r.Passphrase))
	}
	if err != nil {
		return nil, err
	}
	a, err := m.show()
	if err == nil {
		a.Wrote, a.Password = wrote, Secret(made)
	}
	return a, err
}

// keepNext keeps a new owner key: it is there before the root that needs it.
func (m *member) keepNext(owner, next signed.SigningKey) error {
	if next.Public() == owner.Public() {
		return nil
	}
	return m.NextOwner(next)
}

func (m *member) nextRoot(r ChangeOwners, owner, next signed.SigningKey) ([]byte, error) {
	raw, err := m.NextRoot(owner, func(root *signed.Root) error {
		root.Owners = slices.Clone(root.Owners)
		if r.Rotate {
			i := slices.Index(root.Owners, owner.Public())
			if i < 0 {
				return fault.New(fault.Denied, "the owner key that is held here is none of the group's any more")
			}
			root.Owners[i] = next.Public()
		}
		for _, text := range r.Add {
			k, err := signed.ParseKey(text)
			if err != nil {
				return fault.New(fault.Usage, "%q is no key: %w", text, err)
			}
			root.Owners = append(root.Owners, k)
		}
		for _, text := range r.Remove {
			i := slices.IndexFunc(root.Owners, func(k signed.Key) bool { return k.String() == text })
			if i < 0 {
				return fault.New(fault.NotFound, "%q is no owner", text)
			}
			root.Owners = slices.Delete(root.Owners, i, i+1)
		}
		if r.Need > 0 {
			root.Need = r.Need
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Rotate {
		return signed.AddSignature(raw, next)
	}
	return raw, nil
}

// signatures counts the owners of now who have signed a note: a line of each names the key. Whether they are good, the next
// root is judged by.
func signatures(raw []byte, owners []signed.Key) (n int) {
	for _, k := range owners {
		if strings.Contains(string(raw), "— p2pshare/v1/owner/"+k.String()+" ") {
			n++
		}
	}
	return n
}
