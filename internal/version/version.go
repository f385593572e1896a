package version

import (
	"cmp"
	"slices"
	"strings"
)

// Version is a parsed version. The zero value is 0.0.0.
type Version struct {
	nums  []string // without leading zeros; trailing zero numbers are dropped
	pre   []string // identifiers of the pre-release, in lower case
	build []string // identifiers of the build metadata, in lower case
}

// Parse reads a version: numbers separated by dots, optionally with a leading v. With at least three numbers it may have
// a pre-release after a hyphen and build metadata after a plus sign. ok is false for anything else.
func Parse(s string) (v Version, ok bool) {
	s = strings.TrimPrefix(strings.ToLower(s), "v")
	core, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(core, "-")
	nums := strings.Split(core, ".")
	for i, n := range nums {
		if !isNumber(n) {
			return Version{}, false
		}
		nums[i] = number(n)
	}
	if (hasBuild || hasPre) && len(nums) < 3 {
		return Version{}, false // 2026-11-22 is a date, not a pre-release of 2026
	}
	for len(nums) > 0 && nums[len(nums)-1] == "0" {
		nums = nums[:len(nums)-1]
	}
	v.nums = nums
	if hasPre {
		if v.pre, ok = identifiers(pre); !ok {
			return Version{}, false
		}
	}
	if hasBuild {
		if v.build, ok = identifiers(build); !ok {
			return Version{}, false
		}
	}
	return v, true
}

func identifiers(s string) ([]string, bool) {
	out := strings.Split(s, ".")
	for i, id := range out {
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || id == "" {
			return nil, false
		}
		if isNumber(id) {
			out[i] = number(id)
		}
	}
	return out, true
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func number(s string) string {
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

// Pre reports whether v is a pre-release.
func (v Version) Pre() bool { return len(v.pre) > 0 }

// Number returns the number at index i (0 is major, 1 minor, 2 patch and so on), without leading zeros.
func (v Version) Number(i int) string {
	if i < len(v.nums) {
		return v.nums[i]
	}
	return "0"
}

// String returns the full version: at least three numbers, no v, lower case, no leading zeros. Two versions are equal
// if and only if their strings are.
func (v Version) String() string {
	nums := slices.Clone(v.nums)
	for len(nums) < 3 {
		nums = append(nums, "0")
	}
	s := strings.Join(nums, ".")
	if v.Pre() {
		s += "-" + strings.Join(v.pre, ".")
	}
	if len(v.build) > 0 {
		s += "+" + strings.Join(v.build, ".")
	}
	return s
}

// Compare orders as Semantic Versioning does: by the numbers, a pre-release before its release, pre-releases by their
// identifiers. Semantic Versioning does not order build metadata; Compare orders it like pre-release identifiers, with no
// metadata first, so that it returns 0 only for equal versions.
func (v Version) Compare(w Version) int {
	for i := range max(len(v.nums), len(w.nums)) {
		if c := compareNumbers(v.Number(i), w.Number(i)); c != 0 {
			return c
		}
	}
	if v.Pre() != w.Pre() {
		if v.Pre() {
			return -1
		}
		return 1
	}
	return cmp.Or(compareAll(v.pre, w.pre), compareAll(v.build, w.build))
}

func compareAll(a, b []string) int { return slices.CompareFunc(a, b, compareIdentifiers) }

// compareIdentifiers puts numbers before words, as Semantic Versioning does.
func compareIdentifiers(a, b string) int {
	switch x, y := isNumber(a), isNumber(b); {
	case x && y:
		return compareNumbers(a, b)
	case x:
		return -1
	case y:
		return 1
	}
	return cmp.Compare(a, b)
}

// compareNumbers orders digits without leading zeros.
func compareNumbers(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
