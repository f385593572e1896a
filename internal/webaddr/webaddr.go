// Package webaddr reads the addresses that torrents and magnet links carry the way browsers do (the URL standard,
// https://url.spec.whatwg.org/#concept-basic-url-parser), so that one which a site's template has wrapped in blanks
// or a line break is still the address that was meant.
package webaddr

import (
	"slices"
	"strings"
)

// Repair is s as a browser would ask for it: without white space and control characters around it and without tabs and
// line breaks in it, with two slashes after the scheme, and with everything behind the host escaped that may not stand
// there, a percent sign that begins no escape among it. What needs no repair comes back as it is; what is no http,
// https or udp address is only trimmed. It does not say whether the result is an address.
func Repair(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\u00a0' || r == '\ufeff' })
	s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	scheme, rest, found := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	if !found || !slices.Contains([]string{"http", "https", "udp"}, scheme) {
		return s
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		end = i
	}
	path, query := strings.ReplaceAll(rest[:end], `\`, "/"), rest[end:]
	if strings.HasPrefix(path, "///") {
		return s // a host was left out, and the first folder is none
	}
	path = strings.TrimLeft(path, "/")
	host := path
	if i := strings.IndexByte(path, '/'); i >= 0 {
		host, path = path[:i], path[i:]
	} else {
		path = ""
	}
	return scheme + "://" + host + escape(path+query)
}

// escape writes %XX for what may stand nowhere behind a host, and leaves the escapes that are there.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c > ' ' && c < 0x7f && (c != '%' || isEscape(s[i:])) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// isEscape says whether s, which begins with a percent sign, begins with an escape.
func isEscape(s string) bool {
	return len(s) >= 3 && strings.Trim(s[1:3], "0123456789abcdefABCDEF") == ""
}

// Unescape is s without its escapes. A percent sign that begins none stays as it is, which url.QueryUnescape would
// refuse the whole for; a plus stays a plus.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && isEscape(s[i:]) {
			b.WriteByte(digit(s[i+1])<<4 | digit(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func digit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	default:
		return c | 0x20 - 'a' + 10
	}
}
