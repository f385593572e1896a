package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/config"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func configCommand() command {
	return command{
		name: "config", args: "show|path|init", group: groupProgram, min: 1, max: 1, run: configAction,
		summary: "show every setting and where it comes from",
		about: "A setting is taken from its flag, else from its variable (P2PSHARE_PORT for --port), else from the configuration " +
			"file, else it has its default. Rates that p2pshare limit has set go before all but flags. show prints each with its value and the place that gave it; with flags, " +
			"as if they stood on the command line of the daemon. Trackers are shown without what may be a passkey. " +
			"path prints the path of the file. init writes a file in which every setting is explained and commented " +
			"out, and never writes over one.\n\n" +
			"The section [network] is of publish, fetch, seed and the daemon, and [daemon] of the daemon alone. The names " +
			"are those of the flags: port = 6881, max-up = \"2M\", peer = [\"192.168.1.5:6881\"]. An unknown name is an error. " +
			"The file is refused if other users may write to it.",
		examples: []example{
			{"what holds, and why", "p2pshare config show"},
			{"begin a file and edit it", `p2pshare config init && "${EDITOR:-vi}" "$(p2pshare config path)"`},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitDenied},
		flags: append(daemonFlags(), networkFlags("announce to the tracker `URL` too; may be repeated")...),
	}
}

func configAction(ctx context.Context, s *session, c *cli.Context) error {
	switch action := c.Args().First(); action {
	case "show":
		return s.showConfig(ctx, c)
	case "path":
		path, _, err := s.configPath(s.words)
		if err != nil {
			return err
		}
		return s.configFile(path)
	case "init":
		path, _, err := s.configPath(s.words)
		if err != nil {
			return err
		}
		if err := config.Create(path, config.Example(configHead, configKeys())); err != nil {
			return err
		}
		s.out.say("wrote %s; take the # away from what you set", printable(path))
		return s.configFile(path)
	default:
		return seeHelp(usagef("config has no %q", action), find(s.table, "config"))
	}
}

func (s *session) configFile(path string) error {
	if s.out.json {
		s.out.object("config", struct {
			File string `json:"file"`
		}{path})
		return nil
	}
	s.out.path(path)
	return nil
}

const configHead = `The configuration of p2pshare. A flag on the command line and a variable of the environment go
before what stands here. p2pshare config show says what holds, and why.

Rates are bytes a second: "2M", "500KiB", "80Mbit". Sizes: "512MiB", "10GB". Times: "90m", "36h", "14d".`

// configExamples are the values in the file that config init writes.
var configExamples = map[string]string{
	"listen": `"192.168.1.5"`, "port": `6881`, "peer": `["192.168.1.20:6881"]`, "tracker": `["udp://tracker.example.org:6969/announce"]`, "insecure-tracker": `["tracker.office.example"]`,
	"allow-net": `["10.0.0.0/8"]`, "no-dht": `true`, "dht-node": `["dht.example.org:6881"]`, "no-lan": `true`, "max-up": `"2M"`, "max-down": `"80Mbit"`, "utp": `true`, "no-upnp": `true`, "super-seed": `"off"`,
	"fetches": `3`, "floor": `"5GiB"`, "metrics": `"127.0.0.1:9877"`, "log-format": `"json"`, "stop-ratio": `2.0`, "stop-time": `"30d"`, "stop-copies": `5`, "no-seed": `true`,
}

func configFlags() []cli.Flag {
	return append(networkFlags("announce to the tracker `URL` too, and write it into torrents that are published"), daemonFlags()...)
}

