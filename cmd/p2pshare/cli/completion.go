package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
)

func completionCommand() command {
	return command{
		name: "completion", group: groupProgram, args: "SHELL", min: 1, max: 1, run: completionAction, summary: "print completion for bash, zsh or fish",
		about: "The script knows every command and flag of this version, and asks for the names of the shares, groups and entries where a command takes them; " +
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
	switch shell := c.Args().First(); shell {
	case "bash":
		script = bashCompletion(s.table)
	case "zsh":
		script = zshCompletion(s.table)
	case "fish":
		script = fishCompletion(s.table)
	default:
		return fault.Hint(usagef("there is no completion for %q", shell), "choose bash, zsh or fish")
	}
	return s.text("completion", script)
}

// place is where a user may stand on the line: behind the words of a command or level, or before any.
type place struct {
	name, summary string
	words         []string // that may follow, where there are only a few
	flags         []cli.Flag
	kind          string // of names that the program is asked for
	files         bool   // may follow too
}

// places are the levels and commands of the table; the first is before any word.
func places(table []command) []place {
	all := []place{{words: nextWords(table, ""), flags: commonFlags()}}
	for _, name := range slices.Sorted(maps.Keys(levels())) {
		all = append(all, place{name: name, summary: levels()[name].summary, words: nextWords(table, name), flags: commonFlags()})
	}
	for _, c := range table {
		p := place{name: c.name, summary: c.summary, flags: c.allFlags(), kind: argumentKind(c), words: argumentWords(c, nextWords(table, ""))}
		p.files = p.words == nil && (p.kind == "" || c.name == "fetch" || c.name == "verify" || strings.Contains(c.args, "FILE"))
		all = append(all, p)
	}
	return all
}

// argumentKind says of which kind the names are that a command takes.
func argumentKind(c command) string {
	switch {
	case c.name == "fetch", strings.HasPrefix(c.args, "GROUP/"):
		return kindEntries // what is fetched is no share yet
	case strings.HasPrefix(c.args, "GROUP"):
		return kindGroups
	case strings.Contains(c.args, "REF"):
		return kindShares
	}
	return ""
}

// argumentWords are the arguments of a command, where there are only a few.
func argumentWords(c command, first []string) []string {
	switch c.name {
	case "completion":
		return []string{"bash", "zsh", "fish"}
	case "config":
		return []string{"show", "path", "init"}
	case "help":
		return first
	}
	return nil
}

// pathPatterns are the words of every place with a space in front, as a pattern of the shells.
func pathPatterns(all []place) string {
	var names []string
	for _, p := range all[1:] {
		names = append(names, `" `+p.name+`"`)
	}
	return strings.Join(names, "|")
}

const bashHead = `# p2pshare completion
_p2pshare_names() {
    local typed="$cur" quote= name kind="$1"
    case "$typed" in
        \"*) quote=double typed="${typed:1}" ;;
        \'*) quote=single typed="${typed:1}" ;;
        *) typed="${typed//\\/}" ;;
    esac
    while IFS= read -r name; do
        [[ "$name" == "$typed"* ]] || continue
        [[ "$name" == */ ]] && compopt -o nospace 2>/dev/null
        case "$quote" in
            "") printf -v name %%q "$name" ;;
            single) [[ "$name" != *\'* ]] || continue ;;
            double)
                name="${name//\\/\\\\}"
                name="${name//\$/\\\$}"
                name="${name//\GRAVE/\\\GRAVE}" ;;
        esac
        COMPREPLY+=("$name")
    done < <(command p2pshare __complete "$kind" "$typed" 2>/dev/null)
}
_p2pshare() {
    local cur="${COMP_WORDS[COMP_CWORD]}" path= flags= words= kind= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${COMP_WORDS[i]}" in
            %s) path="$path ${COMP_WORDS[i]}" ;;
        esac
    done
    case "$path" in
`

const bashTail = `    esac
    if [[ "${COMP_WORDS[COMP_CWORD-1]}" == --group ]]; then
        words= kind=groups
    fi
    if [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    elif [[ -n "$words" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ -n "$kind" ]]; then
        _p2pshare_names "$kind"
    fi
}
complete -o default -F _p2pshare p2pshare
`

func bashCompletion(table []command) string {
	var b strings.Builder
	all := places(table)
	fmt.Fprintf(&b, strings.ReplaceAll(bashHead, "GRAVE", "`"), pathPatterns(all)) // a raw string holds no grave accent
	for _, p := range all {
		fmt.Fprintf(&b, "        %q) flags=%q", spaced(p.name), placeFlags(p))
		if p.words != nil {
			fmt.Fprintf(&b, " words=%q", strings.Join(p.words, " "))
		}
		if p.kind != "" {
			b.WriteString(" kind=" + p.kind)
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString(bashTail)
	return b.String()
}

// spaced is a place's words as the scripts gather them: each with a space in front.
func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

func placeFlags(p place) string {
	var words []string
	if p.name == "" {
		words = []string{"--version"}
	}
	for _, f := range p.flags {
		words = append(words, "--"+f.Names()[0])
	}
	return strings.Join(words, " ")
}

const zshHead = `#compdef p2pshare
_p2pshare() {
    local place= i kind= names
    local -a flags args
    for ((i = 2; i < CURRENT; i++)); do
        case "$place $words[i]" in
            (%s) place="$place $words[i]" ;;
        esac
    done
    case "$place" in
`

const zshTail = `    esac
    if [[ $words[CURRENT-1] == --group ]]; then
        args=() kind=groups
    fi
    if [[ $PREFIX == -* ]]; then
        compadd -- $flags
    elif (( $#args )); then
        compadd -- $args
    else
        if [[ -n $kind ]]; then
            args=("${(@f)$(command p2pshare __complete $kind "${(Q)PREFIX}" 2>/dev/null)}")
            args=(${args:#})
            if [[ -n ${(M)args:#*/} ]]; then
                compadd -S '' -- "${args[@]}" && return
            fi
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
	all := places(table)
	fmt.Fprintf(&b, zshHead, pathPatterns(all))
	for _, p := range all {
		fmt.Fprintf(&b, "        (%q) flags=(%s)", spaced(p.name), placeFlags(p))
		if p.words != nil {
			fmt.Fprintf(&b, " args=(%s)", strings.Join(p.words, " "))
		}
		if p.kind != "" {
			b.WriteString(" kind=" + p.kind)
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString(zshTail)
	return b.String()
}

const fishHead = `# p2pshare completion
function __p2pshare_at
    set -l place ''
    for word in (commandline -opc)[2..-1]
        contains -- "$place $word" %s
        and set place "$place $word"
    end
    test "$place" = "$argv[1]"
end
`

func fishCompletion(table []command) string {
	var b strings.Builder
	all := places(table)
	fmt.Fprintf(&b, fishHead, strings.ReplaceAll(pathPatterns(all), "|", " "))
	summaries := make(map[string]string)
	for _, p := range all[1:] {
		summaries[p.name] = p.summary
	}
	for _, p := range all {
		at := fmt.Sprintf("complete -c p2pshare -n '__p2pshare_at %q'", spaced(p.name))
		for _, f := range p.flags {
			b.WriteString(at + fishFlag(f) + "\n")
		}
		if p.name == "" {
			b.WriteString(at + " -l version -d 'print the version'\n")
		}
		for _, w := range p.words {
			line := at + " -f -a " + fishQuote(w)
			if text := summaries[strings.TrimPrefix(p.name+" "+w, " ")]; text != "" && p.name != "help" {
				line += " -d " + fishQuote(text)
			}
			b.WriteString(line + "\n")
		}
		if p.kind != "" {
			if !p.files {
				at += " -f"
			}
			fmt.Fprintf(&b, "%s -a '(command p2pshare __complete %s (commandline -ct) 2>/dev/null)'\n", at, p.kind)
		}
	}
	return b.String()
}

// fishFlag is a flag as fish's complete wants it.
func fishFlag(f cli.Flag) string {
	d := f.(cli.DocGenerationFlag)
	line := ""
	for _, n := range f.Names() {
		if len(n) == 1 {
			line += " -s " + n
		} else {
			line += " -l " + n
		}
	}
	switch {
	case f.Names()[0] == "group" && d.TakesValue():
		line += " -x -a '(command p2pshare __complete groups 2>/dev/null)'"
	case d.TakesValue():
		line += " -r"
	}
	_, usage := unquote(d.GetUsage())
	return line + " -d " + fishQuote(usage)
}

// fishQuote puts text in fish's single quotes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
