package acl

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Account is who a device acts for.
type Account struct {
	Name    string
	Role    Role
	Key     signed.Key
	Seal    string
	Slot    []byte
	Until   time.Time // from then on it may do nothing; zero: for ever
	Teams   []string
	Gives   Role
	Devices int64 // that it may have at a time, where an admin allows it more than MaxDevices; 0: MaxDevices
	Gone    bool
	By      string // the invite it was made with, if one was
	// First is the key that the account came with, or came back with after it was removed. It tells who has a name from who
	// had it before: what was meant for one is not for the other.
	First signed.Key
	Since int64 // the time of the record that made it

	// Pinned says that the name is confirmed: an admin has signed that it belongs to this key. Until then it gives the
	// account nothing that is meant for who has the name.
	Pinned bool
}

// Active says whether the account may do anything at a time.
func (a *Account) Active(now time.Time) bool {
	return !a.Gone && (a.Until.IsZero() || now.Before(a.Until))
}

// Device is a machine that an account has vouched for.
type Device struct {
	Key     signed.Key
	Account string
	Label   string
	Since   int64 // the time of its hello
	Size    int64 // records of its log that were read, of a frozen one those of them that may count
	Counts  int64 // the first so many of them count; -1: all
	Frozen  bool  // it has signed two histories: what both begin with counts
	Closed  bool  // an admin's word, or its account's, leaves Counts of it
	Broken  error

	vouched []voucher
	admin   bool // of an admin of the root, or of one that once was
	silent  bool // its log makes no account and changes nothing: without it all others would count as they do
}

// voucher is an account that brought a device in, with the key that signed; for one who was invited there are two.
type voucher struct {
	name string
	key  signed.Key
}

// Removed says whether the device is cut off, because it is closed or frozen: it is not let in, and signs nothing
// that counts.
func (d *Device) Removed() bool { return d.Counts >= 0 }

// State is what the group's signatures add up to. It is not changed after Fold has made it, and may be read from
// several goroutines.
type State struct {
	root     *signed.SignedRoot
	roots    []*signed.SignedRoot
	accounts map[string]*timeline
	devices  map[signed.Key]*Device
	vouched  map[string][]*Device // by the account that brought them in, as far as anything of them counts
	rules    []ruleset            // by order
	grants   []Grant
	epochs   map[string][]Epoch // by audience
	nodes    map[NodeID]*Node
	leaves   map[NodeID]*Leaf
	link     NewLink
	problems []Problem
	dropped  int
	unpinned int // accounts that came by themselves and that no admin's record names

	lastAdmins, lastOthers int64

	seniority map[standing]int // by the first record of an admin about each

	pins      map[string]map[signed.Key]bool
	contested map[string][]Claim // names that several ask for, and that no admin has given to one of them
	nameless  map[signed.Key]Claim

	before map[string][]*closure // that held from the start of the last walk
	memo   *Memo
}

// timeline is an account through the records that changed it, by order.
type timeline struct {
	name     string
	versions []version
	keys     history
	closures []*closure

	open    int   // devices of which all counts
	brought int   // accounts that came by this invite since it has its key
	own     quota // changes by the account itself
	grants  quota
	saidDay int64 // when it last said its recipient again
	sealed  int64 // SealSince
}

type version struct {
	at order
	Account
	said bool // its recipient, by itself
}

// standing is the account that has, or had, a name.
type standing struct {
	name  string
	first signed.Key
}

type ruleset struct {
	at    order
	rules []*Rule
}

// put adds what a record makes of the account.
func (t *timeline) put(v version) {
	if was := t.now(); was == nil || v.Seal != was.Seal || was.Gone || v.said {
		t.sealed = v.at.n
	}
	t.versions = append(t.versions, v)
}

// at is the account as a record found it; nil: not yet there.
func (t *timeline) at(o order) *Account {
	if t == nil {
		return nil
	}
	i := sort.Search(len(t.versions), func(i int) bool { return t.versions[i].at.compare(o) >= 0 })
	if i == 0 {
		return nil
	}
	return &t.versions[i-1].Account
}

// had says whether who has the name now had it at a time. Before anybody had it, who came first did.
func (t *timeline) had(n int64) bool {
	was := t.at(order{n: n})
	if was == nil {
		was = &t.versions[0].Account
	}
	return !was.Gone && was.First == t.now().First
}

func (t *timeline) now() *Account {
	if t == nil || len(t.versions) == 0 {
		return nil
	}
	return &t.versions[len(t.versions)-1].Account
}

// Root is the latest root.
func (s *State) Root() *signed.SignedRoot { return s.root }

// Seen are the latest times of records that count, in ms: those of admins' devices, and those of all others.
// signed.NextTime wants them.
func (s *State) Seen() (admins, others int64) { return s.lastAdmins, s.lastOthers }