// configKeys are the settings that the configuration file may hold, made from the flags they stand in for.
func configKeys() []config.Key {
	var keys []config.Key
	for _, f := range configFlags() {
		d, name := f.(cli.DocGenerationFlag), f.Names()[0]
		k := config.Key{Section: sectionOf("config", f), Name: name, Value: configExamples[name], Check: func(v string) error { return judge(name, v) }}
		switch f.(type) {
		case *cli.BoolFlag:
			k.Kind = config.Switch
		case *cli.IntFlag:
			k.Kind = config.Number
		case *cli.StringSliceFlag:
			k.Kind = config.List
		}
		_, usage := unquote(d.GetUsage())
		usage = strings.TrimSuffix(usage, "; may be repeated")
		if text := strings.Trim(d.GetDefaultText(), `"`); d.TakesValue() && text != "" && !strings.Contains(usage, "default") {
			usage += " (default: " + text + ")"
		}
		k.Usage = wrap(usage, 100)
		keys = append(keys, k)
	}
	return keys
}

// configPath is --config (which P2PSHARE_CONFIG stands in for), else the usual place. named says which.
func (s *session) configPath(w words) (path string, named bool, err error) {
	if p := w.value("config"); p != "" {
		return s.abs(p), true, nil
	}
	if p := config.Path(s.env.Getenv, runtime.GOOS); p != "" {
		return p, false, nil
	}
	return "", false, fault.Hint(usagef("there is no place for a configuration file: HOME is not set"), "give --config FILE, or set P2PSHARE_CONFIG")
}

