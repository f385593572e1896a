package webseed

import "time"

// WithPatience sets the waits of o, which are seconds otherwise.
func WithPatience(o Options, stall, backoff time.Duration) Options {
	o.patience = patience{stall: stall, slow: slowTime, backoff: backoff, steal: 100 * time.Millisecond}
	return o
}

// ContentRange exports contentRange.
func ContentRange(s string) (from, to, total int64, ok bool) { return contentRange(s) }
