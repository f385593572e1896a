package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/spelling"
)

// Kind is what a key's value is in TOML.
type Kind int

const (
	Text   Kind = iota // a string; a plain number serves too
	Number             // an integer
	Switch             // true or false
	List               // an array of strings
)

var kindWords = map[Kind]string{
	Text: `a text in quotes`, Number: "a number without quotes", Switch: "true or false", List: `a list such as ["a", "b"]`,
}

// Key is a setting that a file may hold.
type Key struct {
	Section string
	Name    string
	Kind    Kind
	Check   func(value string) error // judges a value, of a list each; nil: any will do

	Usage string // a comment for Example
	Value string // for Example, in TOML
}

// Value is what a file says of a key.
type Value struct {
	Line  int      // from 1
	Texts []string // one, or as many as a list has: a switch is "true" or "false", a number its digits
}

// File is a configuration file that was read.
type File struct {
	path   string
	values map[string]Value // by section.name
}

// Path is the path that the file was read from.
func (f *File) Path() string { return f.path }

// Get is what the file says of a key, and whether it does.
func (f *File) Get(section, name string) (Value, bool) {
	v, ok := f.values[section+"."+name]
	return v, ok
}

// Load reads the file at path. Its errors wrap fs.ErrNotExist if there is none.
func Load(path string, keys []Key) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Usage, "the configuration %q is no regular file", path)
	}
	if err := checkOwner(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, data, keys)
}

// Parse reads data, the content of the file at path.
func Parse(path string, data []byte, keys []Key) (*File, error) {
	if len(data) > maxFile {
		return nil, fault.New(fault.Usage, "the configuration %q is larger than %d bytes", path, maxFile)
	}
	// The decoder judges the whole document, keys that are given twice among it; the walk has the lines.
	var whole map[string]any
	if err := toml.Unmarshal(data, &whole); err != nil {
		return nil, syntaxError(path, err)
	}
	entries, err := walk(data)
	if err != nil {
		return nil, fault.New(fault.Usage, "%s: %w", path, err)
	}
	r := reader{path: path, keys: keys}
	f := &File{path: path, values: make(map[string]Value)}
	for _, e := range entries {
		if len(e.key) == 1 && e.kind == kindTable && r.hasSection(e.key[0]) {
			continue
		}
		k, err := r.key(e)
		if err != nil {
			return nil, err
		}
		v, err := r.value(k, e)
		if err != nil {
			return nil, err
		}
		f.values[k.Section+"."+k.Name] = v
	}
	return f, nil
}

func syntaxError(path string, err error) error {
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return fault.New(fault.Usage, "%s: %w", path, err)
	}
	line, _ := at.Position()
	return fault.Hint(fault.New(fault.Usage, "%s:%d: %s", path, line, strings.TrimPrefix(at.Error(), "toml: ")),
		`a line is NAME = VALUE, with texts in quotes, below a [section]; p2pshare config init writes an example where there is no file yet`)
}

// reader judges entries.
type reader struct {
	path string
	keys []Key
}

func (r reader) refuse(line int, format string, args ...any) error {
	return fault.New(fault.Usage, "%s:%d: %w", r.path, line, fmt.Errorf(format, args...))
}

// key finds the key of an entry.
func (r reader) key(e entry) (Key, error) {
	full := strings.Join(e.key, ".")
	for _, k := range r.keys {
		if full == k.Section+"."+k.Name {
			return k, nil
		}
	}
	switch {
	case e.kind == kindTables:
		return Key{}, fault.Hint(r.refuse(e.line, "[[%s]] is %s", full, e.kind), "write [%s]", full)
	case e.kind == kindTable && !r.hasSection(e.key[0]):
		return Key{}, r.unknownSection(e)
	}
	err := r.refuse(e.line, "there is no setting %q", full)
	if len(e.key) == 1 && r.hasSection(full) {
		return Key{}, fault.Hint(err, "[%s] is a section: write it on a line of its own, and its settings below", full)
	}
	name := strings.ReplaceAll(e.key[len(e.key)-1], "_", "-")
	var names []string
	for _, k := range r.keys {
		switch {
		case name == k.Name: // the name is right, the place is not
			return Key{}, fault.Hint(err, "did you mean %s in the section [%s]?", k.Name, k.Section)
		case len(e.key) == 2 && e.key[0] == k.Section:
			names = append(names, k.Name)
		case len(e.key) == 1:
			names = append(names, k.Name)
		}
	}
	if best := spelling.Closest(name, names); best != "" {
		return Key{}, fault.Hint(err, "did you mean %s?", best)
	}
	if len(e.key) == 2 && !r.hasSection(e.key[0]) {
		return Key{}, r.unknownSection(e)
	}
	return Key{}, fault.Hint(err, "p2pshare config show lists what there is")
}

func (r reader) hasSection(name string) bool {
	for _, k := range r.keys {
		if k.Section == name {
			return true
		}
	}
	return false
}

func (r reader) unknownSection(e entry) error {
	var sections []string
	for _, k := range r.keys {
		sections = append(sections, k.Section)
	}
	err := r.refuse(e.line, "there is no section [%s]", e.key[0])
	if best := spelling.Closest(e.key[0], sections); best != "" {
		return fault.Hint(err, "did you mean [%s]?", best)
	}
	return fault.Hint(err, "p2pshare config show lists what there is")
}

// value judges what an entry says.
func (r reader) value(k Key, e entry) (Value, error) {
	fits := map[Kind][]valueKind{Text: {kindString, kindInteger, kindFloat}, Number: {kindInteger}, Switch: {kindBool}, List: {kindArray}}
	ok := false
	for _, want := range fits[k.Kind] {
		ok = ok || e.kind == want
	}
	if !ok {
		return Value{}, fault.Hint(r.refuse(e.line, "%s is %s", k.Name, e.kind), "it has to be %s", kindWords[k.Kind])
	}
	if k.Check != nil {
		for _, text := range e.texts {
			if err := k.Check(text); err != nil {
				return Value{}, fault.Hint(r.refuse(e.line, "%s: %w", k.Name, err), "%s", fault.HintOf(err))
			}
		}
	}
	return Value{Line: e.line, Texts: e.texts}, nil
}

// checkOwner refuses a file that another user than this one and root could have written.
func checkOwner(path string, info fs.FileInfo) error {
	if osfs.OthersMayWrite(info) {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the configuration %q (mode %04o)", path, info.Mode().Perm()), "run: chmod go-w %q", path)
	}
	if uid, ok := osfs.Owner(info); ok && uid != os.Geteuid() && uid != 0 {
		return fault.Hint(fault.New(fault.Denied, "the configuration %q belongs to user %d, and this is user %d", path, uid, os.Geteuid()),
			"name a file of this user with --config")
	}
	return nil
}
