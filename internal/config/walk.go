package config

import (
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// valueKind is the kind of a value, in words for the user.
type valueKind string

const (
	kindString  valueKind = "a string"
	kindInteger valueKind = "a whole number"
	kindFloat   valueKind = "a number with a fraction"
	kindBool    valueKind = "true or false"
	kindArray   valueKind = "a list"
	kindMixed   valueKind = "a list of other things than strings"
	kindTable   valueKind = "a section"
	kindTables  valueKind = "a list of sections"
	kindDate    valueKind = "a date or time"
)

// entry is a key with its value and its line number.
type entry struct {
	key   []string
	line  int
	kind  valueKind
	texts []string
}

// walk lists the keys of a document that the decoder has accepted. It uses the library's parser because the decoder
// gives no line numbers. Inline tables are flattened. Sections are entries too, so that a misspelt one is found even
// if it is empty.
func walk(data []byte) ([]entry, error) {
	var p unstable.Parser
	p.Reset(data)
	var out []entry
	var table []string
	for p.NextExpression() {
		n := p.Expression()
		switch n.Kind {
		case unstable.Table:
			table = keyOf(n)
			out = append(out, entry{key: table, line: lineOf(&p, n), kind: kindTable})
		case unstable.ArrayTable:
			table = keyOf(n)
			out = append(out, entry{key: table, line: lineOf(&p, n), kind: kindTables})
		case unstable.KeyValue:
			out = appendEntry(out, &p, table, n)
		}
	}
	if err := p.Error(); err != nil {
		return nil, err
	}
	return out, nil
}

func appendEntry(out []entry, p *unstable.Parser, prefix []string, n *unstable.Node) []entry {
	e := entry{key: append(append([]string{}, prefix...), keyOf(n)...), line: lineOf(p, n)}
	v := n.Value()
	switch v.Kind {
	case unstable.String:
		e.kind, e.texts = kindString, []string{string(v.Data)}
	case unstable.Integer:
		e.kind, e.texts = kindInteger, []string{strings.ReplaceAll(string(v.Data), "_", "")}
	case unstable.Float:
		e.kind, e.texts = kindFloat, []string{strings.ReplaceAll(string(v.Data), "_", "")}
	case unstable.Bool:
		e.kind, e.texts = kindBool, []string{string(v.Data)}
	case unstable.Array:
		e.kind, e.texts = kindArray, []string{}
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.String {
				e.kind = kindMixed
				break
			}
			e.texts = append(e.texts, string(it.Node().Data))
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			out = appendEntry(out, p, e.key, it.Node())
		}
		return out
	default:
		e.kind = kindDate
	}
	return append(out, e)
}

func keyOf(n *unstable.Node) []string {
	var key []string
	for it := n.Key(); it.Next(); {
		key = append(key, string(it.Node().Data))
	}
	return key
}

func lineOf(p *unstable.Parser, n *unstable.Node) int {
	it := n.Key()
	it.Next()
	return p.Shape(it.Node().Raw).Start.Line
}
