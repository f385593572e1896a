package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSpecNamesWhatIsWritten: docs/SPEC.md has every type of object and every setting.
func TestSpecNamesWhatIsWritten(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "SPEC.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, cell := range cells[1 : len(cells)-1] {
				for _, word := range strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(" ,[]", r) }) {
					rows[word] = true
				}
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	object, found := regexp.MustCompile(`\.(?:object|changed|text)\("([a-z-]+)"`), 0
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range object.FindAllStringSubmatch(string(source), -1) {
			if found++; !rows[m[1]] {
				t.Errorf("%s writes objects of the type %q, which docs/SPEC.md has not", name, m[1])
			}
		}
	}
	if found < 15 {
		t.Errorf("got %d places that write objects, want all of them", found)
	}
	s := newShell(t)
	s.want(0, "network", "", "config", "show")
	for line := range strings.Lines(s.stdout.String()) {
		_, name, _ := strings.Cut(strings.Fields(line)[0], ".")
		if !rows[name] {
			t.Errorf("docs/SPEC.md has not the setting %q", name)
		}
	}
}
