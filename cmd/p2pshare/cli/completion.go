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
		about: "The script knows every command and flag of this version, and asks for the names of the shares where a command takes them; " +
			"files are completed where a value or argument is one.",
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
		script = zshCompletion(s.table)
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

// takesShares says whether the arguments of a command may be names of shares.
func takesShares(c command) bool {
	return strings.Contains(c.args, "REF") && c.name != "fetch" // what is fetched is not here yet
}

// argumentWords are the arguments of a command, where there are only a few.
func argumentWords(c command, names []string) []string {
	switch c.name {
	case "completion":
		return []string{"bash", "zsh", "fish"}
	case "config":
		return []string{"show", "path", "init"}
	case "help":
		return names
	}
	return nil
}

func commandNames(table []command) []string {
	var names []string
	for _, c := range table {
		names = append(names, c.name)
	}
	return names
}

const bashHead = `# p2pshare completion
_p2pshare_shares() {
    local typed="$cur" quote= name
    case "$typed" in
        \"*) quote=double typed="${typed:1}" ;;
        \'*) quote=single typed="${typed:1}" ;;
        *) typed="${typed//\\/}" ;;
    esac
    while IFS= read -r name; do
        [[ "$name" == "$typed"* ]] || continue
        case "$quote" in
            "") printf -v name %%q "$name" ;;
            single) [[ "$name" != *\'* ]] || continue ;;
            double)
                name="${name//\\/\\\\}"
                name="${name//\$/\\\$}"
                name="${name//\GRAVE/\\\GRAVE}" ;;
        esac
        COMPREPLY+=("$name")
    done < <(command p2pshare __complete shares 2>/dev/null)
}
_p2pshare() {
    local cur="${COMP_WORDS[COMP_CWORD]}" command= flags= words= shares= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
            %s) command="${COMP_WORDS[i]}"; break ;;
        esac
    done
    case "$command" in
`

const bashTail = `    esac
    if [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    elif [[ -n "$words" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ -n "$shares" ]]; then
        _p2pshare_shares
    fi
}
complete -o default -F _p2pshare p2pshare
`

func bashCompletion(table []command) string {
	var b strings.Builder
	names := commandNames(table)
	fmt.Fprintf(&b, strings.ReplaceAll(bashHead, "GRAVE", "`"), strings.Join(names, "|")) // a raw string holds no grave accent
	fmt.Fprintf(&b, "        \"\") words=%q flags=%q ;;\n", strings.Join(names, " "), "--version "+flagWords(commonFlags()))
	for _, c := range table {
		fmt.Fprintf(&b, "        %s) flags=%q", c.name, flagWords(c.allFlags()))
		if words := argumentWords(c, names); words != nil {
			fmt.Fprintf(&b, " words=%q", strings.Join(words, " "))
		}
		if takesShares(c) {
			b.WriteString(" shares=1")
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString(bashTail)
	return b.String()
}

const zshHead = `#compdef p2pshare
_p2pshare() {
    local command= i shares=
    local -a flags args
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
            (%s) command=$words[i]; break ;;
        esac
    done
    case $command in
`

const zshTail = `    esac
    if [[ $PREFIX == -* ]]; then
        compadd -- $flags
    elif (( $#args )); then
        compadd -- $args
    else
        if [[ -n $shares ]]; then
            args=("${(@f)$(command p2pshare __complete shares 2>/dev/null)}")
            args=(${args:#})
            (( $#args )) && compadd -- "${args[@]}" && return
        fi
        _files
    fi
}
if [[ "${funcstack[1]}" == _p2pshare ]]; then
    _p2pshare "$@"
else
    compdef _p2pshare p2pshare
fi
`

func zshCompletion(table []command) string {
	var b strings.Builder
	names := commandNames(table)
	fmt.Fprintf(&b, zshHead, strings.Join(names, "|"))
	fmt.Fprintf(&b, "        (\"\") args=(%s) flags=(--version %s) ;;\n", strings.Join(names, " "), flagWords(commonFlags()))
	for _, c := range table {
		fmt.Fprintf(&b, "        (%s) flags=(%s)", c.name, flagWords(c.allFlags()))
		if words := argumentWords(c, names); words != nil {
			fmt.Fprintf(&b, " args=(%s)", strings.Join(words, " "))
		}
		if takesShares(c) {
			b.WriteString(" shares=1")
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString(zshTail)
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
	names := commandNames(table)
	var b strings.Builder
	b.WriteString(script)
	for _, c := range table {
		seen := fmt.Sprintf("complete -c p2pshare -n '__fish_seen_subcommand_from %s'", c.name)
		if words := argumentWords(c, names); words != nil && c.name != "help" {
			fmt.Fprintf(&b, "%s -f -a '%s'\n", seen, strings.Join(words, " "))
		}
		if takesShares(c) {
			if c.name != "verify" { // which takes files too
				seen += " -f"
			}
			fmt.Fprintf(&b, "%s -a '(command p2pshare __complete shares 2>/dev/null)'\n", seen)
		}
	}
	return b.String(), nil
}
