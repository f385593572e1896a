package group

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// The audiences with names of their own; those of shares have random ones.
const (
	everyone = "all"     // all who read, and the invites that bring in more of them
	mirrors  = "mirrors" // who holds what it cannot read, and has to hear of a new link all the same
	admins   = "admins"  // whose secret the keys of the trees are made of
)

const (
	keysFile    = "keys.json"
	keysVersion = 1
)

var _ catalog.Opener = (*keyring)(nil)

// keyring is what this machine opens a private group's boxes with. It has its own lock: reading a share's box needs
// nothing of the group but a key.
type keyring struct {
	path string

	mu     sync.Mutex
	f      keysOnDisk
	ids    map[string][]held
	seals  []seal.Identity // the account's, and those it had: the newest first
	became int             // counts changes of seals from here

	openBox openBox // seal.OpenBoxAt, but in tests
}

type openBox = func(box []byte, most int64, place int, ids ...seal.Identity) ([]byte, error)

// keysOnDisk is the file. All but the account's own identity could be read from the log again.
type keysOnDisk struct {
	Account   string               `json:"account,omitempty"` // whose device this is, or is to be
	Seals     []string             `json:"seals,omitempty"`   // its identities, the newest first
	Slot      []byte               `json:"slot,omitempty"`    // its password slot, as it was last seen
	Leaves    []string             `json:"leaves,omitempty"`  // its keys in the trees, in hex, the newest first
	Audiences map[string][]heldKey `json:"audiences,omitempty"`
	Read      []string             `json:"read,omitempty"` // grants that were looked into, by their boxes' hashes
	Links     []heldLink           `json:"links,omitempty"`
}

type heldKey struct {
	Epoch int64  `json:"epoch"`
	Key   string `json:"key"`
	By    string `json:"by,omitempty"` // who granted it, of what an admin or a backup did not
}

// heldLink is a link secret, the current one first.
type heldLink struct {
	Secret string `json:"secret"`          // in hex
	Until  int64  `json:"until,omitempty"` // in unix seconds, of one that was replaced
}

// held is an audience's identity of an epoch.
type held struct {
	epoch int64
	id    seal.Identity
	by    string
}

func openKeys(dir string, first signed.Link) (*keyring, error) {
	k := &keyring{path: filepath.Join(dir, keysFile), ids: map[string][]held{}, openBox: seal.OpenBoxAt}
	err := state.ReadVersioned(k.path, keysVersion, &k.f)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if k.f.Audiences == nil {
		k.f.Audiences = map[string][]heldKey{}
	}
	if len(k.f.Links) == 0 && first.Secret != [16]byte{} {
		k.f.Links = []heldLink{{Secret: hex.EncodeToString(first.Secret[:])}}
	}
	for _, s := range k.f.Seals {
		id, err := seal.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("the account's identity in %q: %w", k.path, err)
		}
		k.seals = append(k.seals, id)
	}
	for aud, list := range k.f.Audiences {
		for _, h := range list {
			id, err := seal.Parse(h.Key)
			if err != nil {
				return nil, fmt.Errorf("an audience's identity in %q: %w", k.path, err)
			}
			k.ids[aud] = append(k.ids[aud], held{h.Epoch, id, h.By})
		}
	}
	return k, nil
}

// save writes the file, if there is one. k.mu is held.
func (k *keyring) save() error {
	if k.path == "" {
		return nil
	}
	return state.WriteVersioned(k.path, keysVersion, k.f)
}

// become takes an account's identity; those before are kept to open what was sealed to them.
func (k *keyring) become(account string, id seal.Identity) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.f.Account == account && len(k.f.Seals) > 0 && k.f.Seals[0] == id.Secret() {
		return nil
	}
	k.f.Account = account
	k.f.Seals = slices.Insert(k.f.Seals, 0, id.Secret())
	k.f.Seals = k.f.Seals[:min(len(k.f.Seals), maxSeals)]
	k.seals = slices.Insert(k.seals, 0, id)
	k.seals = k.seals[:min(len(k.seals), maxSeals)]
	k.f.Read = nil // what did not open before may now
	k.became++
	return k.save()
}

// own is the account's name and identity; zero before there is one.
func (k *keyring) own() (string, seal.Identity) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seals) == 0 {
		return k.f.Account, seal.Identity{}
	}
	return k.f.Account, k.seals[0]
}

