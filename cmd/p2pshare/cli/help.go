package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

const tagline = "share files from peer to peer, verified"

const overviewText = "Publishes files and folders as ordinary BitTorrent, and fetches them with every byte verified."

func helpCommand() command {
	return command{
		name: "help", group: groupProgram, args: "[COMMAND]", max: -1, run: helpAction, summary: "show help on a command",
		about:    "Without a command, shows the overview. p2pshare COMMAND --help does the same.",
		examples: []example{{"all about fetch", "p2pshare help fetch"}},
		exits:    []int{exitDone, exitUsage},
	}
}

func helpAction(_ context.Context, s *session, c *cli.Context) error {
	level := ""
	for _, word := range c.Args().Slice() {
		name := strings.TrimPrefix(level+" "+word, " ")
		if find(s.table, name) == nil && !isLevel(s.table, name) {
			return unknownCommand(s.table, level, word)
		}
		level = name
	}
	return showHelp(s, find(s.table, level), level)
}

// showHelp shows the help of a command, else of the level that its first words name, else the overview.
func showHelp(s *session, c *command, level string) error {
	switch {
	case c != nil:
		return s.text("help", commandHelp(*c))
	case level != "":
		return s.text("help", levelHelp(s.table, level))
	}
	return s.text("help", overviewHelp(s.table))
}

func overviewHelp(table []command) string {
	var b strings.Builder
	fmt.Fprintf(&b, `p2pshare: %s

  p2pshare publish ./release                 share a folder; prints its magnet link
  p2pshare fetch 'magnet:?xt=...'            get it, from peers and web seeds
  p2pshare fetch acme/app@latest             get it by name, from a group that was joined (p2pshare help group)
  p2pshare daemon --detach                   go on in the background: publish and fetch hand over to it
  p2pshare status                            show what is shared and fetched, and what keeps it from moving
`, tagline)
	for _, group := range []string{groupTransfers, groupGroups, groupShares, groupChecks, groupProgram} {
		fmt.Fprintf(&b, "\n%s:\n", group)
		told := ""
		for _, c := range table {
			name, summary := c.name, c.summary
			if word, _, below := strings.Cut(c.name, " "); below {
				name, summary = word, levels()[word].summary
			}
			if cmp.Or(c.group, groupProgram) == group && name != told {
				told = name
				fmt.Fprintf(&b, "  %-12s%s\n", name, summary)
			}
		}
	}
	b.WriteString("\nHelp on one: p2pshare help COMMAND. Flags may stand before or after arguments.\n")
	return b.String()
}

// levelHelp lists the commands that begin with the words of a level.
func levelHelp(table []command, name string) string {
	var b strings.Builder
	l := levels()[name]
	fmt.Fprintf(&b, "p2pshare %s: %s\n\nUsage:\n  p2pshare %s COMMAND [flags]\n\n%s\n\nCommands:\n", name, l.summary, name, wrap(l.about, 96))
	for _, c := range table {
		if below, ok := strings.CutPrefix(c.name, name+" "); ok {
			fmt.Fprintf(&b, "  %-18s%s\n", below, c.summary)
		}
	}
	fmt.Fprintf(&b, "\nHelp on one: p2pshare help %s COMMAND.\n", name)
	return b.String()
}

func commandHelp(c command) string {
	var b strings.Builder
	usage := "p2pshare " + c.name
	if c.args != "" {
		usage += " " + c.args
	}
	fmt.Fprintf(&b, "p2pshare %s: %s\n\nUsage:\n  %s [flags]\n\n%s\n\nExamples:\n", c.name, c.summary, usage, wrap(c.about, 96))
	for _, e := range c.examples {
		fmt.Fprintf(&b, "  # %s\n  %s\n", e.does, e.line)
	}
	flags := c.allFlags()
	for _, group := range []string{groupTorrent, groupEntry, groupMember, groupOutput, groupSeeding, groupDaemon, groupNetwork, groupCommon} {
		lines := flagLines(c.name, flags, group)
		if lines != "" {
			fmt.Fprintf(&b, "\n%s:\n%s", group, lines)
		}
	}
	fmt.Fprintf(&b, "\nExit codes:\n%s", exitHelp(c.exits))
	b.WriteString("\n" + wrap(jsonHelp, 96) + "\n")
	return b.String()
}

const jsonHelp = "With --json, stdout holds one object a line, each with \"version\" and \"type\" (kept, progress, published, " +
	"seeding, fetched, verified, status, list, lint, stopped, message, error and others). A failed run ends with an object of " +
	"type error that holds error, hint and code. Progress comes at most once a second."

func flagLines(command string, flags []cli.Flag, group string) string {
	var b strings.Builder
	for _, f := range flags {
		d := f.(cli.DocGenerationFlag)
		if f.(cli.CategorizableFlag).GetCategory() != group {
			continue
		}
		value, usage := unquote(d.GetUsage())
		head := "    --" + f.Names()[0]
		if len(f.Names()) > 1 {
			if other := f.Names()[1]; len(other) == 1 {
				head = "-" + other + ", --" + f.Names()[0]
			} else {
				head += ", --" + other
			}
		}
		if d.TakesValue() {
			head += " " + value
		}
		if text := d.GetDefaultText(); d.TakesValue() && text != "" && !strings.Contains(usage, "default") {
			usage += " (default: " + strings.Trim(text, `"`) + ")"
		}
		if env := envName(command, f); env != "" {
			usage += " [" + env + "]"
		}
		text := strings.ReplaceAll(wrap(usage, 66), "\n", "\n"+strings.Repeat(" ", 30))
		if len(head) > 26 {
			fmt.Fprintf(&b, "  %s\n%s%s\n", head, strings.Repeat(" ", 30), text)
		} else {
			fmt.Fprintf(&b, "  %-28s%s\n", head, text)
		}
	}
	return b.String()
}

// unquote takes the `VALUE` out of a usage text.
func unquote(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "VALUE", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	return value, before + value + after
}

// wrap breaks paragraphs at width columns.
func wrap(s string, width int) string {
	var out []string
	for para := range strings.SplitSeq(s, "\n\n") {
		line := ""
		var lines []string
		for _, w := range strings.Fields(para) {
			if line != "" && len(line)+1+len(w) > width {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += w
		}
		out = append(out, strings.Join(append(lines, line), "\n"))
	}
	return strings.Join(out, "\n\n")
}
