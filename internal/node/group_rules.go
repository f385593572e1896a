package node

import (
	"fmt"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// ruleStep is the distance between rules, so that others fit between them.
const ruleStep = 1 << 10

func (m *member) addRule(r AddRule, a *GroupAnswer) error {
	s, err := m.AsAdmin("add a rule")
	if err != nil {
		return err
	}
	rule, err := acl.ParseRule(r.Rule)
	if err != nil {
		return err
	}
	if err := s.CheckWho(rule.Who); err != nil {
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
		a.AddedRule = rule.ID
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