// Accounts are all accounts by name, the gone ones too.
func (s *State) Accounts() []Account {
	out := make([]Account, 0, len(s.accounts))
	for _, name := range slices.Sorted(maps.Keys(s.accounts)) {
		if a := s.accounts[name].now(); a != nil {
			out = append(out, *a)
		}
	}
	return out
}

// Came is the First of who had a name at a time: before anybody had it that of who came first, zero where nobody ever had.
func (s *State) Came(name string, n int64) (first signed.Key) {
	if t := s.accounts[name]; t.now() != nil {
		if was := t.at(order{n: n}); was != nil {
			return was.First
		}
		return t.versions[0].First
	}
	for _, r := range s.roots { // an admin of the past
		for _, a := range r.Admins {
			if a.Name == name {
				first = a.Key
			}
		}
	}
	return first
}

// Account is the account of that name.
func (s *State) Account(name string) (Account, bool) {
	a := s.accounts[name].now()
	if a == nil {
		return Account{}, false
	}
	return *a, true
}

// Devices are those that an account has vouched for, by account and age.
func (s *State) Devices() []Device {
	out := make([]Device, 0, len(s.devices))
	for _, d := range s.devices {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Since, b.Since), slices.Compare(a.Key[:], b.Key[:]))
	})
	return out
}

// Device is the device of that key.
func (s *State) Device(k signed.Key) (Device, bool) {
	d := s.devices[k]
	if d == nil {
		return Device{}, false
	}
	return *d, true
}

// Rules are the rules of now in the order in which they are asked.
func (s *State) Rules() []Rule {
	var out []Rule
	for _, r := range s.ruled() {
		out = append(out, *r)
	}
	return out
}

// Grants are the boxes with audiences' identities, by the order of their records.
func (s *State) Grants() []Grant { return slices.Clone(s.grants) }

// LinkBox is the latest link's box; nil: the first link stands.
func (s *State) LinkBox() []byte { return s.link.Box }

// Problems are the records that do not count, by device; more says how many there are beyond those.
func (s *State) Problems() (list []Problem, more int) { return slices.Clone(s.problems), s.dropped }

// Welcome says whether a device that is not known yet would be one, by the hello that its Part begins with: what a
// log is taken by from strangers, of whom anyone can make any number. now counts, whatever time the hello carries.
func (s *State) Welcome(p *Part, now time.Time) error {
	if p.hello == nil {
		return denied("device %v: %w", p.Device, ErrNoHello)
	}
	w := newWalk(s.roots, s.memo, nil, s.pins)
	w.before, w.unpinned, w.accounts, w.contested = s.before, s.unpinned, map[string]*timeline{}, s.contested
	for _, name := range []string{p.hello.Account, p.hello.Invite} {
		if t := s.accounts[name]; t != nil {
			now := *t // the walk counts what comes
			w.accounts[name] = &now
		}
	}
	e := event{op{at: order{max(p.n, now.UnixMilli()), p.Device, 0}}, p}
	if err := w.hello(e); err != nil {
		return err
	}
	if d := w.devices[p.Device]; d.Removed() {
		return denied("device %v of %q was removed", p.Device, d.Account)
	}
	return nil
}

// Admit says whether a device may be spoken to as a member, and for whom it stands.
func (s *State) Admit(device signed.Key, now time.Time) (Account, error) {
	d := s.devices[device]
	if d == nil {
		return Account{}, denied("nobody vouches for device %v", device)
	}
	a := s.accounts[d.Account].now()
	switch {
	case a == nil || !a.Active(now):
		return Account{}, denied("the account %q was removed, or has ended", d.Account)
	case d.Frozen:
		return Account{}, denied("device %v of %q has signed two histories, and is not let in any more", device, d.Account)
	case d.Removed():
		return Account{}, denied("device %v of %q was removed", device, d.Account)
	}
	return *a, nil
}

// Age says how old the latest word of an admin is: only their silence can hide that somebody was removed. heads are
// the times of the heads that are known.
func (s *State) Age(heads map[signed.Key]time.Time, now time.Time) signed.Age {
	return signed.AgeOf(now, s.Heard(heads, now), s.root.Stale)
}

// Heard is the time of the latest that an admin or the owners have signed.
func (s *State) Heard(heads map[signed.Key]time.Time, now time.Time) time.Time {
	heard := s.root.Time
	if heard.After(now.Add(signed.MaxAhead)) {
		heard = time.Time{} // the owner's clock was wrong, and says nothing of when that was
	}
	for k, t := range heads {
		if d := s.devices[k]; d != nil && d.admin && !d.Removed() && t.After(heard) {
			heard = t
		}
	}
	return heard
}
