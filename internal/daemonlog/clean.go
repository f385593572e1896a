package daemonlog

import (
	"bytes"

	"github.com/p2pshare/p2pshare/internal/jsonsafe"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// clean makes a line one that can be shown: without secrets, control, invisible and direction-changing
// characters, and with one line end. What is escaped is written as JSON escapes it, so that a line of JSON
// stays one.
func clean(line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	return append(jsonsafe.Escape([]byte(webaddr.Redact(string(line)))), '\n')
}