// configure completes w from the configuration file, if its command has settings that may stand there.
func (s *session) configure(w *words) error {
	wanted := false
	for _, f := range w.command.flags {
		wanted = wanted || sectionOf(w.command.name, f) != ""
	}
	switch {
	case !wanted:
		return nil
	case w.command.name == "config" && (len(w.args) != 1 || w.args[0] != "show"):
		return nil
	case w.given()["stop"]: // a daemon must end though the file it was started with is broken now
		return nil
	}
	path, named, err := s.configPath(*w)
	if err != nil {
		return nil // without a home there is no file, and --home is for the command to ask for
	}
	file, err := config.Load(path, configKeys())
	switch {
	case errors.Is(err, fs.ErrNotExist) && named:
		return fault.Hint(fault.New(fault.NotFound, "there is no configuration %q", path), "p2pshare config init --config %q writes one to begin with", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	s.configured = file.Path()
	w.addFile(file)
	return nil
}

// setting is a line of config show.
type setting struct {
	Key   string `json:"key"`
	Value any    `json:"value"`           // null: not set
	From  string `json:"from"`            // flag, limit (p2pshare limit has set it), variable, file or default
	Hides string `json:"hides,omitempty"` // with limit: what would hold otherwise, and where it is from
	origin
}

// place is the value and where it is from, for one that does not hold.
func (x setting) place() string {
	if x.From == "default" {
		return ""
	}
	return valueText(x.Value) + " of " + x.origin.String()
}

// setRates are the rates that p2pshare limit has set in the home, by the settings that they go before. A home that cannot be asked is
// told of, for what is shown may not hold then.
func (s *session) setRates(ctx context.Context) map[string]string {
	home, err := s.home()
	if err != nil {
		return nil
	}
	if _, err := os.Stat(home); err != nil {
		return nil // it is yet to be made
	}
	st, err := s.status(ctx, node.StatusRequest{})
	if err != nil {
		s.out.event(node.Event{Level: "warn", Message: "whether p2pshare limit has set other rates is not known: " + err.Error()})
		return nil
	}
	out := map[string]string{}
	for _, name := range st.LimitsSet {
		switch name {
		case "up":
			out["max-up"] = rateValue(st.Limits.Up)
		case "down":
			out["max-down"] = rateValue(st.Limits.Down)
		case "windows":
			s.out.say("at some hours other rates hold: p2pshare limit shows them")
		}
	}
	return out
}

// rateValue writes a rate as the configuration has it.
func rateValue(n int64) string {
	switch {
	case n == 0:
		return "none"
	case n%1_000_000 == 0:
		return strconv.FormatInt(n/1_000_000, 10) + "M"
	case n%1_000 == 0:
		return strconv.FormatInt(n/1_000, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}

func (s *session) showConfig(ctx context.Context, c *cli.Context) error {
	given, set := s.words.given(), s.setRates(ctx)
	var list []setting
	for _, k := range configKeys() {
		x := setting{Key: k.Section + "." + k.Name, From: "default", Value: shown(k, c)}
		if from, ok := s.words.from[k.Name]; ok {
			x.origin, x.From = from, "variable"
			if from.File != "" {
				x.From = "file"
			}
		} else if given[k.Name] {
			x.From = "flag"
		}
		if rate, ok := set[k.Name]; ok && x.From != "flag" {
			x = setting{Key: x.Key, Value: rate, From: "limit", Hides: x.place()}
		}
		list = append(list, x)
	}
	path, _, _ := s.configPath(s.words)
	if s.out.json {
		s.out.object("config", struct {
			File     string    `json:"file"`
			Read     bool      `json:"read"` // it is there
			Settings []setting `json:"settings"`
		}{path, s.configured != "", list})
		return nil
	}
	rows, unset := make([][]string, len(list)), unsetTexts()
	for i, x := range list {
		from := x.From
		if from == "limit" {
			if from = "p2pshare limit"; x.Hides != "" {
				from += " (instead of " + x.Hides + ")"
			}
		}
		if text := x.origin.String(); text != "" {
			from = text
		}
		value := valueText(x.Value)
		if text := unset[x.Key]; x.From == "default" && text != "" {
			value = "(" + text + ")"
		}
		rows[i] = []string{x.Key, value, from}
	}
	for _, line := range columns(rows) {
		s.out.answer(line)
	}
	if s.configured == "" {
		s.out.say("there is no file %s; p2pshare config init writes one", printable(cmp.Or(path, "(HOME is not set)")))
	}
	return nil
}

// unsetTexts say what it means that a setting has no value, where the help does.
func unsetTexts() map[string]string {
	texts := make(map[string]string)
	for _, f := range configFlags() {
		text := f.(cli.DocGenerationFlag).GetDefaultText()
		if text != "" && !strings.HasPrefix(text, `"`) && strings.Trim(text, "0123456789") != "" && text != "false" {
			texts[sectionOf("config", f)+"."+f.Names()[0]] = text
		}
	}
	return texts
}

func shown(k config.Key, c *cli.Context) any {
	switch k.Kind {
	case config.Switch:
		return c.Bool(k.Name)
	case config.Number:
		return c.Int(k.Name)
	case config.List:
		list := append([]string{}, c.StringSlice(k.Name)...)
		for i, v := range list {
			list[i] = withoutSecrets(v)
		}
		return list
	}
	if v := c.String(k.Name); v != "" {
		return v
	}
	return nil
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case []string:
		if len(v) == 0 {
			return "-"
		}
		return strings.Join(v, " ")
	}
	return fmt.Sprint(v)
}

// passkey is a part of a path that looks like one: private trackers put 32 or so characters there.
var passkey = regexp.MustCompile(`^[0-9A-Za-z_-]{16,}$`)

const redacted = "REDACTED"

// withoutSecrets shows addresses without names of users, passwords, queries and what may be a passkey.
func withoutSecrets(v string) string {
	fields := strings.Fields(v)
	for i, f := range fields {
		u, err := url.Parse(f)
		if err != nil || u.Host == "" {
			continue // HOST:PORT
		}
		if u.User != nil {
			u.User = url.User(redacted)
		}
		if u.RawQuery != "" {
			u.RawQuery = redacted
		}
		parts := strings.Split(u.Path, "/")
		for j, p := range parts {
			if passkey.MatchString(p) {
				parts[j] = redacted
			}
		}
		u.Path, u.RawPath, u.Fragment = strings.Join(parts, "/"), "", ""
		fields[i] = u.String()
	}
	return strings.Join(fields, " ")
}

// value is the last value of a flag in w.
func (w words) value(flag string) string {
	v := ""
	for _, f := range w.flags {
		if rest, ok := strings.CutPrefix(f, "--"+flag+"="); ok {
			v = rest
		}
	}
	return v
}
