package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

const ruleText = "A rule reads (allow|deny) WHO (read|publish) PATH [until DATE]. WHO is an account, @team, @role or *, several with commas between them; in PATH, " +
	"* stands for anything within a component and ** across them, and what lies below a path is covered too. A share's path is NAME/VERSION."

func ruleAddCommand() command {
	return command{
		name: "group rule add", group: groupGroups, args: "GROUP RULE", min: 2, max: 2, run: ruleAddAction,
		summary: "add a rule, at the end or before another",
		about:   ruleText + " Put it in quotes: the shell has its own use for *. In a public group, rules to read are not enforced: anyone can read. " + groupText,
		examples: []example{
			{"bob alone publishes films", `p2pshare group rule add acme 'allow bob publish films/**' && p2pshare group rule add acme 'deny * publish films/**'`},
			{"before another", `p2pshare group rule add acme 'deny eve publish **' --before 3f9a2c41`},
		},
		exits: groupExits,
		flags: append([]cli.Flag{&cli.StringFlag{Name: "before", Category: groupEntry, Usage: "ask it before the rule `ID`", DefaultText: "at the end"}}, signFlags()...),
	}
}

func ruleAddAction(ctx context.Context, s *session, c *cli.Context) error {
	r := node.AddRule{Rule: c.Args().Get(1), Before: c.String("before")}
	if _, err := acl.ParseRule(r.Rule); err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), AddRule: &r})
	if err != nil {
		return err
	}
	s.rules(a)
	return nil
}

func ruleListCommand() command {
	return command{
		name: "group rule list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: ruleListAction,
		summary:  "list the rules, in the order they are asked",
		about:    "Prints ID, rule, and the accounts that it names now. The first that speaks of an account and a path decides. " + groupText,
		examples: []example{{"all of them", "p2pshare group rule list acme"}},
		exits:    groupExits,
	}
}

func ruleListAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Show: &struct{}{}})
	if err != nil {
		return err
	}
	s.rules(a)
	if len(a.Rules) == 0 {
		s.out.say("there are no rules: publishers may publish anywhere, and everyone may read")
	}
	return nil
}

func (s *session) rules(a *node.GroupAnswer) {
	if s.out.json {
		s.out.object("rules", struct {
			Group string           `json:"group"`
			Rules []node.GroupRule `json:"rules"`
			Added string           `json:"added,omitempty"`
		}{the(a).Name, append([]node.GroupRule{}, a.Rules...), a.AddedRule})
		return
	}
	list := a.Rules
	if i := slices.IndexFunc(list, func(r node.GroupRule) bool { return r.ID == a.AddedRule }); i >= 0 {
		list = list[i : i+1] // of the others p2pshare group rule list tells
	}
	rows := s.head(len(list), "ID", "RULE", "NAMES NOW")
	for _, r := range list {
		rows = append(rows, []string{r.ID, r.Rule, s.namesNow(r.Matches)})
	}
	s.rows(rows)
	if a.AddedRule != "" && len(a.Rules) > 1 {
		s.out.say("%s there are now; p2pshare group rule list %s shows them in the order in which they are asked", plural(len(a.Rules), "rule"), printable(the(a).Name))
	}
}

// namesNow are the accounts that a rule names: all for scripts, and for eyes as many as fit a line.
func (s *session) namesNow(names []string) string {
	const few = 5
	if !s.eyes() || len(names) <= few+1 {
		return strings.Join(names, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ","), len(names)-few)
}

func ruleRemoveCommand() command {
	return command{
		name: "group rule remove", group: groupGroups, args: "GROUP ID", min: 2, max: 2, run: ruleRemoveAction,
		summary:  "take a rule away",
		about:    "ID is what p2pshare group rule list shows. " + groupText,
		examples: []example{{"take one away", "p2pshare group rule remove acme 3f9a2c41"}},
		exits:    groupExits,
		flags:    signFlags(),
	}
}

func ruleRemoveAction(ctx context.Context, s *session, c *cli.Context) error {
	id := c.Args().Get(1)
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), RemoveRule: &id})
	if err != nil {
		return err
	}
	s.rules(a)
	return nil
}

func ruleTestCommand() command {
	return command{
		name: "group rule test", group: groupGroups, args: "GROUP USER read|publish PATH", min: 4, max: 4, run: ruleTestAction,
		summary:  "say whether an account may, and which rule decides",
		about:    "Prints what decides, and ends with 12 where the answer is no. PATH is NAME or NAME/VERSION. " + groupText,
		examples: []example{{"may bob publish there?", "p2pshare group rule test acme bob publish films/alien"}},
		exits:    groupExits,
	}
}

func ruleTestAction(ctx context.Context, s *session, c *cli.Context) error {
	t := node.TestRule{User: c.Args().Get(1), Right: c.Args().Get(2), Path: c.Args().Get(3)}
	if t.Right != "read" && t.Right != "publish" {
		return fault.Hint(usagef("%q is no right", t.Right), "write read or publish")
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), TestRule: &t})
	if err != nil {
		return err
	}
	d := a.Decision
	if d == nil {
		d = &node.GroupDecision{Why: "the node gave no answer"}
	}
	if s.out.json {
		s.out.object("decision", d)
	}
	word := "allowed"
	if !d.Allowed {
		word = "denied"
	}
	line := word + ": " + d.Why
	if d.Rule != "" {
		line += " (rule " + d.Rule + ")"
	}
	s.out.answer(line)
	if !d.Allowed {
		return fault.New(fault.Denied, "%s may not %s %q", t.User, t.Right, t.Path)
	}
	return nil
}
