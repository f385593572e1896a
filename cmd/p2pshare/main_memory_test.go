package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestSoftLimit(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, c := range []struct{ machine, group, want int64 }{
		{0, 0, 2 * gib},
		{gib, 0, 512 * mib},
		{4 * gib, 0, gib},
		{64 * gib, 0, 2 * gib},
		{64 * gib, 800 * mib, 700 * mib},
		{4 * gib, 32 * gib, gib},
		{0, 64 * mib, 56 * mib},
	} {
		if got := softLimit(c.machine, c.group); got != c.want {
			t.Errorf("machine %d, group %d: got %d, want %d", c.machine, c.group, got, c.want)
		}
	}
}

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "off") // the runtime has read it by then: whatever it made of it stays
	debug.SetMemoryLimit(math.MaxInt64)
	if got := limitMemory(); got != 0 {
		t.Errorf("with GOMEMLIMIT=off: got %d, want no limit", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	if got := limitMemory(); got <= 0 || got > mostMemory || got != debug.SetMemoryLimit(-1) {
		t.Errorf("without GOMEMLIMIT: got %d", got)
	}
}
