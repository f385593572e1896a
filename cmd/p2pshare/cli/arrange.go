package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/config"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/spelling"
)

// words is a command line put in order: urfave/cli stops reading flags at the first argument, so
// every flag is moved to the front and the arguments follow behind "--".
type words struct {
	command *command // nil: none was named
	level   string   // the words before those that are missing to name a command
	flags   []string // --name=value, or --name
	args    []string
	from    map[string]origin // where a flag that the line does not set comes from
}

// origin is where the value of a flag comes from, if not from the line.
type origin struct {
	Variable string `json:"variable,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

func (o origin) String() string {
	if o.File != "" {
		return o.File + ":" + strconv.Itoa(o.Line)
	}
	return o.Variable
}

func (w words) help() bool { return slices.Contains(w.flags, "--help") }

// line is what urfave/cli is given.
func (w words) line() []string {
	return slices.Concat([]string{"p2pshare", w.command.name}, w.flags, []string{"--"}, w.args)
}

// arrange orders args. The first arguments that are no flags name the command, and flags may stand
// anywhere, up to a "--". A flag that the command does not know is refused with the closest one.
// What the line does not set is taken from the environment.
func arrange(table []command, args []string, getenv func(string) string) (words, error) {
	w := words{from: make(map[string]origin)}
	union := commonFlags()
	for _, c := range table {
		union = append(union, c.flags...)
	}
	var given []cli.Flag
	var names []string // as written, parallel to given
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			if err := w.take(table, args[i+1:]...); err != nil {
				return w, err
			}
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			if err := w.take(table, arg); err != nil {
				return w, err
			}
			continue
		}
		known := union
		if w.command != nil {
			known = w.command.allFlags()
		}
		name, value, hasValue := strings.Cut(arg, "=")
		if name == "--version" && w.command == nil {
			w.command = find(table, "version")
			continue
		}
		f := lookup(known, name)
		if f == nil {
			return w, unknownFlag(w.command, known, name)
		}
		if takesValue(f) && !hasValue {
			if i++; i == len(args) || looksLikeFlag(known, args[i]) {
				return w, fault.Hint(usagef("%s needs a value", name), "write %s VALUE, or %s=VALUE if the value begins with a hyphen", name, name)
			}
			value, hasValue = args[i], true
		}
		long := "--" + f.Names()[0]
		if hasValue {
			long += "=" + value
		}
		w.flags = append(w.flags, long)
		given, names = append(given, f), append(names, name)
	}
	if w.command == nil {
		return w, nil
	}
	own := w.command.allFlags()
	for i, f := range given {
		if lookup(own, "--"+f.Names()[0]) == nil {
			return w, unknownFlag(w.command, own, names[i])
		}
	}
	return w, w.addEnv(own, getenv)
}

// take adds arguments, of which the very first, or the first few, name the command.
func (w *words) take(table []command, args ...string) error {
	for _, a := range args {
		if w.command != nil {
			w.args = append(w.args, a)
			continue
		}
		name := strings.TrimPrefix(w.level+" "+a, " ")
		if w.command = find(table, name); w.command == nil && !isLevel(table, name) {
			return unknownCommand(table, w.level, a)
		}
		w.level = name
	}
	return nil
}

// given are the flags that the line sets, by their long names.
func (w words) given() map[string]bool {
	set := make(map[string]bool)
	for _, f := range w.flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		set[name] = true
	}
	return set
}

// addEnv takes from the environment what the line does not set.
func (w *words) addEnv(own []cli.Flag, getenv func(string) string) error {
	set := w.given()
	for _, f := range own {
		name, variable := f.Names()[0], envName(w.command.name, f)
		if variable == "" || set[name] || getenv(variable) == "" {
			continue
		}
		values := []string{getenv(variable)}
		switch f.(type) {
		case *cli.BoolFlag:
			on, err := parseBool(values[0])
			if err != nil {
				return usagef("%s=%q is neither yes nor no", variable, values[0])
			}
			values[0] = strconv.FormatBool(on)
		case *cli.StringSliceFlag:
			values = strings.Fields(values[0])
		}
		for _, v := range values {
			if err := judge(name, v); err != nil {
				return fault.Hint(usagef("%s: %w", variable, err), "%s", fault.HintOf(err))
			}
			w.flags = append(w.flags, "--"+name+"="+v)
		}
		w.from[name] = origin{Variable: variable}
	}
	return nil
}

// addFile takes from the configuration file what neither the line nor the environment sets.
func (w *words) addFile(file *config.File) {
	set := w.given()
	for _, f := range w.command.allFlags() {
		name, section := f.Names()[0], sectionOf(w.command.name, f)
		if section == "" || set[name] {
			continue
		}
		v, ok := file.Get(section, name)
		if !ok {
			continue
		}
		for _, text := range v.Texts {
			w.flags = append(w.flags, "--"+name+"="+text)
		}
		w.from[name] = origin{File: file.Path(), Line: v.Line}
	}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, usagef("%q is neither yes nor no", s)
}

// find looks a command up by all its words.
func find(table []command, name string) *command {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// lookup finds -x and --name; one hyphen before a long name is not accepted, as -port could not be
// told from -p ort.
func lookup(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) == 1 && name == "-"+n || len(n) > 1 && name == "--"+n {
				return f
			}
		}
	}
	return nil
}

func looksLikeFlag(flags []cli.Flag, arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return lookup(flags, name) != nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func unknownFlag(c *command, known []cli.Flag, name string) error {
	var candidates []string
	for _, f := range known {
		for _, n := range f.Names() {
			if len(n) > 1 {
				candidates = append(candidates, n)
			}
		}
	}
	err := usagef("unknown flag %q", name)
	if c != nil {
		err = usagef("%s has no flag %q", c.name, name)
	}
	if best := spelling.Closest(strings.TrimLeft(name, "-"), candidates); best != "" {
		return fault.Hint(err, "did you mean --%s?", best)
	}
	return seeHelp(err, c)
}

// isLevel says whether words are those that several commands begin with.
func isLevel(table []command, name string) bool {
	return slices.ContainsFunc(table, func(c command) bool { return strings.HasPrefix(c.name, name+" ") })
}

// nextWords are the words that may follow those of a level, in the order of the table.
func nextWords(table []command, level string) []string {
	var next []string
	for _, c := range table {
		rest := c.name
		if level != "" {
			below, ok := strings.CutPrefix(c.name, level+" ")
			if !ok {
				continue
			}
			rest = below
		}
		word, _, _ := strings.Cut(rest, " ")
		if !slices.Contains(next, word) {
			next = append(next, word)
		}
	}
	return next
}

// synonyms are what other programs call our commands, and how theirs are ours.
var synonyms = map[string]string{
	"get": "fetch", "download": "fetch", "pull": "fetch", "add": "fetch", "clone": "fetch", "wget": "fetch",
	"share": "publish", "send": "publish", "create": "publish", "make": "publish", "upload": "publish", "push": "publish", "serve": "seed",
	"ls": "list", "ps": "list", "show": "status", "info": "status", "state": "status", "top": "status --watch", "watch": "status --watch",
	"rm": "remove", "delete": "remove", "del": "remove", "unshare": "remove", "forget": "remove", "cancel": "remove",
	"pause": "stop", "resume": "start", "unpause": "start", "check": "verify", "recheck": "verify", "hash": "verify",
	"diagnose": "doctor", "why": "doctor", "logs": "log", "settings": "config show", "set": "config", "throttle": "limit",
	"join": "group join", "leave": "group leave", "invite": "group link", "link": "group link", "follow": "group follow", "mirror": "group follow",
	"passwd": "group passwd", "user": "group user", "users": "group user list", "groups": "group list", "entries": "catalog list", "search": "catalog list",
	"group invite": "group link", "group add": "group user add", "group users": "group user list", "group members": "group user list", "group remove": "group user remove",
	"group new": "group create", "group make": "group create", "group delete": "group leave", "group info": "group show", "group status": "group show", "group ls": "group list",
	"group mirror": "group follow", "group password": "group passwd", "group audit-log": "group audit", "group publish": "publish --group GROUP", "group fetch": "fetch GROUP/NAME",
	"daemon stop": "daemon --stop", "daemon start": "daemon --detach", "daemon status": "status", "daemon restart": "daemon --stop, then p2pshare daemon --detach", "daemon log": "log",
	"start-daemon": "daemon --detach", "stop-daemon": "daemon --stop", "server": "daemon",
}

func unknownCommand(table []command, level, name string) error {
	full := strings.TrimPrefix(level+" "+name, " ")
	err := usagef("there is no command %q", full)
	if meant := synonyms[full]; meant != "" {
		return fault.Hint(err, "did you mean p2pshare %s?", meant)
	}
	if best := spelling.Closest(name, nextWords(table, level)); best != "" {
		return fault.Hint(err, "did you mean p2pshare %s?", strings.TrimPrefix(level+" "+best, " "))
	}
	if level != "" {
		return fault.Hint(err, "see p2pshare help %s", level)
	}
	if strings.HasPrefix(name, "magnet:") || strings.HasSuffix(name, ".torrent") {
		return fault.Hint(err, "to get it: p2pshare fetch %q", name)
	}
	return fault.Hint(err, "see p2pshare help")
}

func seeHelp(err error, c *command) error {
	if fault.HintOf(err) != "" {
		return err
	}
	if c == nil {
		return fault.Hint(err, "see p2pshare help")
	}
	return fault.Hint(err, "see p2pshare help %s", c.name)
}
