package node

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func (m *member) addUser(u AddUser) (string, error) {
	s, err := m.AsAdmin("add an account")
	if err != nil {
		return "", err
	}
	if err := signed.CheckName(u.Name); err != nil {
		return "", fault.New(fault.Usage, "%q cannot be an account's name: %w", u.Name, err)
	}
	if !slices.Contains([]acl.Role{acl.Publisher, acl.Member}, acl.Role(u.Role)) {
		return "", fault.Hint(fault.New(fault.Usage, "an account of the role %q cannot be added", u.Role), "choose publisher or member")
	}
	if a, there := s.Account(u.Name); there && !a.Gone {
		return "", fault.Hint(fault.New(fault.Usage, "there is an account %q already", u.Name), "remove it first, or choose another name")
	}
	secret, err := group.NewSecret()
	if err != nil {
		return "", err
	}
	// The key is in its file before the account is signed: the other way round a crash would leave one nobody can use.
	if err := group.WriteKey(u.Key, group.Key{Kind: group.KeyAccount, Group: m.ID(), Account: u.Name, Secret: secret}); err != nil {
		return "", err
	}
	key := secret.Public()
	change := acl.AccountChange{Name: u.Name, Role: acl.Role(u.Role), Key: &key, Until: u.Until, Teams: u.Teams}
	if err := m.Append(change.Marshal); err != nil {
		return "", errors.Join(err, os.Remove(u.Key))
	}
	return u.Key, nil
}

func (m *member) removeUser(name string) error {
	s, err := m.AsAdmin("remove an account")
	if err != nil {
		return err
	}
	c, err := s.Removal(name)
	if err != nil {
		return err
	}
	return m.Append(c.Marshal)
}

func (m *member) removeDevice(key string) error {
	s, err := m.AsAdmin("remove a device")
	if err != nil {
		return err
	}
	var hits []signed.Key
	for _, d := range s.Devices() {
		if len(key) >= minPrefix && strings.HasPrefix(d.Key.String(), strings.ToLower(key)) {
			hits = append(hits, d.Key)
		}
	}
	switch len(hits) {
	case 0:
		return fault.Hint(fault.New(fault.NotFound, "no device has a key that begins with %q", key), "p2pshare group device list shows them")
	case 1:
	default:
		return fault.New(fault.Usage, "%d devices have keys that begin with %q", len(hits), key)
	}
	c, err := s.WithoutDevice(hits[0])
	if err != nil {
		return err
	}
	return m.Append(c.Marshal)
}

// ruleStep is the distance between rules, so that others fit between them.
const ruleStep = 1 << 10

func (m *member) addRule(r AddRule) error {
	s, err := m.AsAdmin("add a rule")
	if err != nil {
		return err
	}
	rule, err := acl.ParseRule(r.Rule)
	if err != nil {
		return err
	}
	rules := s.Rules()
	at := len(rules)
	if r.Before != "" {
		if at = slices.IndexFunc(rules, func(x acl.Rule) bool { return x.ID == r.Before }); at < 0 {
			return fault.Hint(fault.New(fault.NotFound, "there is no rule %q", r.Before), "p2pshare group rule list shows them")
		}
	}
	switch {
	case len(rules) == 0:
	case at == len(rules):
		rule.Pos = rules[at-1].Pos + ruleStep
	case at == 0:
		rule.Pos = rules[0].Pos - ruleStep
	case rules[at].Pos-rules[at-1].Pos > 1:
		rule.Pos = rules[at-1].Pos + (rules[at].Pos-rules[at-1].Pos)/2
	default:
		return fault.Hint(fault.New(fault.Usage, "there is no room before the rule %q", r.Before), "remove it and add it again behind this one")
	}
	var records []func(int64) ([]byte, error)
	for _, pin := range s.Pins(rule.Who) {
		records = append(records, pin.Marshal)
	}
	return m.Append(append(records, func(n int64) ([]byte, error) {
		rule.ID = fmt.Sprintf("r%x", n)
		return acl.RuleChange{Rule: rule}.Marshal(n)
	})...)
}

func (m *member) removeRule(id string) error {
	s, err := m.AsAdmin("remove a rule")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Rules(), func(r acl.Rule) bool { return r.ID == id }) {
		return fault.Hint(fault.New(fault.NotFound, "there is no rule %q", id), "p2pshare group rule list shows them")
	}
	return m.Append(acl.RuleChange{Rule: acl.Rule{ID: id}, Gone: true}.Marshal)
}
