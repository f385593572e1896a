package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
)

func completionCommand() command {
	return command{
		name: "completion", group: groupProgram, args: "SHELL", min: 1, max: 1, run: completionAction, summary: "print completion for bash, zsh or fish",
		about: "The script knows every command and flag of this version; files are completed where a value or argument is one.",
		examples: []example{
			{"bash", "source <(p2pshare completion bash)"},
			{"zsh, in a folder of $fpath", "p2pshare completion zsh > ~/.zfunc/_p2pshare"},
			{"fish", "p2pshare completion fish > ~/.config/fish/completions/p2pshare.fish"},
		},
		exits: []int{exitDone, exitFailed, exitUsage},
	}
}

func completionAction(_ context.Context, s *session, c *cli.Context) error {
	var script string
	var err error
	switch shell := c.Args().First(); shell {
	case "bash":
		script = bashCompletion(s.table)
	case "zsh":
		// zsh runs bash's completion functions through its own adapter.
		script = "#compdef p2pshare\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion(s.table)
	case "fish":
		script, err = fishCompletion(s.table)
	default:
		return fault.Hint(usagef("there is no completion for %q", shell), "choose bash, zsh or fish")
	}
	if err != nil {
		return err
	}
	return s.text("completion", script)
}

func bashCompletion(table []command) string {
	var b strings.Builder
	var names []string
	for _, c := range table {
		names = append(names, c.name)
	}
	fmt.Fprintf(&b, `# p2pshare completion
_p2pshare() {
    local cur="${COMP_WORDS[COMP_CWORD]}" command= words i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
            %s) command="${COMP_WORDS[i]}"; break ;;
        esac
    done
    case "$command" in
        "") words=%q ;;
`, strings.Join(names, "|"), strings.Join(names, " ")+" --version "+flagWords(commonFlags()))
	for _, c := range table {
		words := flagWords(c.allFlags())
		switch c.name {
		case "completion":
			words += " bash zsh fish"
		case "help":
			words += " " + strings.Join(names, " ")
		}
		fmt.Fprintf(&b, "        %s) words=%q ;;\n", c.name, words)
	}
	b.WriteString(`    esac
    if [[ -z "$command" || "$cur" == -* || "$command" == completion || "$command" == help ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    fi
}
complete -o default -F _p2pshare p2pshare
`)
	return b.String()
}

func flagWords(flags []cli.Flag) string {
	var words []string
	for _, f := range flags {
		words = append(words, "--"+f.Names()[0])
	}
	return strings.Join(words, " ")
}

func fishCompletion(table []command) (string, error) {
	app := newApp(table, func(command) cli.ActionFunc { return nil })
	script, err := app.ToFishCompletion()
	if err != nil {
		return "", fmt.Errorf("making the completion: %w", err)
	}
	return script, nil
}
