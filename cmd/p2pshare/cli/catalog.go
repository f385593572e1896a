package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const entryText = "VERSION is a version, latest, stable (the latest that is no pre-release) or a range such as 1.x; without it, stable is meant, or the latest where nothing is."

// askCatalog carries a request about a catalog out.
func (s *session) askCatalog(ctx context.Context, c *cli.Context, r node.CatalogRequest) (a *node.CatalogAnswer, err error) {
	r.Offline = c.Bool("offline")
	err = s.withGroups(ctx, c, func(b Backend) (err error) {
		a, err = catalogOf(b.Catalog(ctx, r, s.out.event))
		return err
	})
	return a, interrupted(ctx, err, "nothing was changed")
}

// catalogOf keeps an answer that is none from being taken for one.
func catalogOf(a *node.CatalogAnswer, err error) (*node.CatalogAnswer, error) {
	if err == nil && a == nil {
		err = errors.New("there was no answer")
	}
	return a, err
}

// splitEntry takes GROUP/NAME[@VERSION] or LINK/NAME[@VERSION] apart and judges the form of both.
func splitEntry(arg string) (group, name string, err error) {
	group, name, found := strings.Cut(strings.TrimSpace(arg), "/")
	if !found || group == "" || name == "" {
		return "", "", fault.Hint(usagef("%q names no entry", arg), "write GROUP/NAME or GROUP/NAME@VERSION; p2pshare catalog list GROUP shows them")
	}
	if isLink(group) {
		if _, err := signed.ParseLink(group); err != nil {
			return "", "", err
		}
	}
	_, _, err = catalog.SplitName(name)
	return group, name, err
}

// catalogObject writes entries, with --json.
func (s *session) catalogObject(a *node.CatalogAnswer) {
	s.out.object("catalog", struct {
		Group    node.Group   `json:"group"`
		Entries  []node.Entry `json:"entries"`
		Problems []string     `json:"problems"`
	}{withLists(a.Group), append([]node.Entry{}, a.Entries...), append([]string{}, a.Problems...)})
}

func (s *session) problems(a *node.CatalogAnswer) {
	s.warn(a.Group)
	for _, p := range a.Problems {
		s.out.say("warning: %s", printable(p))
	}
}

func catalogListCommand() command {
	return command{
		name: "catalog list", group: groupGroups, args: "GROUP", min: 1, max: 1, run: catalogListAction,
		summary: "list what a group shares",
		about: "Prints of each name the version that p2pshare fetch GROUP/NAME takes, and a newer one if there is one, such as a pre-release: size, when and by whom it was published, and the publisher's note. " +
			"With --quiet, what fetch takes, one of each name: GROUP/NAME@VERSION. Where a name has several lines, an asterisk marks the one that its name alone stands for. " + groupText,
		examples: []example{
			{"what there is", "p2pshare catalog list acme"},
			{"every version of what has both words in name or note", "p2pshare catalog list acme --all --search 'linux arm64'"},
		},
		exits: groupExits,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "search", Category: groupOutput, Usage: "only entries in which every one of `WORDS` occurs: in name, version, content, note or publisher"},
			&cli.BoolFlag{Name: "all", Category: groupOutput, Usage: "every version"},
		},
	}
}

func catalogListAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askCatalog(ctx, c, node.CatalogRequest{Group: c.Args().First(), List: &node.ListCatalog{Search: c.String("search"), All: c.Bool("all")}})
	if err != nil {
		return err
	}
	switch {
	case s.out.json:
		s.catalogObject(a)
		return nil
	case s.out.quiet:
		for _, e := range a.Entries {
			if e.Usual || c.Bool("all") || c.String("search") != "" {
				s.out.answer(e.Ref)
			}
		}
		return nil
	}
	s.asOf(a.Group)
	rows := s.head(len(a.Entries), "NAME", "VERSION", "SIZE", "FILES", "PUBLISHED", "BY", "NOTE")
	lines, marked := map[string]int{}, ""
	for _, e := range a.Entries {
		lines[e.Name]++
	}
	for _, e := range a.Entries {
		version := cmp.Or(e.Version, "-")
		if e.Usual && lines[e.Name] > 1 && s.eyes() {
			version, marked = version+" *", e.Name
		}
		rows = append(rows, []string{e.Name, version, bytesText(e.Size), fmt.Sprint(e.Files), timeText(e.Time), author(e), e.Note})
	}
	s.rows(rows)
	if marked != "" {
		s.out.say("* is what p2pshare fetch %s/%s takes, without a version", printable(a.Group.Name), printable(marked))
	}
	if len(a.Entries) == 0 {
		what := "nothing is shared in " + printable(a.Group.Name)
		if c.String("search") != "" {
			what = "nothing in " + printable(a.Group.Name) + " has all of these words"
		}
		s.out.say("%s", what)
		if a.Group.Role == "mirror" {
			s.out.say("this machine is a mirror: it holds what is encrypted, and reads no names; p2pshare list shows what it holds")
		}
	}
	s.problems(a)
	return nil
}

func catalogShowCommand() command {
	return command{
		name: "catalog show", group: groupGroups, args: "GROUP/NAME[@VERSION]", min: 1, max: 1, run: catalogShowAction,
		summary:  "show an entry, with its magnet link",
		about:    "Shows what was signed: by whom and when, what the content is called, its hashes, and a magnet link that any BitTorrent client can fetch. " + entryText,
		examples: []example{{"the latest", "p2pshare catalog show acme/app"}, {"one version", "p2pshare catalog show acme/app@1.4.2"}},
		exits:    groupExits,
	}
}

