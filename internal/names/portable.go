package names

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Portable reports whether component can be the name of a file or folder on every system: it can be created on Linux, macOS
// and Windows, and means the same on each. The error is an *Error.
func Portable(component string) error {
	if why := judgePortable(component); why != "" {
		return &Error{Name: component, Why: why}
	}
	return nil
}

// Plain is Portable for names that people rely on: it also refuses names that are not displayed as they are. The error is an
// *Error.
func Plain(component string) error {
	if err := Portable(component); err != nil {
		return err
	}
	return Shows(component)
}

// Shows reports whether a name is displayed as it is: it contains no characters that control a terminal, reverse text or are
// invisible, except the joiners that Persian, Indic scripts and emoji need. The error is an *Error.
func Shows(component string) error {
	for i, r := range component {
		why := hides(r)
		if why == "" {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(component[:i])
		after, _ := utf8.DecodeRuneInString(component[i+utf8.RuneLen(r):])
		if isJoiner(r) && isJoined(before) && isJoined(after) {
			continue
		}
		return &Error{Name: component, Why: why}
	}
	return nil
}

// PlainPath is CheckPath with Plain in place of Check.
func PlainPath(components []string) error {
	if err := CheckPath(components); err != nil {
		return err
	}
	for _, c := range components {
		if err := Plain(c); err != nil {
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
	case r < ' ':
		return fmt.Sprintf("it contains the control character %U, which Windows refuses", r)
	}
	return ""
}

// hides returns why a character is not displayed as it is; empty if it is.
func hides(r rune) string {
	switch {
	case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("it contains the control character %U", r)
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf("it contains %U, which reverses the direction of text", r)
	case unicode.Is(unicode.Cf, r) || isInvisible(r):
		return fmt.Sprintf("it contains the invisible character %U", r)
	}
	return ""
}

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// isJoined reports whether a joiner may stand next to r. Next to ASCII it has no purpose but to hide.
func isJoined(r rune) bool {
	return r >= utf8.RuneSelf && r != utf8.RuneError && (hides(r) == "" || unicode.Is(unicode.Variation_Selector, r))
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
