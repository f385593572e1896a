// Package webaddr reads the addresses that torrents and magnet links carry, and shows them without their secrets.
//
// Repair reads an address the way browsers do (the URL standard, https://url.spec.whatwg.org/#concept-basic-url-parser), so that
// one which a site's template has wrapped in spaces or a line break still works.
//
// Private trackers put passkeys into paths and queries; web seeds may carry a user name and password. Redact removes whatever may be
// such a secret from the URLs and magnet links in a text, RedactURL from one URL; Tells reports whether there is one, and Conceal
// removes the secrets of a URL from what its server says. Messages, errors and logs contain addresses only in this form.
package webaddr

import (
	"slices"
	"strings"
)

// Repair returns s as a browser would request it: without surrounding white space and control characters, without tabs
// and line breaks, with two slashes after the scheme, and with characters after the host escaped if they are not
// allowed there, including a percent sign that does not begin an escape. An address that needs no repair is returned
// unchanged; anything but http, https or udp is only trimmed. Repair does not check that the result is a valid
// address.
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
		return s // the host is missing; the first folder must not become the host
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

// escape percent-encodes what is not allowed anywhere after a host, and keeps existing escapes.
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

// isEscape reports whether s, which begins with a percent sign, begins with an escape.
func isEscape(s string) bool {
	return len(s) >= 3 && strings.Trim(s[1:3], "0123456789abcdefABCDEF") == ""
}

// Unescape decodes the escapes in s. A percent sign that does not begin an escape stays as it is, where
// url.QueryUnescape would refuse the whole string; a plus stays a plus.
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
