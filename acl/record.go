package acl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Role is what an account is for.
type Role string

const (
	Admin     Role = "admin" // by the root alone
	Publisher Role = "publisher"
	Member    Role = "member"
	Backup    Role = "backup" // reads and keeps everything
	Mirror    Role = "mirror" // holds what it cannot read
	Invite    Role = "invite" // makes accounts, and nothing else
)

var given = []Role{Publisher, Member, Backup, Mirror, Invite}

// ops are the operations that this package reads.
var ops = []string{"hello", "acct", "rule", "grant", "epoch", "tree", "link"}

// helloDomain is what the signatures of a hello are made in.
const helloDomain = "hello"

// Hello is the first record of a device's log: an account vouches for the device. One with an Invite, or in an open
// group with a Key alone, makes the account too.
type Hello struct {
	Account string
	Label   string // what the device calls itself
	Sig     []byte // of the account's key
	Key     *signed.Key
	Seal    string
	Invite  string // account of role invite
	ISig    []byte // of the invite's key
}

// NewHello signs a hello for a device whose first record has the time n. invite is nil where the account exists or
// the group is open.
func NewHello(g signed.GroupID, device signed.Key, h Hello, n int64, account signed.SigningKey, invite *signed.SigningKey) ([]byte, error) {
	msg, err := h.message(g, device, n)
	if err != nil {
		return nil, err
	}
	h.Sig = account.Sign(helloDomain, msg)
	if invite != nil {
		h.ISig = invite.Sign(helloDomain, msg)
	}
	return h.Marshal(n)
}

// message is what is signed: everything but the signatures, bound to group, device and time.
func (h Hello) message(g signed.GroupID, device signed.Key, n int64) ([]byte, error) {
	return signed.Marshal(struct {
		Account string         `json:"acct"`
		Device  signed.Key     `json:"dev"`
		Group   signed.GroupID `json:"gid"`
		Invite  string         `json:"inv,omitempty"`
		Key     *signed.Key    `json:"key,omitempty"`
		Label   string         `json:"label,omitempty"`
		N       int64          `json:"n"`
		Seal    string         `json:"seal,omitempty"`
	}{h.Account, device, g, h.Invite, h.Key, h.Label, n, h.Seal})
}

// Marshal makes the record's bytes.
func (h Hello) Marshal(n int64) ([]byte, error) {
	return checked(signed.Marshal(struct {
		Account string      `json:"acct"`
		Invite  string      `json:"inv,omitempty"`
		ISig    []byte      `json:"isig,omitempty"`
		Key     *signed.Key `json:"key,omitempty"`
		Label   string      `json:"label,omitempty"`
		N       int64       `json:"n"`
		Op      string      `json:"op"`
		Seal    string      `json:"seal,omitempty"`
		Sig     []byte      `json:"sig"`
	}{h.Account, h.Invite, h.ISig, h.Key, h.Label, n, "hello", h.Seal, h.Sig}))
}

func readHello(f *signed.Fields) (h Hello) {
	h.Account = f.NeedText("acct", signed.MaxName)
	f.Fail("acct", signed.CheckName(h.Account))
	h.Label = f.Text("label", maxLabel)
	f.Fail("label", checkLabel(h.Label))
	h.Sig = f.NeedBytes("sig", 64)
	if k, ok := f.Hash("key"); ok {
		h.Key = (*signed.Key)(&k)
	}
	h.Seal = f.Text("seal", maxSeal)
	f.Fail("seal", signed.CheckSeal(h.Seal))
	if h.Invite = f.Text("inv", signed.MaxName); h.Invite != "" {
		f.Fail("inv", signed.CheckName(h.Invite))
		h.ISig = f.NeedBytes("isig", 64)
	}
	if h.Key == nil && (h.Invite != "" || h.Seal != "") {
		f.Fail("key", errors.New("missing where an account is made"))
	}
	return h
}

// AccountChange is a record about an account. An admin's says all there is to say of it, but for Slot, which stays
// where it is left out; with Gone it says the name and Keep alone. An account's own may change Key, Seal and Slot.
//
// Keep says which devices that the account, or people it invited, brought in still count, and how many of their
// records; -1: all, also those to come. With Gone or a new Key it is complete: a device that is not in it counts
// for nothing, with whatever time its records carry. Else it cuts off the devices it names, and no others.
type AccountChange struct {
	Name  string
	Role  Role
	Key   *signed.Key
	Seal  string
	Slot  []byte
	Until time.Time // zero: for ever
	Teams []string
	Gives Role // of the accounts that an invite makes; empty: member
	// Devices is how many it may have at a time, from 1 to maxDevices; 0: MaxDevices.
	Devices int64
	Gone    bool
	Keep    map[signed.Key]int64

	kept keeping // Keep, in a Part

	// Pin says that Key is the one the account has or had: an admin confirms the name, or changes something else. Of
	// two keys that are pinned to a name the first counts, and what a record with Pin leaves out of Seal and Slot stays.
	Pin bool
}

