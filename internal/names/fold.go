package names

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CheckEntry reports whether component can be a component of an entry's name in a group. In addition to what [Plain]
// refuses, it refuses names that look the same as another name, or that could be read as syntax: invisible
// characters of every kind, and characters that stand for a slash, a backslash, an @ or a star (such as
// fullwidth forms). The error is an *Error.
func CheckEntry(component string) error {
	if err := Plain(component); err != nil {
		return err
	}
	for _, r := range component {
		if isIgnorable(r) {
			return &Error{Name: component, Why: fmt.Sprintf("it contains the invisible character %U", r)}
		}
		if r == '\u2044' || r == '\u2215' || strings.ContainsAny(norm.NFKC.String(string(r)), `/\@*`) {
			return &Error{Name: component, Why: fmt.Sprintf("it contains %q, which separates names or stands for such a character", r)}
		}
	}
	if component[0] == '-' {
		return &Error{Name: component, Why: "it begins with a hyphen, as options do"}
	}
	// The folded name has to be valid too: "a\u2026" folds to "a...", which ends in a dot.
	folded := FoldEntry(component)
	if err := Plain(strings.ReplaceAll(folded, "?", "x")); err != nil { // a fullwidth question mark is allowed
		return &Error{Name: component, Why: fmt.Sprintf("it is compared as %q, which is not a valid name", folded)}
	}
	return nil
}

// FoldEntry returns the same string for two entry names, or paths of them, that look alike to people. It ignores case (full
// Unicode folding: ß is ss, the Kelvin sign k), composition, width and other compatibility forms (NFKC), and
// invisible characters: NFKC_Casefold of Unicode Standard Annex 31. Letters that merely look alike, such
// as a Cyrillic а or a Turkish dotless ı, stay different.
func FoldEntry(path string) string {
	if isLowerASCII(path) {
		return path
	}
	// Folding can produce a sequence that composes or decomposes further. A second pass settles all known cases, which
	// FuzzFold checks.
	for range 4 {
		folded := norm.NFKC.String(strings.Map(visible, cases.Fold().String(norm.NFKD.String(path))))
		if folded == path {
			break
		}
		path = folded
	}
	return path
}

func visible(r rune) rune {
	if isIgnorable(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}
