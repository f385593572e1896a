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

// Kind is the TOML type of a key's value.
type Kind int

const (
	Text   Kind = iota // a string; a bare number is accepted too
	Number             // an integer
	Switch             // true or false
	List               // an array of strings
)

var kindWords = map[Kind]string{
	Text: `a string in quotes`, Number: "a number without quotes", Switch: "true or false", List: `a list such as ["a", "b"]`,
}

// Key is a setting that may appear in the file.
type Key struct {
	Section string
	Name    string
	Kind    Kind
	Check   func(value string) error // validates a value, or each item of a list; nil accepts any

	Usage string // a comment for Example
	Value string // for Example, in TOML
}

// Value is the value of a key in the file.
type Value struct {
	Line  int      // counted from 1
	Texts []string // one, or the items of a list; a switch is "true" or "false", a number its digits
}

// File is a configuration file that was read.
type File struct {
	path   string
	values map[string]Value // by section.name
}

// Path returns the path that the file was read from.
func (f *File) Path() string { return f.path }

// Get returns the value of a key; ok is false if the file does not set it.
func (f *File) Get(section, name string) (v Value, ok bool) {
	v, ok = f.values[section+"."+name]
	return v, ok
}

// Load reads the file at path. Its error wraps fs.ErrNotExist if there is none.
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
		return nil, fault.New(fault.Usage, "the configuration %q is not a regular file", path)
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
	// The decoder checks the whole document, for duplicate keys too; walk knows the lines.
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
		`a line is NAME = VALUE, with strings in quotes, below a [section]; p2pshare config init writes an example if there is no file yet`)
}

// reader checks entries against keys.
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
		return Key{}, fault.Hint(err, "[%s] is a section: write it on its own line, with its settings below", full)
	}
	name := strings.ReplaceAll(e.key[len(e.key)-1], "_", "-")
	var names []string
	for _, k := range r.keys {
		switch {
		case name == k.Name: // the name is right, the section is not
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
	return Key{}, fault.Hint(err, "p2pshare config show lists all settings")
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
	return fault.Hint(err, "p2pshare config show lists all settings")
}

// value checks the value of an entry.
func (r reader) value(k Key, e entry) (Value, error) {
	fits := map[Kind][]valueKind{Text: {kindString, kindInteger, kindFloat}, Number: {kindInteger}, Switch: {kindBool}, List: {kindArray}}
	ok := false
	for _, want := range fits[k.Kind] {
		ok = ok || e.kind == want
	}
	if !ok {
		return Value{}, fault.Hint(r.refuse(e.line, "%s is %s", k.Name, e.kind), "it must be %s", kindWords[k.Kind])
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

// checkOwner refuses a file that a user other than this one and root could have written.
func checkOwner(path string, info fs.FileInfo) error {
	if osfs.OthersMayWrite(info) {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the configuration %q (mode %04o)", path, info.Mode().Perm()), "run: chmod go-w %q", path)
	}
	if uid, ok := osfs.Owner(info); ok && uid != os.Geteuid() && uid != 0 {
		return fault.Hint(fault.New(fault.Denied, "the configuration %q belongs to user %d, but you are user %d", path, uid, os.Geteuid()),
			"use a file of your own with --config")
	}
	return nil
}
