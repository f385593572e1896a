package daemonlog

import (
	"bytes"

	"github.com/p2pshare/p2pshare/internal/jsonsafe"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// clean makes a line safe to show: it removes secrets, escapes control, invisible and direction-changing characters,
// and leaves one line end. It escapes as JSON does, so that a line of JSON stays valid.
func clean(line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	return append(jsonsafe.Escape([]byte(webaddr.Redact(string(line)))), '\n')
}
