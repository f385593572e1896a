package daemonlog

import (
	"bytes"
	"regexp"

	"github.com/p2pshare/p2pshare/internal/jsonsafe"
)

// clean makes a line one that can be shown: without secrets, control, invisible and direction-changing
// characters, and with one line end. What is escaped is written as JSON escapes it, so that a line of JSON
// stays one.
func clean(line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	line = redact(line)
	return append(jsonsafe.Escape(line), '\n')
}

// addresses finds URLs: scheme, user with a password, host with the path, query.
var addresses = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^/\s"'@?#]*@)?([^\s"'?#]*)(\?[^\s"'#]*)?`)

// keyLike finds the part of a path that is a passkey, as private trackers have them: /0a1b...9f/announce.
var keyLike = regexp.MustCompile(`/[0-9A-Za-z_-]{24,}(/|$)`)

// redact leaves out of URLs what may be a secret: the user's name and password, a query, a path's passkey.
func redact(line []byte) []byte {
	if !bytes.Contains(line, []byte("://")) {
		return line
	}
	return addresses.ReplaceAllFunc(line, func(u []byte) []byte {
		m := addresses.FindSubmatch(u)
		out := append([]byte{}, m[1]...)
		if len(m[2]) > 0 {
			out = append(out, "redacted@"...)
		}
		out = append(out, keyLike.ReplaceAll(m[3], []byte("/redacted$1"))...)
		if len(m[4]) > 1 {
			out = append(out, "?redacted"...)
		}
		return out
	})
}
