package names

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Error says that a name is refused. It prints the name escaped, so that a hostile one cannot steer
// a terminal.
type Error struct {
	Name string // as it came
	Why  string // what is wrong with it, a phrase
}

func (e *Error) Error() string {
	shown := e.Name
	if len(shown) > shownBytes {
		shown = shown[:shownBytes] + "..."
	}
	return fmt.Sprintf("name %q: %s", shown, e.Why)
}

// shownBytes bounds what a message repeats of a name.
const shownBytes = 300

// Check reports whether component can be the name of one file or folder: one that leads nowhere else, whatever the system.
// Whether a file system can hold it is another matter; see [Portable] and [Tree]. The error is an *Error.
func Check(component string) error {
	if why := judge(component); why != "" {
		return &Error{Name: component, Why: why}
	}
	return nil
}

// CheckPath judges each of the components of a relative path, their number and their length
// together. The error is an *Error and names the component, or the path if that is at fault.
func CheckPath(components []string) error {
	if len(components) == 0 {
		return &Error{Why: "it is empty"}
	}
	if len(components) > MaxDepth {
		return &Error{
			Name: strings.Join(components[:MaxDepth], "/"),
			Why:  fmt.Sprintf("it is %d folders deep, and %d is the most", len(components), MaxDepth),
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
			Why:  fmt.Sprintf("the path is %d bytes long, and %d is the most", length, MaxPath),
		}
	}
	return nil
}

// Key is the same for two names that are one file on some system: it forgets case (full Unicode
// folding), composition (NFC against NFD) and the variation selectors that case-insensitive ext4
// and HFS+ pass over.
func Key(component string) string {
	if isLowerASCII(component) {
		return component
	}
	folded := cases.Fold().String(norm.NFD.String(component))
	folded = strings.Map(func(r rune) rune {
		if isPassedOver(r) {
			return -1
		}
		return r
	}, folded)
	// Folding can leave a sequence that composes further, so the form comes last.
	return norm.NFC.String(folded)
}

func judge(c string) string {
	switch {
	case c == "":
		return "it is empty"
	case c == "." || c == "..":
		return "it means a folder, and is no name of its own"
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
