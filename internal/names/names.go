package names

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
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

// Check reports whether component can be the name of one file or folder on every system. The error
// is an *Error.
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

func isLowerASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func judge(c string) string {
	switch {
	case c == "":
		return "it is empty"
	case c == "." || c == "..":
		return "it means a folder, and is no name of its own"
	case !utf8.ValidString(c):
		return "it is not valid UTF-8"
	case len(c) > MaxComponent || utf16Len(c) > MaxComponent:
		return fmt.Sprintf("it is longer than %d bytes", MaxComponent)
	}
	for _, r := range c {
		if why := judgeRune(r); why != "" {
			return why
		}
	}
	switch c[len(c)-1] {
	case '.':
		return "it ends in a dot, which Windows drops"
	case ' ':
		return "it ends in a space, which Windows drops"
	}
	// NFC can be longer than what came, and macOS may store either form.
	if n := norm.NFC.String(c); len(n) > MaxComponent {
		return fmt.Sprintf("it is longer than %d bytes once composed", MaxComponent)
	}
	if d := device(c); d != "" {
		return fmt.Sprintf("Windows keeps %s for a device", d)
	}
	return ""
}

func judgeRune(r rune) string {
	switch {
	case r == '/' || r == '\\':
		return fmt.Sprintf("it contains %q, which separates folders", r)
	case r == 0:
		return "it contains a NUL"
	case r == ':':
		return "it contains ':', which names a drive or a stream on Windows"
	case strings.ContainsRune(`<>"|?*`, r):
		return fmt.Sprintf("it contains %q, which Windows refuses", r)
	case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("it contains the control character %U", r)
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf("it contains %U, which reverses how it is shown", r)
	case unicode.Is(unicode.Cf, r) || isInvisible(r):
		return fmt.Sprintf("it contains the invisible character %U", r)
	}
	return ""
}

// isInvisible reports what shows as nothing though Unicode does not call it a format character: the
// Hangul fillers, the combining grapheme joiner and the like, assigned or not.
func isInvisible(r rune) bool { return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) }

func isPassedOver(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Cf, r) || isInvisible(r)
}

// device is the device that Windows would open for c, whatever stands after the first dot.
func device(c string) string {
	base, _, _ := strings.Cut(c, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return base
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	if !ok {
		return ""
	}
	switch number {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return base
	}
	return ""
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
