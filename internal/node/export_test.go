package node

import "time"

// LimitsNow is what holds of l at a moment.
func LimitsNow(l Limits, at time.Time) (up, down int64) { return l.now(at) }
