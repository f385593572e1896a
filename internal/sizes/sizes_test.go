package sizes_test

import (
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/sizes"
)

func TestBytesAndRate(t *testing.T) {
	for _, c := range []struct {
		in   string
		size int64 // -1: refused
		rate int64
	}{
		{"0", 0, 0},
		{"65536", 65536, 65536},
		{"512k", 512_000, 512_000},
		{"1MiB", 1 << 20, 1 << 20},
		{"1 MiB", 1 << 20, 1 << 20},
		{"1Mi", 1 << 20, 1 << 20},
		{"1.5MB", 1_500_000, 1_500_000},
		{"2M/s", -1, 2_000_000},
		{"2MiB/s", -1, 2 << 20},
		{"10MBps", -1, 10_000_000},
		{"80Mbit", -1, 10_000_000},
		{"80Mbit/s", -1, 10_000_000},
		{"80Mbps", -1, 10_000_000},
		{"80 mbits", -1, 10_000_000},
		{"8Mibit", -1, 1 << 20},
		{"8Mb/s", -1, 1_000_000},
		{"8Mb", 8_000_000, -1},
		{"4bit", -1, -1},
		{"none", -1, 0},
		{"None", -1, 0},
		{"2", 2, -1}, // whoever writes it means 2M
		{"999", 999, -1},
		{"999 /s", -1, -1},
		{"1000", 1000, 1000},
		{"2B", 2, 2},
		{"2000/s", -1, 2000},
		{"", -1, -1},
		{"-1", -1, -1},
		{"fast", -1, -1},
		{"bit", -1, -1},
		{"99999999999EB", -1, -1},
		{"9EB", -1, -1},
	} {
		for what, f := range map[string]func(string) (int64, error){"size": sizes.Bytes, "rate": sizes.Rate} {
			want := c.size
			if what == "rate" {
				want = c.rate
			}
			got, err := f(c.in)
			if err != nil {
				got = -1
			}
			if got != want {
				t.Errorf("%s of %q: got %d (%v), want %d", what, c.in, got, err, want)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "90m": 90 * time.Minute, "36h": 36 * time.Hour, "14d": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, " 30s ": 30 * time.Second} {
		if got, err := sizes.Duration(in); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "3", "-1d", "-3h", "1d-3h", "NaNd", "1e9d", "36500d9223372036s9223372036s", "soon"} {
		if got, err := sizes.Duration(in); err == nil {
			t.Errorf("%q: got %v, want a refusal", in, got)
		}
	}
}
