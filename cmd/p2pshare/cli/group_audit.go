package cli

import (
	"cmp"
	"context"
	"fmt"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// maxAuditLines is how many lines one answer of a daemon can hold with room to spare.
const maxAuditLines = 10_000

func groupAuditCommand() command {
	return command{
		name: "group audit", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupAuditAction,
		summary: "show whom this machine let in, refused and served",
		about: "Prints this machine's audit of a private group, the latest last: time, what (admitted, refused, served, cut, garbage), account and machine, address, entry, and how much or why. " +
			"Each machine keeps its own; who signed what is in p2pshare group log. " + groupText,
		examples: []example{
			{"the last hundred lines", "p2pshare group audit films"},
			{"who was refused since yesterday", "p2pshare group audit films --since 24h --lines 1000 --json | jq '.audit[] | select(.what == \"refused\")'"},
			{"what bob took", "p2pshare group audit films --user bob --since 2026-11-01"},
		},
		exits: groupExits,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "user", Category: groupOutput, Usage: "only lines of the account `USER`"},
			&cli.StringFlag{Name: "since", Category: groupOutput, Usage: "only lines since `WHEN`: a day, a time, or so long ago (24h, 7d)"},
			&cli.IntFlag{Name: "lines", Category: groupOutput, Value: 100, Usage: "the last `N` lines"},
		},
	}
}

func groupAuditAction(ctx context.Context, s *session, c *cli.Context) error {
	q := node.AuditQuery{User: c.String("user"), Lines: c.Int("lines")}
	if q.User != "" {
		if err := checkAccount("--user", q.User); err != nil {
			return err
		}
	}
	if q.Lines < 1 || q.Lines > maxAuditLines {
		return usagef("--lines %d is not a number of lines from 1 to %d", q.Lines, maxAuditLines)
	}
	var err error
	if v := c.String("since"); v != "" {
		if q.Since, err = s.pastDate("--since", v); err != nil {
			return err
		}
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Audit: &q})
	if err != nil {
		return err
	}
	if s.out.json {
		s.out.object("audit", struct {
			Group string           `json:"group"`
			Audit []node.AuditLine `json:"audit"`
		}{cmp.Or(the(a).Name, c.Args().First()), append([]node.AuditLine{}, a.Audit...)})
		return nil
	}
	rows := s.head(len(a.Audit), "TIME", "WHAT", "WHO", "FROM", "ENTRY", "")
	for _, l := range a.Audit {
		rows = append(rows, auditRow(l))
	}
	s.rows(rows)
	if len(a.Audit) == 0 {
		s.out.say("there is no such line: this machine has served and refused nobody then")
	}
	s.notes(a)
	return nil
}

// pastDate reads a day, a time, or how long ago.
func (s *session) pastDate(what, v string) (time.Time, error) {
	t, err := parseDate(v)
	if err != nil {
		ago, derr := sizes.Duration(v)
		if derr != nil || ago <= 0 {
			return t, fault.Hint(usagef("%s %q is neither a date nor a time ago", what, v), "write 2026-11-01, 2026-11-01T12:00:00Z, 24h or 7d")
		}
		t = s.env.Now().Add(-ago).UTC()
	}
	if t.After(s.env.Now()) {
		return t, usagef("%s %q is still to come", what, v)
	}
	return t, nil
}

func auditRow(l node.AuditLine) []string {
	who := l.Account
	if l.Device != "" {
		who = strings.TrimSpace(who + " (" + short(l.Device) + ")")
	}
	var facts []string
	for _, b := range []struct {
		word string
		n    int64
	}{{"sent", l.Sent}, {"got", l.Got}} {
		if b.n > 0 {
			facts = append(facts, b.word+" "+bytesText(b.n))
		}
	}
	if l.Bad > 0 {
		facts = append(facts, plural(int(min(l.Bad, 1<<30)), "bad piece"))
	}
	if l.Seconds > 0 {
		facts = append(facts, "in "+time.Duration(l.Seconds*float64(time.Second)).Round(time.Second/10).String())
	}
	if l.Why != "" {
		facts = append(facts, l.Why)
	}
	if l.Times > 1 {
		facts = append(facts, fmt.Sprintf("%d times", l.Times))
	}
	return []string{timeText(l.Time), l.What, cmp.Or(who, "-"), cmp.Or(l.From, "-"), cmp.Or(l.Entry, "-"), strings.Join(facts, ", ")}
}
