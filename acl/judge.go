package acl

import (
	"fmt"
	"sort"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Decision is an answer with what decided it.
type Decision struct {
	Allowed bool
	Rule    *Rule  // that matched first; nil: Why says what decided
	Rank    int    // the place of Rule in the order; for a default, behind all rules
	Why     string // words for the user
}

// Test says whether an account may read or publish at a path at a time, and which rule decides.
func (s *State) Test(account string, may Right, path string, now time.Time) Decision {
	a := s.accounts[account].now()
	if a == nil {
		return Decision{Why: fmt.Sprintf("there is no account %q", account)}
	}
	return s.judge(a, s.ruled(), may, path, now, s.root.Open)
}

// ruled are the rules of now.
func (s *State) ruled() []*Rule {
	if len(s.rules) == 0 {
		return nil
	}
	return s.rules[len(s.rules)-1].rules
}

// rulesAt are the rules as a record found them.
func (s *State) rulesAt(o order) []*Rule {
	i := sort.Search(len(s.rules), func(i int) bool { return s.rules[i].at.compare(o) >= 0 })
	if i == 0 {
		return nil
	}
	return s.rules[i-1].rules
}

func (s *State) judge(a *Account, rules []*Rule, may Right, path string, now time.Time, open bool) Decision {
	no := func(why string) Decision { return Decision{Why: why, Rank: len(rules)} }
	switch {
	case a.Gone:
		return no("the account was removed")
	case !a.Active(now):
		return no("the account ended " + a.Until.Format(time.RFC3339))
	case a.Role == Mirror, a.Role == Invite:
		return no(fmt.Sprintf("an account of the role %s neither reads nor publishes", a.Role))
	case a.Role == Backup && may == Read:
		return Decision{Allowed: true, Rank: len(rules), Why: "a backup reads everything"}
	}
	if len(rules) == 0 {
		return byDefault(a, rules, may, open)
	}
	at, err := spell(path)
	if err != nil {
		return no("it is no path that rules could speak of: " + err.Error())
	}
	for i, r := range rules {
		if !r.applies(a, may, now) || !r.covers(at) {
			continue
		}
		return Decision{Allowed: !r.Deny, Rule: r, Rank: i, Why: r.String()}
	}
	return byDefault(a, rules, may, open)
}

// byDefault is what holds where no rule speaks.
func byDefault(a *Account, rules []*Rule, may Right, open bool) Decision {
	d := Decision{Rank: len(rules)}
	switch {
	case may == Read:
		d.Allowed, d.Why = true, "no rule speaks of it, and members read what is shared with everyone"
	case a.Role == Publisher, a.Role == Admin:
		d.Allowed, d.Why = true, "no rule speaks of it, and a "+string(a.Role)+" publishes"
	case open && a.Role == Member:
		d.Allowed, d.Why = true, "no rule speaks of it, and in this group anyone publishes"
	default:
		d.Why = fmt.Sprintf("no rule speaks of it, and a %s does not publish", a.Role)
	}
	return d
}

// author is the account in whose name a record speaks, as the record found it. It refuses a record that does not
// count.
func (s *State) author(device signed.Key, index, n int64) (*Account, order, error) {
	o := order{n, device, index}
	d := s.devices[device]
	if d == nil {
		return nil, o, denied("nobody vouches for device %v", device)
	}
	if d.Counts >= 0 && index >= d.Counts {
		if d.Frozen {
			return nil, o, denied("device %v of %q has signed two histories, which have %d records in common", device, d.Account, d.Size)
		}
		return nil, o, denied("device %v of %q was removed", device, d.Account)
	}
	if d.admin {
		return &Account{Name: d.Account, Role: Admin, Pinned: true}, o, nil
	}
	a := s.accounts[d.Account].at(o)
	if a == nil {
		return nil, o, denied("the account %q of device %v was not there yet", d.Account, device)
	}
	return a, o, nil
}

func denied(format string, args ...any) error { return fault.New(fault.Denied, format, args...) }

// MayPublish judges record index of a device's log, of the time n, as a share at path: by the accounts and rules
// as they were when the record was made. If several accounts may publish there, the entry with the lowest rank counts. The rank
// depends on, in this order: the place of the rule that allows it, whether the account is an admin's (lower), and when an
// admin confirmed the account (earlier is lower). The signer chooses none of these, unlike the time of its records.
func (s *State) MayPublish(device signed.Key, index, n int64, path string) (account string, rank int, err error) {
	a, o, err := s.author(device, index, n)
	if err != nil {
		return "", 0, err
	}
	d := s.judge(a, s.rulesAt(o), Publish, path, time.UnixMilli(n), s.openAt(n))
	if !d.Allowed {
		return a.Name, 0, denied("%q may not publish at %q: %s", a.Name, path, d.Why)
	}
	if d.Rule == nil {
		d.Rank = maxRules
	}
	rank = d.Rank * (len(s.seniority) + 2)
	if a.Role != Admin {
		rank += 1 + s.senior(a)
	}
	return a.Name, rank, nil
}

// senior is an account's place among those that admins have confirmed, the first of them 0. Those that nobody has confirmed are
// behind.
func (s *State) senior(a *Account) int {
	if i, ok := s.seniority[standing{a.Name, a.First}]; ok {
		return i
	}
	return len(s.seniority)
}

// MayShare says in whose name record index of a device's log, of the time n, shares something at a path that is sealed:
// an account that may publish at one at least. What it may not publish there, those who can read it refuse.
func (s *State) MayShare(device signed.Key, index, n int64) (account string, err error) {
	a, o, err := s.author(device, index, n)
	if err != nil {
		return "", err
	}
	at := time.UnixMilli(n)
	d := s.judge(a, nil, Publish, "", at, s.openAt(n)) // without rules: who may do nothing, and the default
	if a.Active(at) && a.Role != Mirror && a.Role != Invite {
		for _, r := range s.rulesAt(o) {
			if r.applies(a, Publish, at) && (!r.Deny || r.coversAll()) {
				d = Decision{Allowed: !r.Deny, Why: r.String()}
				break
			}
		}
	}
	if !d.Allowed {
		return a.Name, denied("%q may not publish: %s", a.Name, d.Why)
	}
	return a.Name, nil
}

// openAt says whether anyone could publish at a time.
func (s *State) openAt(n int64) bool {
	open := s.roots[0].Open
	for _, r := range s.roots {
		if r.Time.UnixMilli() <= n {
			open = r.Open
		}
	}
	return open
}

// MayDrop says in whose name a record drops shares: an admin drops anyone's, others their own.
func (s *State) MayDrop(device signed.Key, index, n int64) (account string, admin bool, err error) {
	a, _, err := s.author(device, index, n)
	if err != nil {
		return "", false, err
	}
	if a.Gone || !a.Active(time.UnixMilli(n)) {
		return a.Name, false, denied("the account %q was removed, or has ended", a.Name)
	}
	return a.Name, a.Role == Admin, nil
}

// MayRead says whether an account may read what was shared at the time n, at path, with those in read: names, @teams, @roles,
// or *; none: everyone. A name is who had it then.
func (s *State) MayRead(account, path string, read []string, n int64, now time.Time) Decision {
	a := s.accounts[account].now()
	if a == nil {
		return Decision{Why: fmt.Sprintf("there is no account %q", account)}
	}
	return s.reads(a, s.ruled(), path, read, n, now)
}

func (s *State) reads(a *Account, rules []*Rule, path string, read []string, n int64, now time.Time) Decision {
	d := s.judge(a, rules, Read, path, now, s.root.Open)
	list := Rule{Who: read}
	if !s.accounts[a.Name].had(n) {
		list.meant = map[string]signed.Key{a.Name: {}} // another
	}
	if d.Allowed && a.Role != Backup && len(read) > 0 && !list.names(a) {
		return Decision{Why: "it is not shared with this account", Rank: d.Rank}
	}
	return d
}
