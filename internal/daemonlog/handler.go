package daemonlog

import (
	"io"
	"log/slog"
	"regexp"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// The forms of a log.
const (
	Text = "text"
	JSON = "json"
)

// NewHandler writes records to w, each with one call of Write, in the form Text or JSON. Attributes that are
// called after a secret come out as "redacted". The error is a usage one: another form.
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

// secretKey are the names of attributes whose values nobody should read in a log.
var secretKey = regexp.MustCompile(`(?i)(password|passwd|passphrase|passkey|secret|token|authorization|cookie|private_?key)`)

func hide(_ []string, a slog.Attr) slog.Attr {
	if secretKey.MatchString(a.Key) {
		return slog.String(a.Key, "redacted")
	}
	return a
}
