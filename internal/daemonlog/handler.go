package daemonlog

import (
	"io"
	"log/slog"
	"regexp"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Formats of a log.
const (
	Text = "text"
	JSON = "json"
)

// NewHandler writes records to w, each with one call of Write, in the format Text or JSON. The values of attributes
// with names like "password" are replaced by "redacted". The error, for an unknown format, is a usage error.
func NewHandler(w io.Writer, form string, level slog.Leveler) (slog.Handler, error) {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: hide}
	switch form {
	case Text, "":
		return slog.NewTextHandler(w, o), nil
	case JSON:
		return slog.NewJSONHandler(w, o), nil
	}
	return nil, fault.Hint(fault.New(fault.Usage, "there is no log format %q", form), "choose text or json")
}

// secretKey matches the names of attributes whose values must not be logged.
var secretKey = regexp.MustCompile(`(?i)(password|passwd|passphrase|passkey|secret|token|authorization|cookie|private_?key)`)

func hide(_ []string, a slog.Attr) slog.Attr {
	if secretKey.MatchString(a.Key) {
		return slog.String(a.Key, "redacted")
	}
	return a
}
