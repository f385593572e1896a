// Package jsonsafe makes lines of text and JSON safe to show in a terminal.
package jsonsafe

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape replaces characters that do not print (control characters, C1 included, invisible and direction-changing ones)
// by their JSON escapes, \uXXXX, so that JSON keeps its meaning. Tabs stay; bytes that are not UTF-8 become \ufffd. b is
// one line, without its line end.
func Escape(b []byte) []byte {
	out := make([]byte, 0, len(b)+1)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == '\t':
			out = append(out, '\t')
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case unicode.IsPrint(r):
			out = append(out, b[i:i+n]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}