func catalogShowAction(ctx context.Context, s *session, c *cli.Context) error {
	group, name, err := splitEntry(c.Args().First())
	if err != nil {
		return err
	}
	a, err := s.askCatalog(ctx, c, node.CatalogRequest{Group: group, Show: &name})
	if err != nil {
		return err
	}
	if s.out.json {
		s.catalogObject(a)
		return nil
	}
	for i, e := range a.Entries {
		if i > 0 {
			s.out.answer("")
		}
		for _, line := range entryLines(e) {
			s.out.answer(line)
		}
	}
	s.problems(a)
	return nil
}

// author is whose entry it is, as far as an admin has confirmed that.
func author(e node.Entry) string {
	if e.Unconfirmed {
		return e.Account + " (unconfirmed)"
	}
	return e.Account
}

// entryLines tell all that was signed of an entry.
func entryLines(e node.Entry) []string {
	rows := [][]string{
		{"  content", e.Content + ": " + counted(e.Files, e.Size)},
		{"  published", timeText(e.Time) + " by " + author(e) + " (machine " + short(e.Device) + ")"},
	}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{"  " + name, value})
		}
	}
	add("note", e.Note)
	add("for", strings.Join(e.For, ", "))
	if !e.Until.IsZero() {
		add("until", timeText(e.Until))
	}
	add("infohash", e.Infohash)
	add("info SHA-256", e.InfoSHA256)
	for _, u := range e.WebSeeds {
		add("web seed", u)
	}
	for _, o := range e.Others {
		add("also by", o+", which does not count")
	}
	add("magnet", e.Magnet)
	return append([]string{e.Ref}, columns(rows)...)
}

func catalogVerifyCommand() command {
	return command{
		name: "catalog verify", group: groupGroups, args: "GROUP", min: 1, max: 1, run: catalogVerifyAction,
		summary:  "verify every signature of a group again",
		about:    "Reads all that this machine has of the group from disk, and checks every signature, hash and right anew. Records that do not count are named, and why. " + groupText,
		examples: []example{{"check it", "p2pshare catalog verify acme"}},
		exits:    append(slices.Clone(groupExits), exitUnverified),
	}
}

func catalogVerifyAction(ctx context.Context, s *session, c *cli.Context) error {
	a, err := s.askCatalog(ctx, c, node.CatalogRequest{Group: c.Args().First(), Verify: &struct{}{}})
	if err != nil {
		return err
	}
	if s.out.json {
		s.out.object("catalog-verified", counts(a))
		return nil
	}
	s.out.answer(fmt.Sprintf("OK %s: %s of %s", a.Group.Name, plural(int(a.Records), "record"), plural(a.Devices, "machine")))
	s.problems(a)
	return nil
}

// catalogCounts is how many records a request was about.
type catalogCounts struct {
	Group    node.Group `json:"group"`
	File     string     `json:"file,omitempty"`
	Records  int64      `json:"records"`
	Devices  int        `json:"devices"`
	Problems []string   `json:"problems"`
}

func counts(a *node.CatalogAnswer) catalogCounts {
	return catalogCounts{withLists(a.Group), "", a.Records, a.Devices, append([]string{}, a.Problems...)}
}

func catalogExportCommand() command {
	return command{
		name: "catalog export", group: groupGroups, args: "GROUP FILE", min: 2, max: 2, run: catalogExportAction,
		summary:  "write a group's catalog to a file",
		about:    "FILE holds all that was signed, and no secret: for machines that never meet, and as a backup of the catalog (the keys are in the home alone). p2pshare group join FILE joins by it, p2pshare catalog import brings an older copy up to date. " + groupText,
		examples: []example{{"carry it over", "p2pshare catalog export acme acme.p2pshare"}},
		exits:    groupExits,
	}
}

func catalogExportAction(ctx context.Context, s *session, c *cli.Context) error {
	file := s.abs(c.Args().Get(1))
	a, err := s.askCatalog(ctx, c, node.CatalogRequest{Group: c.Args().First(), Export: &file, Umask: uint32(s.env.Umask)})
	if err != nil {
		return err
	}
	if s.out.json {
		n := counts(a)
		n.File = file
		s.out.object("exported", n)
		return nil
	}
	s.out.path(file)
	s.out.say("wrote %s of %s; p2pshare group join %s joins by it", plural(int(a.Records), "record"), plural(a.Devices, "machine"), printable(file))
	return nil
}

func catalogImportCommand() command {
	return command{
		name: "catalog import", group: groupGroups, args: "GROUP FILE", min: 2, max: 2, run: catalogImportAction,
		summary:  "bring a group's catalog up to date from a file",
		about:    "Takes what is newer in FILE, which p2pshare catalog export wrote on another machine. Everything is verified as if a member had sent it; nothing is ever rolled back. " + groupText,
		examples: []example{{"take it in", "p2pshare catalog import acme acme.p2pshare"}},
		exits:    append(slices.Clone(groupExits), exitUnverified),
	}
}

func catalogImportAction(ctx context.Context, s *session, c *cli.Context) error {
	file := s.abs(c.Args().Get(1))
	a, err := s.askCatalog(ctx, c, node.CatalogRequest{Group: c.Args().First(), Import: &file})
	if err != nil {
		return err
	}
	if s.out.json {
		n := counts(a)
		n.File = file
		s.out.object("imported", n)
		return nil
	}
	s.out.answer(fmt.Sprintf("%s: %s of %s", a.Group.Name, plural(int(a.Records), "new record"), plural(a.Devices, "machine")))
	s.problems(a)
	return nil
}
