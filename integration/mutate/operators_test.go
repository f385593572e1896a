package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `package p

import "net/http"

const maxPlaces = 4 << 10

func ok(a, b int, free bool) bool {
	if a < b && !free {
		return false
	}
	return min(a, b) == maxPlaces
}

func server() *http.Server {
	s := &http.Server{
		MaxHeaderBytes: 10,
		Addr:           "x",
	}
	s.SetKeepAlivesEnabled(false)
	return s
}
`

// TestMutations checks that each kind of change is found, and results in a file that parses.
func TestMutations(t *testing.T) {
	list, err := mutations("p.go", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range list {
		src := m.apply([]byte(sample))
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0); err != nil {
			t.Errorf("%s results in a file that does not parse: %v", m.what, err)
		}
		if string(src) == sample {
			t.Errorf("%s changes nothing", m.what)
		}
		got[m.what] = string(src)
	}
	for what, want := range map[string]string{
		"a thousand times in maxPlaces = 4 << 10":           "const maxPlaces = 1000 * (4 << 10)",
		"never in a < b && !free":                           "if false && (a < b && !free) {",
		"<= for < in a < b":                                 "if a <= b && !free {",
		"|| for && in a < b && !free":                       "if a < b || !free {",
		"no ! in !free":                                     "if a < b && free {",
		"the other answer in return false":                  "return true",
		"without the bound in min(a, b)":                    "return a == maxPlaces",
		"!= for == in min(a, b) == maxPlaces":               "return min(a, b) != maxPlaces",
		"without the call in s.SetKeepAlivesEnabled(false)": "\t\n\treturn s",
		"without the field MaxHeaderBytes: 10":              "&http.Server{\n\t\tAddr:",
		`without the field Addr: "x"`:                       "MaxHeaderBytes: 10,\n\t\t\n\t}",
	} {
		if !strings.Contains(got[what], want) {
			t.Errorf("%q gives\n%s\nwant it to contain %q", what, got[what], want)
		}
	}
	if len(list) != 11 {
		for _, m := range list {
			t.Log(m.what)
		}
		t.Errorf("%d changes, want 11", len(list))
	}
}

// TestEquivalents checks that each listed change needs a reason.
func TestEquivalents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	for text, good := range map[string]bool{
		"# a comment\n\na.go\tnever in x\tx is always false here\n": true,
		"a.go\tnever in x\n":   false,
		"a.go\tnever in x\t\n": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := equivalents(file)
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if good && !got["a.go\tnever in x"] {
			t.Errorf("%q: %v", text, got)
		}
	}
	if _, err := equivalents("equivalent.txt"); err != nil {
		t.Error(err)
	}
}
