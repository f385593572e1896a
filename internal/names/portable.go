package names

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// Portable reports whether component can be the name of a file or folder on every system: it can be created on Linux, macOS
// and Windows, means the same on each, and is displayed as it is. The error is an *Error.
func Portable(component string) error {
	if why := judgePortable(component); why != "" {
		return &Error{Name: component, Why: why}
	}
	return nil
}

// PortablePath is CheckPath with Portable in place of Check.
func PortablePath(components []string) error {
	if err := CheckPath(components); err != nil {
		return err
	}
	for _, c := range components {
		if err := Portable(c); err != nil {
			return err
		}
	}
	return nil
}

func judgePortable(c string) string {
	if why := judge(c); why != "" {
		return why
	}
	switch {
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
	// NFC can be longer than the given form, and macOS may store either.
	if n := norm.NFC.String(c); len(n) > MaxComponent {
		return fmt.Sprintf("it is longer than %d bytes in composed form (NFC)", MaxComponent)
	}
	if d := device(c); d != "" {
		return fmt.Sprintf("Windows reserves %s for a device", d)
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
		return fmt.Sprintf("it contains %U, which reverses the direction of text", r)
	case unicode.Is(unicode.Cf, r) || isInvisible(r):
		return fmt.Sprintf("it contains the invisible character %U", r)
	}
	return ""
}

// isInvisible reports characters that are not displayed although Unicode does not class them as format characters: the
// Hangul fillers, the combining grapheme joiner and the like, assigned or not.
func isInvisible(r rune) bool { return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) }

func isIgnorable(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Cf, r) || isInvisible(r)
}

// device returns the device that Windows would open for c, whatever follows the first dot; empty: none.
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
