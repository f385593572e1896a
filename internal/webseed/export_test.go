package webseed

import "time"

// WithPatience makes o wait for so long where it would wait for seconds.
func WithPatience(o Options, stall, backoff time.Duration) Options {
	o.patience = patience{stall: stall, slow: slowTime, backoff: backoff, steal: 100 * time.Millisecond}
	return o
}

// ContentRange is contentRange.
func ContentRange(s string) (from, to, total int64, ok bool) { return contentRange(s) }
