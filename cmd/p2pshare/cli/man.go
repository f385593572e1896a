package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() command {
	return command{
		name: "man", group: groupProgram, run: manAction, summary: "print the manual page",
		about:    "Prints a page for section 1, in roff, made from the same table as the help.",
		examples: []example{{"read it", "p2pshare man | man -l -"}, {"install it", "p2pshare man > ~/.local/share/man/man1/p2pshare.1"}},
		exits:    []int{exitDone, exitFailed, exitUsage},
	}
}

func manAction(_ context.Context, s *session, _ *cli.Context) error {
	page, err := manPage(s.table)
	if err != nil {
		return err
	}
	return s.text("man", page)
}

// manPage lets urfave/cli render the table, with the common flags told once and what only our help
// knows (usage, examples, variables, exit codes) in the descriptions.
func manPage(table []command) (string, error) {
	app := newApp(table, func(command) cli.ActionFunc { return nil })
	app.Flags = commonFlags()
	var exits strings.Builder
	for _, w := range exitWords {
		fmt.Fprintf(&exits, "**%d** %s\n\n", w.code, w.words)
	}
	app.Description = overviewText + "\n\n" + jsonHelp + "\n\n# EXIT CODES\n\n" + exits.String() +
		"# ENVIRONMENT\n\nP2PSHARE_HOME stands in for --home, P2PSHARE_CONFIG for --config. Each network flag and each of the daemon's has a " +
		"variable too: P2PSHARE_PORT for --port, P2PSHARE_NO_DHT for --no-dht. In those of flags that may be repeated, spaces separate the " +
		"values.\n\n# FILES\n\n~/.config/p2pshare/config.toml: settings; a flag and a variable go before them. ~/.local/state/p2pshare: the home."
	app.UsageText = "p2pshare COMMAND [flags] [arguments]"
	for i, c := range table {
		app.Commands[i].Flags = c.flags
		var text strings.Builder
		text.WriteString("p2pshare " + strings.TrimSpace(c.name+" "+c.args) + "\n\n")
		for _, e := range c.examples {
			fmt.Fprintf(&text, "%s\n", e.line)
		}
		app.Commands[i].UsageText = text.String()
		app.Commands[i].Description = c.about
		app.Commands[i].Usage = c.summary + "\n\n" + c.about
	}
	page, err := app.ToManWithSection(1)
	if err != nil {
		return "", fmt.Errorf("making the manual page: %w", err)
	}
	return page, nil
}
