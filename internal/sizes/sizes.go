// Package sizes reads numbers as people write them: sizes, rates and lengths of time. Every error is of
// fault.Usage, says what was read, and has a hint with the forms that are taken.
package sizes

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// maxBytes bounds sizes and rates far below where sums of them overflow.
const maxBytes = math.MaxInt64 / 2

// Bytes reads a number of bytes: 65536, 512k, 1.5MB (powers of 1000), 1MiB, 1Mi (powers of 1024).
func Bytes(s string) (int64, error) {
	n, err := humanize.ParseBytes(strings.TrimSpace(s))
	if err != nil || n > maxBytes {
		return 0, fault.Hint(fault.New(fault.Usage, "%q is not a size", s), "write it as 65536, 512k, 10MB (powers of 1000) or 1MiB (powers of 1024)")
	}
	return int64(n), nil
}

// Rate reads bytes a second as a size, with or without /s, and bits a second as 80Mbit, 80Mbit/s
// or 80Mbps. 0 and none are no limit. A number below 1,000 without a unit is refused: whoever writes 2 means 2M.
func Rate(s string) (int64, error) {
	bad := fault.Hint(fault.New(fault.Usage, "%q is not a rate", s), "write it as 2M/s or 2MiB (bytes a second), 80Mbit (bits a second), or none")
	v, perSecond := strings.TrimSpace(s), false
	if strings.EqualFold(v, "none") {
		return 0, nil
	}
	for _, suffix := range []string{"/s", "ps"} {
		if cut, ok := strings.CutSuffix(v, suffix); ok {
			v, perSecond = cut, true
			break
		}
	}
	bits := int64(1)
	lower := strings.ToLower(v)
	switch {
	case strings.HasSuffix(lower, "bit"), strings.HasSuffix(lower, "bits"):
		v, bits = v[:strings.LastIndex(lower, "bit")], 8
	case perSecond && strings.HasSuffix(v, "b"): // 80Mbps and 80Mb/s are bits wherever lines are sold
		v, bits = v[:len(v)-1], 8
	case strings.HasSuffix(v, "b"):
		return 0, fault.Hint(fault.New(fault.Usage, "%q may mean bits or bytes", s), "write MB for bytes and Mbit for bits")
	}
	n, err := humanize.ParseBytes(strings.TrimSpace(v))
	if err != nil || n > maxBytes {
		return 0, bad
	}
	if n > 0 && n < 1000 && strings.Trim(v, "0123456789. ") == "" && bits == 1 {
		return 0, fault.Hint(fault.New(fault.Usage, "%q is %d bytes a second", s, n), "did you mean %sM or %sk? %sB is what it says", v, v, v)
	}
	rate := int64(n) / bits
	if rate == 0 && n != 0 {
		return 0, bad // would turn "next to nothing" into "no limit"
	}
	return rate, nil
}

// Duration reads a length of time as Go does, and days: 30s, 10m, 36h, 14d, 1d12h.
func Duration(s string) (time.Duration, error) {
	bad := fault.Hint(fault.New(fault.Usage, "%q is not a length of time", s), "write it as 30s, 10m, 36h or 14d")
	v := strings.TrimSpace(s)
	if v == "0" {
		return 0, nil
	}
	var days time.Duration
	if n, rest, ok := strings.Cut(v, "d"); ok {
		f, err := strconv.ParseFloat(n, 64)
		if err != nil || !(f >= 0 && f <= 36500) {
			return 0, bad
		}
		days, v = time.Duration(f*24*float64(time.Hour)), rest
	}
	if v == "" && days > 0 {
		return days, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d+days < days {
		return 0, bad
	}
	return d + days, nil
}