// Marshal makes the record's bytes.
func (c AccountChange) Marshal(n int64) ([]byte, error) {
	var until int64
	if !c.Until.IsZero() {
		until = c.Until.Unix()
	}
	keep := make(map[string]int64, len(c.Keep))
	for k, size := range c.Keep {
		keep[k.String()] = size
	}
	return checked(signed.Marshal(struct {
		Devices int64            `json:"devices,omitempty"`
		Gives   Role             `json:"gives,omitempty"`
		Gone    bool             `json:"gone,omitempty"`
		Keep    map[string]int64 `json:"keep,omitempty"`
		Key     *signed.Key      `json:"key,omitempty"`
		N       int64            `json:"n"`
		Name    string           `json:"name"`
		Op      string           `json:"op"`
		Pin     bool             `json:"pin,omitempty"`
		Role    Role             `json:"role,omitempty"`
		Seal    string           `json:"seal,omitempty"`
		Slot    []byte           `json:"slot,omitempty"`
		Teams   []string         `json:"teams,omitempty"`
		Until   int64            `json:"until,omitempty"`
	}{c.Devices, c.Gives, c.Gone, keep, c.Key, n, c.Name, "acct", c.Pin, c.Role, c.Seal, c.Slot, c.Teams, until}))
}

func readAccount(f *signed.Fields) (c AccountChange) {
	c.Name = f.NeedText("name", signed.MaxName)
	f.Fail("name", signed.CheckName(c.Name))
	c.Role = readRole(f, "role", given)
	c.Gives = readRole(f, "gives", given[:len(given)-1])
	if k, ok := f.Hash("key"); ok {
		c.Key = (*signed.Key)(&k)
	}
	c.Seal = f.Text("seal", maxSeal)
	f.Fail("seal", signed.CheckSeal(c.Seal))
	c.Slot = f.Bytes("slot", maxSlot)
	c.Until = readTime(f, "until")
	c.Teams = f.Texts("teams", maxTeams, signed.MaxName)
	for i, t := range c.Teams {
		f.Fail("teams", CheckTeam(t))
		if slices.Contains(c.Teams[:i], t) {
			f.Fail("teams", fmt.Errorf("%q stands twice", t))
		}
	}
	c.Devices = f.Int("devices", 1, maxDevices)
	c.Gone = f.Flag("gone")
	c.Pin = f.Flag("pin")
	c.Keep = f.Sizes("keep", signed.MaxKeep, -1, signed.MaxRecords)
	if c.Pin && (c.Gone || c.Key == nil || c.Role == "") {
		f.Fail("pin", errors.New("it names no role and key of an account that is there"))
	}
	if c.Gone && (c.Role != "" || c.Key != nil || c.Seal != "" || c.Slot != nil || !c.Until.IsZero() || c.Teams != nil || c.Gives != "" || c.Devices != 0) {
		f.Fail("gone", errors.New("it says more of an account that is gone than its keep"))
	}
	if c.Gives != "" && c.Role != Invite {
		f.Fail("gives", errors.New("the account is no invite"))
	}
	return c
}

func readRole(f *signed.Fields, name string, of []Role) Role {
	r := Role(f.Text(name, signed.MaxName))
	if r != "" && !slices.Contains(of, r) {
		f.Fail(name, fmt.Errorf("%q is none of %v", r, of))
	}
	return r
}

