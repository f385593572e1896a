package names

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CheckEntry reports whether component can be a part of an entry's name in a group. It refuses what
// [Portable] does, and besides what would be the same as another name or be taken for the structure of one:
// invisible characters of every kind, and characters that stand for a slash, a backslash, an @ or a star
// (fullwidth forms, for one). The error is an *Error.
func CheckEntry(component string) error {
	if err := Portable(component); err != nil {
		return err
	}
	for _, r := range component {
		if isPassedOver(r) {
			return &Error{Name: component, Why: fmt.Sprintf("it contains the invisible character %U", r)}
		}
		if r == '\u2044' || r == '\u2215' || strings.ContainsAny(norm.NFKC.String(string(r)), `/\@*`) {
			return &Error{Name: component, Why: fmt.Sprintf("it contains %q, which divides names or stands for others", r)}
		}
	}
	if component[0] == '-' {
		return &Error{Name: component, Why: "it begins with a hyphen, as options do"}
	}
	// What it folds to has to be a name too: "a\u2026" is "a...", which ends in a dot.
	folded := FoldEntry(component)
	if err := Portable(strings.ReplaceAll(folded, "?", "x")); err != nil { // a fullwidth question mark is a fine letter
		return &Error{Name: component, Why: fmt.Sprintf("it is compared as %q, which is no name", folded)}
	}
	return nil
}

// FoldEntry is the same for two entry names, or paths of them, that are one to people: it forgets case (full Unicode
// folding: ß is ss, the Kelvin sign k), composition, width and other compatibility forms (NFKC), and
// invisible characters: NFKC_Casefold of Unicode Standard Annex 31. Letters that merely look alike, such
// as a Cyrillic а or a Turkish dotless ı, stay different.
func FoldEntry(path string) string {
	if isLowerASCII(path) {
		return path
	}
	// Folding can leave what composes or decomposes further; a second pass settles all that is known, and FuzzFold
	// holds it to that.
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
	if isPassedOver(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}
