package cli

import (
	"cmp"
	"context"
	"fmt"
	"github.com/p2pshare/p2pshare/internal/sizes"
	"strings"
	"time"

	"github.com/mdp/qrterminal/v3"
	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// groupObject writes what came of a request about one group, with --json.
func (s *session) groupObject(a *node.GroupAnswer) {
	if !s.out.json {
		return
	}
	s.out.object("group", struct {
		Group   node.Group `json:"group"`
		Link    string     `json:"link,omitempty"`
		Wrote   string     `json:"wrote,omitempty"`
		Missing int        `json:"missing,omitempty"`

		User     string      `json:"user,omitempty"`
		Password node.Secret `json:"password,omitempty"` // that was made: this is the answer that shows it
		Notes    []string    `json:"notes,omitempty"`
	}{withLists(the(a)), a.Link, a.Wrote, a.Missing, a.User, a.Password, a.Notes})
}

// withLists has [] rather than null where there is nothing.
func withLists(g node.Group) node.Group {
	g.Warnings = append([]string{}, g.Warnings...)
	return g
}

// warn tells what is wrong with a group.
func (s *session) warn(g node.Group) {
	for _, w := range g.Warnings {
		s.out.say("warning: %s: %s", printable(g.Name), printable(w))
	}
}

func groupListCommand() command {
	return command{
		name: "group list", group: groupGroups, max: 0, run: groupListAction,
		summary:  "list the groups that were joined",
		about:    "Prints name, kind, entries, how old the last word of an admin is, how many machines of members are met now, and the account of this machine. With --quiet, the names alone.",
		examples: []example{{"all of them", "p2pshare group list"}, {"in a script", "p2pshare group list -q | while read -r group; do p2pshare catalog verify \"$group\"; done"}},
		exits:    groupExits,
	}
}

func groupListAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{List: &struct{}{}})
	if err != nil {
		return err
	}
	if s.out.json {
		groups := []node.Group{}
		for _, g := range a.Groups {
			groups = append(groups, withLists(g))
		}
		s.out.object("groups", struct {
			Groups []node.Group `json:"groups"`
		}{groups})
		return nil
	}
	if s.out.quiet {
		for _, g := range a.Groups {
			s.out.answer(g.Name)
		}
		return nil
	}
	rows := s.head(len(a.Groups), "NAME", "KIND", "ENTRIES", "AGE", "ONLINE", "AS", "ID")
	for _, g := range a.Groups {
		as := "reader"
		if g.Account != "" {
			as = g.Account + " (" + g.Role + ")"
		}
		rows = append(rows, []string{g.Name, g.Kind, fmt.Sprint(g.Entries), g.Age, fmt.Sprint(g.Members), as, g.ID})
	}
	s.rows(rows)
	if len(a.Groups) == 0 {
		s.out.say("no group was joined; p2pshare group join LINK joins one, p2pshare group create NAME --public or --private makes one")
	}
	for _, g := range a.Groups {
		s.warn(g)
	}
	return nil
}

// head is the first line of a table, for eyes alone.
func (s *session) head(lines int, names ...string) [][]string {
	if lines == 0 || !s.eyes() {
		return nil
	}
	return [][]string{names}
}

// eyes says whether stdout is a terminal, which somebody looks at.
func (s *session) eyes() bool {
	if s.env.Screen == nil {
		return false
	}
	_, _, ok := s.env.Screen()
	return ok
}

func (s *session) rows(rows [][]string) {
	for _, line := range columns(rows) {
		s.out.answer(line)
	}
}

func groupShowCommand() command {
	return command{
		name: "group show", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupShowAction,
		summary:  "show what a group is, and what this machine is in it",
		about:    "Shows the group's ID, owners and accounts, how fresh the catalog is, this machine's account and key, and what is wrong. " + groupText,
		examples: []example{{"look at one", "p2pshare group show acme"}},
		exits:    groupExits,
	}
}

func groupShowAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Show: &struct{}{}})
	if err != nil {
		return err
	}
	s.groupObject(a)
	for _, line := range groupLines(the(a)) {
		s.out.answer(line)
	}
	s.asOf(the(a))
	s.warn(the(a))
	return nil
}

// asOf says how old it is what is known of a group, where no daemon keeps it up to date.
func (s *session) asOf(g node.Group) {
	if s.daemon || g.Heard.IsZero() {
		return
	}
	if ago := s.env.Now().Sub(g.Heard); ago >= time.Minute {
		s.out.say("as of %s, %s ago: no daemon runs that keeps it up to date (p2pshare daemon --detach)", timeText(g.Heard), agoText(ago))
	}
}

