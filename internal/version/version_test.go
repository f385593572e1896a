package version_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/version"
)

// TestOrder lists versions in ascending order; versions on one line are equal.
func TestOrder(t *testing.T) {
	big := strings.Repeat("9", 40)
	lines := [][]string{
		{"0", "v0", "0.0", "0.0.0", "00.000.0"},
		{"0.0.1"},
		{"1.0.0-1", "1.0.0-01", "v1.0.0-1"},
		{"1.0.0-2"},
		{"1.0.0-10"},
		{"1.0.0-" + big},
		{"1.0.0-alpha", "1.0.0-ALPHA", "1.0.0.0-alpha"},
		{"1.0.0-alpha.1"},
		{"1.0.0-alpha.beta"},
		{"1.0.0-beta"},
		{"1.0.0-beta.2"},
		{"1.0.0-beta.11"},
		{"1.0.0-rc.1", "V1.0.0-RC.1"},
		{"1.0.0-rc.1+x"},
		{"1.0.0-rc_2"},
		{"1", "v1.0", "1.0.0", "01.00", "1.0.0.0.0"},
		{"1.0.0+9"},
		{"1.0.0+10"},
		{"1.0.0+linux"},
		{"1.0.0.1"},
		{"1.2", "1.02", "V1.2.0"},
		{"1.2.3.4"},
		{"1.2.10"},
		{"1.10"},
		{"1.18446744073709551615"},
		{"1.18446744073709551616"},
		{"1." + big},
		{"2"},
		{"2024.01.05", "2024.1.5"},
		{"2024.11.1"},
		{big},
		{big + "0"},
	}
	for i, line := range lines {
		for _, a := range line {
			v, ok := version.Parse(a)
			if !ok {
				t.Fatalf("%q does not parse", a)
			}
			for j, other := range lines {
				for _, b := range other {
					w, _ := version.Parse(b)
					want := 0
					switch {
					case i < j:
						want = -1
					case i > j:
						want = 1
					}
					if got := v.Compare(w); got != want {
						t.Errorf("%q against %q: got %d, want %d", a, b, got, want)
					}
					if same := v.String() == w.String(); same != (want == 0) {
						t.Errorf("%q is %q, %q is %q", a, v, b, w)
					}
				}
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "v", "vv1", "x", "1.z", "1.", ".1", "1..2", "1.x", "-1", "+1", "1_0", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3-a.",
		"1.2-rc1", "2026-11-22", "1+b", "1.2.3-ä", "١.٢", "１.２", "1.2.3 ", "1,2", "nightly", "1e5", "0x1"} {
		if v, ok := version.Parse(s); ok {
			t.Errorf("%q parses as %v", s, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.2.3-rc.1+b.01", "v01", "1.2.3.4", "1..2", "V1.0.0-A_b"} {
		f.Add(s, "1.0.0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, ok := version.Parse(a)
		if !ok {
			return
		}
		again, ok := version.Parse(v.String())
		if !ok || again.Compare(v) != 0 || again.String() != v.String() {
			t.Fatalf("%q is %q, which reads as %q, %v", a, v, again, ok)
		}
		if w, ok := version.Parse(b); ok && (v.Compare(w) != -w.Compare(v) || (v.Compare(w) == 0) != (v.String() == w.String())) {
			t.Fatalf("%q against %q: %d and %d", a, b, v.Compare(w), w.Compare(v))
		}
		if strings.HasPrefix(v.String(), "v") || slices.Contains(strings.Split(v.String(), "."), "") {
			t.Fatalf("%q is %q", a, v)
		}
	})
}
