package node

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// maxHistory bounds the lines that are shown of a group's history: the latest.
const maxHistory = 10_000

// told is what the sentences of the history need of any record; what is in it was judged when it was folded.
type told struct {
	Acct  string           `json:"acct"`
	Label string           `json:"label"`
	Name  string           `json:"name"`
	Role  string           `json:"role"`
	Gone  bool             `json:"gone"`
	Pin   bool             `json:"pin"`
	Teams []string         `json:"teams"`
	ID    string           `json:"id"`
	Deny  bool             `json:"deny"`
	Who   []string         `json:"who"`
	May   string           `json:"may"`
	Glob  string           `json:"glob"`
	Inv   string           `json:"inv"`
	Gives string           `json:"gives"`
	Until int64            `json:"until"`
	Slot  []byte           `json:"slot"`
	Keep  map[string]int64 `json:"keep"`
	Note  string           `json:"note"`
	Aud   string           `json:"aud"`
	To    []string         `json:"to"`
	Open  *struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"open"`
}

// history tells the group's records in the order of their times, those that do not count with the reason.
func (m *member) history() ([]GroupLogRecord, error) {
	s, err := m.State()
	if err != nil {
		return nil, err
	}
	ix, err := m.Index()
	if err != nil {
		return nil, err
	}
	type place struct {
		device signed.Key
		index  int64
	}
	void := map[place]string{}
	problems, _ := s.Problems()
	for _, p := range problems {
		void[place{p.Device, p.Index}] = p.Reason
	}
	shares, _ := ix.Problems()
	for _, p := range shares {
		void[place{p.Device, p.Index}] = p.Reason
	}
	// What is sealed is told by name where this machine can open it.
	opened := map[place]string{}
	if m.private() {
		for _, e := range ix.Entries() {
			opened[place{e.Device, e.Index}] = e.Ref()
		}
		for _, t := range ix.Taken() {
			opened[place{t.Entry.Device, t.Entry.Index}] = t.Ref()
			opened[place{t.Device, t.Index}] = t.Why
		}
	}
	var out []GroupLogRecord
	for v, raw := range m.Roots(1) {
		r, err := signed.ParseRoot(raw)
		if err != nil {
			return nil, err
		}
		var admins []string
		for _, a := range r.Admins {
			admins = append(admins, a.Name)
		}
		out = append(out, GroupLogRecord{Time: r.Time, Kind: "root", What: fmt.Sprintf("the owners signed version %d of the group: %d of %d owners sign, admins %s",
			v+1, r.Need, len(r.Owners), strings.Join(admins, ", "))})
	}
	var logs []signed.Log
	entries := published{}
	accounts := map[signed.Key]string{}
	for _, h := range m.AllHeads() {
		l, err := m.Group.Log(h.Device)
		if err != nil {
			return nil, err
		}
		if d, ok := s.Device(h.Device); ok {
			accounts[h.Device] = d.Account
		}
		for _, r := range l.Records {
			if r.Op == "share" {
				entries.note(r, accounts[h.Device], opened[place{h.Device, r.Index}])
			}
		}
		logs = append(logs, l)
	}
	for _, l := range logs {
		h, account := l, accounts[l.Device]
		for _, r := range l.Records {
			out = append(out, GroupLogRecord{
				Time: time.UnixMilli(r.N).UTC(), Account: account, Device: h.Device.String(),
				Void: void[place{h.Device, r.Index}],
			})
			out[len(out)-1].tell(r, opened[place{h.Device, r.Index}], entries)
		}
	}
	slices.SortStableFunc(out, func(a, b GroupLogRecord) int { return a.Time.Compare(b.Time) })
	return out[max(0, len(out)-maxHistory):], nil
}

// published are the entries of the history, by their IDs: who drops one names no more of it.
type published map[string][]entryOf

type entryOf struct{ account, ref string }

func (p published) note(r signed.Record, account, opened string) {
	var t told
	if json.Unmarshal(r.Raw, &t) != nil || t.ID == "" {
		return
	}
	if ref := cmp.Or(opened, t.ref()); ref != "" {
		p[t.ID] = append(p[t.ID], entryOf{account, ref})
	}
}

// find is the entry that an account drops by its ID: its own, or the one that has the ID. Of several that others have given
// one ID it is none of them.
func (p published) find(id, account string) (entryOf, bool) {
	list := p[id]
	if i := slices.IndexFunc(list, func(e entryOf) bool { return e.account == account }); i >= 0 {
		return list[i], true
	}
	if len(list) != 1 {
		return entryOf{}, false
	}
	return list[0], true
}

// ref is the entry that a record in clear publishes.
func (t *told) ref() string {
	switch {
	case t.Open == nil:
		return ""
	case t.Open.Version == "":
		return t.Open.Name
	}
	return t.Open.Name + "@" + t.Open.Version
}

// tell says what a record did. opened is what can be read here of a sealed one: the entry of a share, the note of a drop.
func (l *GroupLogRecord) tell(r signed.Record, opened string, entries published) {
	var t told
	if err := json.Unmarshal(r.Raw, &t); err != nil {
		l.Kind, l.What = "other", "a record of another kind ("+r.Op+")"
		return
	}
	switch r.Op {
	case "hello":
		l.Kind, l.What = "device", fmt.Sprintf("a device %q joined as %s", t.Label, t.Acct)
		if t.Inv != "" {
			l.What += ", a new account, by the invite " + t.Inv
		}
	case "acct":
		l.Kind, l.What = "account", t.account()
	case "grant":
		l.Kind, l.What = "key", t.grant()
	case "epoch":
		l.Kind, l.What = "key", "made a new key for "+readersOf(t.Aud)
	case "tree":
		l.Kind, l.What = "key", "closed the new keys to who may read"
	case "link":
		l.Kind, l.What = "link", "gave the group a link"
	case "rule":
		l.Kind, l.What = "rule", t.rule()
	case "share":
		l.Kind, l.Entry = "share", cmp.Or(opened, t.ref())
		l.What = "published " + l.Entry
		if l.Entry == "" {
			l.What = "shared something that is sealed, to " + readersOf(t.Aud)
		}
	case "drop":
		l.Kind, l.What = "drop", "took back the entry with the ID "+t.ID
		if e, ok := entries.find(t.ID, l.Account); ok {
			l.Entry, l.What = e.ref, "took back "+e.ref
			if e.account != l.Account {
				l.What += " (of " + e.account + ")"
			}
		}
		if l.Note = cmp.Or(t.Note, opened); l.Note != "" {
			l.What += ": " + l.Note
		}
	default:
		l.Kind, l.What = "other", "a record of another kind ("+r.Op+")"
	}
}

// rule is what a record says of a rule.
func (t *told) rule() string {
	if t.Gone {
		return "took the rule " + t.ID + " away"
	}
	verb := "allow"
	if t.Deny {
		verb = "deny"
	}
	return fmt.Sprintf("set the rule %s: %s %s %s %s", t.ID, verb, strings.Join(t.Who, ","), t.May, t.Glob)
}

// account is what a record says of an account.
func (t *told) account() string {
	until := ""
	if t.Until > 0 {
		until = ", until " + time.Unix(t.Until, 0).UTC().Format(time.DateOnly)
	}
	switch {
	case t.Gone:
		return "removed the account " + t.Name
	case t.Pin && t.Until == 0 && len(t.Keep) == 0 && len(t.Teams) == 0:
		return fmt.Sprintf("confirmed the account %s, %s", t.Name, t.Role)
	case t.Role == "invite" && t.Slot != nil:
		return "set the password of the invite " + t.Name + until
	case t.Role != "" && t.Slot != nil:
		return fmt.Sprintf("set the account %s, %s%s, and its password", t.Name, t.Role, until)
	case t.Role != "" && len(t.Keep) > 0:
		var cut []string
		for key := range t.Keep {
			cut = append(cut, fmt.Sprintf("%.12s", key))
		}
		slices.Sort(cut)
		return fmt.Sprintf("cut off %s (%s)", some(cut), t.Name)
	case t.Role != "":
		return fmt.Sprintf("set the account %s, %s%s", t.Name, t.Role, until)
	case t.Slot != nil:
		return "changed the password of " + t.Name
	}
	return "changed the account " + t.Name
}

// grant is who was given which key.
func (t *told) grant() string {
	who := strings.Join(t.To, ", ")
	if len(t.To) > fewNames {
		who = plural(len(t.To), "account")
	}
	return "gave " + who + " the key of " + readersOf(t.Aud)
}

// fewNames is how many accounts a sentence names.
const fewNames = 5

func readersOf(aud string) string {
	switch aud {
	case "all":
		return "everyone"
	case "mirrors":
		return "the mirrors"
	}
	return "some (" + aud + ")"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