// agoText is how long ago something was, in its largest unit.
func agoText(d time.Duration) string {
	switch {
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

// groupLines tell how a group stands.
func groupLines(g node.Group) []string {
	head := fmt.Sprintf("%s: %s group", g.Name, g.Kind)
	if g.Strict {
		head = fmt.Sprintf("%s: strict %s group", g.Name, g.Kind)
	}
	if g.Title != "" && g.Title != g.Name {
		head += ", called " + g.Title + " by its owners"
	}
	rows := [][]string{
		{"  ID", g.ID},
		{"  owners", ownersText(g)},
		{"  people", plural(g.Accounts, "account") + " on " + plural(g.Devices, "machine")},
		{"  catalog", entriesText(g.Entries) + ", " + g.Age},
		{"  online", onlineText(g)},
	}
	you := "a reader"
	if g.Account != "" {
		you = g.Account + ", " + g.Role
	}
	rows = append(rows, []string{"  you", you}, []string{"  this machine", g.Device})
	if g.Owner != "" {
		key := g.Owner
		if g.Locked {
			key += ", with a passphrase"
		}
		rows = append(rows, []string{"  owner key", key})
	}
	if f := g.Follow; f != nil {
		rows = append(rows, []string{"  mirror", followText(*f)})
	}
	return append(append([]string{head}, columns(rows)...), mirrorLines(g.Mirror)...)
}

// mirrorLines tell how far a mirror is, and what it leaves out.
func mirrorLines(m *node.Mirror) []string {
	if m == nil {
		return nil
	}
	line := fmt.Sprintf("    %d of %d are here, %s", m.Here, m.Wanted, bytesText(m.Bytes))
	if m.Free >= 0 {
		line += ", " + bytesText(m.Free) + " free"
	}
	lines := []string{line}
	shown := m.LeftOut[:min(len(m.LeftOut), 5)]
	for _, x := range shown {
		lines = append(lines, fmt.Sprintf("    not mirrored: %s (%s): %s", x.Ref, bytesText(x.Size), x.Why))
	}
	if more := m.Left - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("    and %d more are not, which --json lists", more))
	}
	return lines
}

// ownersText says who changes the group, and in which of its versions it is.
func ownersText(g node.Group) string {
	text := plural(g.Owners, "owner")
	switch {
	case g.Owners == 1:
	case g.Need == 1:
		text += "; one signature is enough"
	default:
		text += fmt.Sprintf("; %d have to sign", g.Need)
	}
	return text + fmt.Sprintf("; root %d", g.Version)
}

// onlineText says whom this machine meets.
func onlineText(g node.Group) string {
	if g.Members == 0 {
		return "no other machine is met now"
	}
	return plural(g.Members, "other machine")
}

// followText says how much of a group is mirrored.
func followText(f node.Follow) string {
	text := "every version"
	if f.Keep > 0 {
		text = "the newest " + plural(f.Keep, "version") + " of each name"
	}
	if len(f.Match) > 0 {
		text += " that matches " + strings.Join(f.Match, ", ")
	}
	if f.Space > 0 {
		text += ", in at most " + bytesText(f.Space)
	}
	if f.Dir != "" {
		text += ", in " + f.Dir
	}
	return text
}

func groupLinkCommand() command {
	return command{
		name: "group link", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupLinkAction,
		summary: "print the link that others join by",
		about: "With --qr it is also drawn on the terminal (stderr), for a camera. With --hint it says where a member is found: " +
			"for machines that reach neither the DHT nor the LAN of one. " + groupText,
		examples: []example{{"hand it on", "p2pshare group link acme"}, {"to a phone or a laptop beside you", "p2pshare group link acme --qr"}},
		exits:    groupExits,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "qr", Category: groupOutput, Usage: "draw it as a QR code too"},
			&cli.StringSliceFlag{Name: "hint", Category: groupOutput, Usage: "put the address `HOST:PORT` of a member into it; up to eight times"},
		},
	}
}

func groupLinkAction(ctx context.Context, s *session, c *cli.Context) error {
	if c.Bool("qr") && (s.out.json || s.out.quiet) {
		return fault.Hint(usagef("--qr draws for eyes, and --json and --quiet are for scripts"), "leave one of them out")
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Link: &node.LinkGroup{Hints: c.StringSlice("hint")}})
	if err != nil {
		return err
	}
	if s.out.json {
		s.out.object("link", struct {
			Group string `json:"group"`
			Link  string `json:"link"`
		}{cmp.Or(the(a).Name, c.Args().First()), a.Link})
	}
	s.out.answer(a.Link)
	if c.Bool("qr") {
		s.out.say("%s", qrText(a.Link))
	}
	return nil
}

// qrText draws text in half blocks. In capitals it needs a smaller code, and a link may be written so.
func qrText(text string) string {
	var b strings.Builder
	if before, after, hints := strings.Cut(text, "?"); hints {
		text = strings.ToUpper(before) + "?" + after
	} else {
		text = strings.ToUpper(text)
	}
	qrterminal.GenerateHalfBlock(text, qrterminal.L, &b)
	return strings.TrimSuffix(b.String(), "\n")
}

func groupLogCommand() command {
	return command{
		name: "group log", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupLogAction,
		summary:  "show who signed what, and when",
		about:    "Prints the signed history of the group, the oldest first: roots, accounts, machines, rules, what was published and taken back. What does not count says why. " + groupText,
		examples: []example{{"all of it", "p2pshare group log acme"}, {"what did not count", "p2pshare group log acme --json | jq '.log[] | select(.void)'"}},
		exits:    groupExits,
	}
}

func groupLogAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), Log: &struct{}{}})
	if err != nil {
		return err
	}
	if s.out.json {
		s.out.object("group-log", struct {
			Log []node.GroupLogRecord `json:"log"`
		}{append([]node.GroupLogRecord{}, a.Log...)})
		return nil
	}
	for _, r := range a.Log {
		s.out.answer(recordLine(r))
	}
	return nil
}

func recordLine(r node.GroupLogRecord) string {
	line := timeText(r.Time) + "  " + cmp.Or(r.Account, "owners")
	if r.Device != "" {
		line += " (" + short(r.Device) + ")"
	}
	line += ": " + r.What
	if r.Void != "" {
		line += " [does not count: " + r.Void + "]"
	}
	return line
}

// timeText is local time, with how far it is from UTC.
func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05Z07:00")
}

// short is as much of a key as tells it from others at a glance.
func short(key string) string {
	if len(key) > 12 {
		return key[:12]
	}
	return key
}

func groupFollowCommand() command {
	return command{
		name: "group follow", group: groupGroups, args: "GROUP", min: 1, max: 1, run: groupFollowAction,
		summary: "mirror a group: fetch and serve what appears",
		about: "Makes this machine a mirror: it fetches what the group shares into DIR, serves it to others, and removes the versions that --keep and " +
			"--space leave no room for, the oldest first, once what is newer is whole. It can change nothing in the group. The work is the daemon's; without one it begins when " +
			"one is started.\n\n" +
			"An entry lies in DIR/NAME@VERSION, ready to be served by a web server; where two entries have one content, the folder of the second holds a symlink. " +
			"What was fetched before is copied there, by reference where the file system can. DIR is the mirror's own: what is damaged or missing in it comes back by itself, and " +
			"what goes is removed. Another DIR later takes along what is there. Each group needs a folder of its own. p2pshare group show says how far it is, and what is left out.\n\n" +
			"What you remove of it with p2pshare remove, and what went for something newer, is not fetched again until you run this command again. --stop ends it, and what was fetched stays. " + groupText,
		examples: []example{
			{"the last three versions of everything, in 200 GB", "p2pshare group follow acme -o /srv/acme --keep 3 --space 200GB"},
			{"no longer", "p2pshare group follow acme --stop"},
		},
		exits: groupExits,
		flags: []cli.Flag{
			&cli.IntFlag{Name: "keep", Category: groupEntry, Usage: "keep the newest `N` releases of each name, and as many pre-releases and others", DefaultText: "all"},
			&cli.StringFlag{Name: "space", Category: groupEntry, Usage: "use at most `SIZE`", DefaultText: "no limit"},
			&cli.StringSliceFlag{Name: "match", Category: groupEntry, Usage: "only names that match `GLOB`; may be repeated"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput, Usage: "put the content into the folder `DIR`"},
			&cli.BoolFlag{Name: "stop", Category: groupEntry, Usage: "mirror it no longer"},
		},
	}
}

func groupFollowAction(ctx context.Context, s *session, c *cli.Context) error {
	f := node.Follow{Keep: c.Int("keep"), Match: c.StringSlice("match"), Dir: s.abs(c.String("output")), Stop: c.Bool("stop")}
	var err error
	if v := c.String("space"); v != "" {
		if f.Space, err = sizes.Bytes(v); err != nil {
			return flagValue("space", err)
		}
	}
	switch {
	case f.Stop && (s.onLine("keep") || f.Space > 0 || len(f.Match) > 0 || f.Dir != ""):
		return fault.Hint(usagef("--stop ends the mirror, and the other flags say how it is kept"), "leave one of them out")
	case !f.Stop && f.Dir == "":
		return fault.Hint(usagef("group follow needs a folder for what it fetches"), "add -o DIR")
	case f.Keep < 0 || f.Keep == 0 && s.onLine("keep"):
		return usagef("--keep %d is not a number of versions", f.Keep)
	}
	daemon := false
	var a *node.GroupAnswer
	err = s.withGroups(ctx, c, func(b Backend) (err error) {
		daemon = b.Daemon()
		a, err = groupOf(b.Group(ctx, node.GroupRequest{Group: c.Args().First(), Follow: &f}, s.out.event))
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare group show says what holds now")
	}
	s.groupObject(a)
	switch g := the(a); {
	case f.Stop:
		s.out.answer(g.Name + ": no longer mirrored")
		s.out.say("what was fetched stays, and so do its shares, until p2pshare remove")
	default:
		holds := f
		if g.Follow != nil {
			holds = *g.Follow
		}
		s.out.answer(g.Name + ": mirrors " + followText(holds))
		for _, note := range a.Notes {
			s.out.say("%s", printable(note))
		}
		if !daemon {
			s.out.say("no daemon runs: it begins when one is started (p2pshare daemon --detach)")
		}
	}
	return nil
}
