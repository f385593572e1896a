package names

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Error reports a refused name. It prints the name escaped, so that a hostile name cannot control the terminal.
type Error struct {
	Name string // as received
	Why  string // what is wrong with it, as a phrase
}

func (e *Error) Error() string {
	shown := e.Name
	if len(shown) > shownBytes {
		shown = shown[:shownBytes] + "..."
	}
	return fmt.Sprintf("name %q: %s", shown, e.Why)
}

// shownBytes bounds how much of a name a message repeats.
const shownBytes = 300

// Check reports whether component is safe as the name of one file or folder: on no system does it lead anywhere else.
// Whether a file system can hold it is another matter; see [Portable] and [Tree]. The error is an *Error.
func Check(component string) error {
	if why := judge(component); why != "" {
		return &Error{Name: component, Why: why}
	}
	return nil
}

// CheckPath checks each component of a relative path, their number and their total length. The error is an *Error and
// names the component, or the path if the path is the problem.
func CheckPath(components []string) error {
	if len(components) == 0 {
		return &Error{Why: "it is empty"}
	}
	if len(components) > MaxDepth {
		return &Error{
			Name: strings.Join(components[:MaxDepth], "/"),
			Why:  fmt.Sprintf("it is %d folders deep, more than %d", len(components), MaxDepth),
		}
	}
	length := len(components) - 1
	for _, c := range components {
		if err := Check(c); err != nil {
			return err
		}
		length += len(c)
	}
	if length > MaxPath {
		return &Error{
			Name: strings.Join(components, "/"),
			Why:  fmt.Sprintf("the path is %d bytes long, more than %d", length, MaxPath),
		}
	}
	return nil
}

// Key returns the same string for two names that are the same file on some system. It ignores case (full Unicode
// folding), composition (NFC against NFD) and the variation selectors that case-insensitive ext4 and HFS+ ignore.
func Key(component string) string {
	if isLowerASCII(component) {
		return component
	}
	folded := cases.Fold().String(norm.NFD.String(component))
	folded = strings.Map(func(r rune) rune {
		if isIgnorable(r) {
			return -1
		}
		return r
	}, folded)
	// Normalize last, because folding can leave a sequence that composes further.
	return norm.NFC.String(folded)
}

func judge(c string) string {
	switch {
	case c == "":
		return "it is empty"
	case c == "." || c == "..":
		return "it means a folder and cannot be a name"
	case !utf8.ValidString(c):
		return "it is not valid UTF-8"
	}
	if i := strings.IndexAny(c, "/\\\x00"); i >= 0 {
		return judgeRune(rune(c[i]))
	}
	return ""
}

func isLowerASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