func readTime(f *signed.Fields, name string) time.Time {
	if n := f.Int(name, 1, 1<<40); n != 0 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

// RuleChange is a record that sets the rule of an ID, or takes it away.
type RuleChange struct {
	Rule Rule // with Gone the ID alone
	Gone bool
}

// Marshal makes the record's bytes.
func (c RuleChange) Marshal(n int64) ([]byte, error) {
	var until int64
	if !c.Rule.Until.IsZero() {
		until = c.Rule.Until.Unix()
	}
	return checked(signed.Marshal(struct {
		Deny  bool     `json:"deny,omitempty"`
		Glob  string   `json:"glob,omitempty"`
		Gone  bool     `json:"gone,omitempty"`
		ID    string   `json:"id"`
		May   Right    `json:"may,omitempty"`
		N     int64    `json:"n"`
		Op    string   `json:"op"`
		Pos   int64    `json:"pos,omitempty"`
		Until int64    `json:"until,omitempty"`
		Who   []string `json:"who,omitempty"`
	}{c.Rule.Deny, c.Rule.Glob, c.Gone, c.Rule.ID, c.Rule.May, n, "rule", c.Rule.Pos, until, c.Rule.Who}))
}

func readRule(f *signed.Fields) (c RuleChange) {
	c.Rule.ID = readID(f, "id")
	if c.Gone = f.Flag("gone"); c.Gone {
		return c
	}
	c.Rule.Pos = f.Int("pos", -1<<31, 1<<31)
	c.Rule.Deny = f.Flag("deny")
	c.Rule.Who = f.Texts("who", maxWho, signed.MaxName+1)
	c.Rule.May = Right(f.NeedText("may", 16))
	c.Rule.Glob = f.NeedText("glob", maxGlob)
	c.Rule.Until = readTime(f, "until")
	f.Fail("rule", c.Rule.check())
	return c
}

// Grant hands the identity of an audience to those it names: Box is an age file to all of them, or wrapped with a secret of
// the only one.
type Grant struct {
	Audience string
	Epoch    int64
	To       []string // accounts
	Box      []byte
	Leaf     int64 // it holds the account's key in the trees of this epoch of the admins' audience too; 0: it does not

	// A State says whose record it was, whether as an admin, and when.
	By    string
	Admin bool
	N     int64
}

// Marshal makes the record's bytes.
func (g Grant) Marshal(n int64) ([]byte, error) {
	return checked(signed.Marshal(struct {
		Audience string   `json:"aud"`
		Box      []byte   `json:"box"`
		Epoch    int64    `json:"epoch"`
		Leaf     int64    `json:"leaf,omitempty"`
		N        int64    `json:"n"`
		Op       string   `json:"op"`
		To       []string `json:"to"`
	}{g.Audience, g.Box, g.Epoch, g.Leaf, n, "grant", g.To}))
}

func readGrant(f *signed.Fields) (g Grant) {
	g.Audience = readID(f, "aud")
	g.Epoch = f.NeedInt("epoch", 1, MaxEpoch)
	g.To = f.Texts("to", maxWho, signed.MaxName)
	f.Fail("to", checkWho(g.To))
	g.Box = f.NeedBytes("box", maxBox)
	if g.Leaf = f.Int("leaf", 1, MaxEpoch); g.Leaf != 0 && len(g.To) != 1 {
		f.Fail("leaf", errors.New("the key of one account is for one account"))
	}
	return g
}

// NewLink is a record that gives the group another link secret: Box is an age file to the audience of all.
type NewLink struct {
	Box []byte
}

// Marshal makes the record's bytes.
func (l NewLink) Marshal(n int64) ([]byte, error) {
	return checked(signed.Marshal(struct {
		Box []byte `json:"box"`
		N   int64  `json:"n"`
		Op  string `json:"op"`
	}{l.Box, n, "link"}))
}

func readID(f *signed.Fields, name string) string {
	s := f.NeedText(name, signed.MaxName)
	f.Fail(name, signed.CheckName(s))
	return s
}

func checkLabel(s string) error {
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
		return fmt.Errorf("%q is not printable ASCII", s)
	}
	return nil
}

// body reads a governance record; nil without an error is one of other operations.
func body(r signed.Record) (any, error) {
	if !slices.Contains(ops, r.Op) {
		return nil, nil
	}
	f := r.Fields()
	var v any
	switch r.Op {
	case "hello":
		v = readHello(f)
	case "acct":
		v = readAccount(f)
	case "rule":
		v = readRule(f)
	case "grant":
		v = readGrant(f)
	case "epoch":
		v = readEpoch(f)
	case "tree":
		v = readTree(f)
	case "link":
		v = NewLink{Box: f.NeedBytes("box", maxBox)}
	}
	return v, f.Done()
}

// checked reads what was made as others will read it, so that nobody signs what is then passed over.
func checked(raw []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	r, err := signed.ParseRecord(raw)
	if err == nil {
		_, err = body(r)
	}
	if err != nil {
		return nil, fmt.Errorf("making a record: %w", err)
	}
	return raw, nil
}