// hold takes identities of audiences and says whether any is new. k.mu is held.
func (k *keyring) hold(aud string, list []held) (news bool) {
	for _, h := range list {
		same := func(o held) bool { return o.epoch == h.epoch && o.id.Secret() == h.id.Secret() }
		if slices.ContainsFunc(k.ids[aud], same) {
			continue
		}
		if h.by != "" && k.from(aud, h) >= maxKeysFrom {
			continue
		}
		news = true
		k.ids[aud] = append(k.ids[aud], h)
		k.f.Audiences[aud] = append(k.f.Audiences[aud], heldKey{h.epoch, h.id.Secret(), h.by})
	}
	return news
}

// from counts what the one who granted h has granted of its epoch. k.mu is held.
func (k *keyring) from(aud string, h held) (n int) {
	for _, o := range k.ids[aud] {
		if o.epoch == h.epoch && o.by == h.by {
			n++
		}
	}
	return n
}

// key is the identity of an audience's epoch.
func (k *keyring) key(aud string, epoch int64) (seal.Identity, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.ids[aud] {
		if h.epoch == epoch {
			return h.id, true
		}
	}
	return seal.Identity{}, false
}

// OpenShare opens a share's box with the identity of its audience.
func (k *keyring) OpenShare(aud string, epoch int64, box []byte) ([]byte, error) {
	k.mu.Lock()
	var ids []seal.Identity
	for _, h := range k.ids[aud] {
		if h.epoch == epoch { // anybody may have granted one of an audience that is no admins'
			ids = append(ids, h.id)
		}
	}
	k.mu.Unlock()
	err := fault.New(fault.Denied, "opening a box: %w", seal.ErrNotForUs)
	for chunk := range slices.Chunk(ids, maxContentKeys) { // package seal refuses to try more at a time
		body, why := seal.OpenBox(box, maxBody, chunk...)
		if why == nil || !errors.Is(why, seal.ErrNotForUs) {
			return body, why
		}
	}
	return nil, err
}

// file is what a grant of an audience holds: the identity of an epoch, and those of the epochs that were before it, the
// newest first, as `age -i` takes them. order are the epochs in the order in which they came.
func (k *keyring) file(aud string, order []int64) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []held
	for _, epoch := range slices.Backward(order) {
		for _, h := range k.ids[aud] {
			if h.epoch == epoch {
				list = append(list, h)
			}
		}
	}
	return keysText(aud, list)
}

func keysText(aud string, list []held) []byte {
	var b bytes.Buffer
	for _, h := range list[:min(len(list), seal.MaxIdentities)] {
		fmt.Fprintf(&b, "# %s %d\n%s\n", aud, h.epoch, h.id.Secret())
	}
	return b.Bytes()
}

// readKeys reads what keysText writes. A key without its epoch is one of this one.
func readKeys(text []byte, epoch int64) ([]held, error) {
	ids, err := seal.ParseIdentityFile(text)
	if err != nil {
		return nil, err
	}
	var out []held
	at := epoch
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if rest, comment := strings.CutPrefix(line, "#"); comment {
			at = epoch
			if f := strings.Fields(rest); len(f) == 2 {
				if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n > 0 {
					at = n
				}
			}
			continue
		}
		if line != "" && len(out) < len(ids) {
			out = append(out, held{epoch: at, id: ids[len(out)]})
			at = epoch
		}
	}
	return out, nil
}

// trusted says whether a grant may hand out an audience. Those with names are the admins': whoever chose their keys could
// read on after he is removed. Backups pass them on, but not what is the admins' alone.
func trusted(g acl.Grant, me string, s *acl.State) bool {
	if g.Audience == admins {
		return g.Admin
	}
	return !hasName(g.Audience) || g.By == me || byKeeper(g, s)
}

// hasName says whether an audience is none that somebody made for his shares.
func hasName(aud string) bool { return aud == everyone || aud == mirrors || aud == admins }

// byKeeper says whether a grant is of somebody who holds what the group holds: an admin or a backup.
func byKeeper(g acl.Grant, s *acl.State) bool {
	if g.Admin {
		return true
	}
	a, ok := s.Account(g.By)
	return ok && a.Role == acl.Backup && !a.Gone
}

// links are the secrets of the group's links, the current one first.
func (k *keyring) links(now time.Time) (out [][16]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.f.Links {
		b, err := hex.DecodeString(l.Secret)
		if err == nil && len(b) == 16 && (l.Until == 0 || now.Unix() < l.Until) {
			out = append(out, [16]byte(b))
		}
	}
	return out
}

// expand makes a secret for one use of another.
func expand(from, use string) []byte {
	b, err := hkdf.Key(sha256.New, []byte(from), nil, "p2pshare/v1 "+use, 32)
	if err != nil {
		panic(err) // 32 bytes are few; FIPS mode alone refuses short secrets
	}
	return b
}
