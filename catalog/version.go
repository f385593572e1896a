package catalog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
)

// Latest and Stable are the versions that name no version: the highest, and the highest that is no pre-release.
const (
	Latest = "latest"
	Stable = "stable"
)

// CheckName judges the name of an entry: one to eight components divided by slashes, each of which could be the
// name of a file on every system, without @, * or a hyphen in front.
func CheckName(s string) error {
	parts := strings.Split(s, "/")
	if len(s) > maxEntryName || len(parts) > 8 {
		return fault.New(fault.Usage, "the name %.60q is longer than %d bytes or eight components", s, maxEntryName)
	}
	for _, p := range parts {
		if err := names.Check(p); err != nil {
			return fault.New(fault.Usage, "the name %.300q: %w", s, err)
		}
		if strings.ContainsAny(p, "@*") || p[0] == '-' {
			return fault.New(fault.Usage, "the name %.300q has an @, a * or a hyphen in front", s)
		}
	}
	return nil
}

// CheckVersion judges the version of an entry: 1 to 64 letters, digits, dots, hyphens, underscores and plus signs,
// with a letter or digit in front, and none of the words and ranges that mean other versions.
func CheckVersion(s string) error {
	if !versionWord(s) {
		return fault.New(fault.Usage, "the version %.80q is not 1 to %d of a-z A-Z 0-9 . - _ + with a letter or digit in front", s, maxVersion)
	}
	if s == Latest || s == Stable || isRange(s) {
		return fault.New(fault.Usage, "the version %q means other versions", s)
	}
	return nil
}

func versionWord(s string) bool {
	return s != "" && len(s) <= maxVersion && !strings.ContainsAny(s[:1], ".-_+") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+") == ""
}

// version is a version of Semantic Versioning, taken apart. A v in front and missing numbers are forgiven: v1.2 is 1.2.0.
type version struct {
	ok   bool
	nums [3]uint64
	pre  bool   // a pre-release
	full string // as x/mod/semver reads it
}

func readVersion(s string) (v version) {
	v.full = "v" + strings.TrimPrefix(s, "v")
	if !semver.IsValid(v.full) {
		return version{}
	}
	v.pre = semver.Prerelease(v.full) != ""
	core, _, _ := strings.Cut(v.full[1:], "+")
	core, _, _ = strings.Cut(core, "-")
	for i, part := range strings.Split(core, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return version{}
		}
		v.nums[i] = n
	}
	v.ok = true
	return v
}

func (v version) compare(w version) int {
	for i := range v.nums {
		if c := cmp.Compare(v.nums[i], w.nums[i]); c != 0 {
			return c
		}
	}
	if !v.pre && !w.pre {
		return 0
	}
	return semver.Compare(v.full, w.full)
}

// versionRange is one of 1.x, 1.2.x, ^1.2.3 (no change of what is left of the first number that is not 0), ~1.2.3 (the
// last number may grow). Pre-releases are in no range.
type versionRange struct {
	from  version
	fixed int // so many numbers stay
}

func isRange(s string) bool {
	_, ok := readRange(s)
	return ok
}

func readRange(s string) (r versionRange, ok bool) {
	switch {
	case strings.HasPrefix(s, "^"), strings.HasPrefix(s, "~"):
		r.from = readVersion(s[1:])
		dots := strings.Count(s, ".")
		r.fixed = min(dots, 1) + 1 // ~1.2.3 and ~1.2 stay at 1.2, ~1 at 1
		if s[0] == '^' {
			r.fixed = 1
			for r.fixed < 3 && r.from.nums[r.fixed-1] == 0 {
				r.fixed++
			}
		}
		return r, r.from.ok
	case s == "x" || s == "*":
		return versionRange{from: version{ok: true}}, true
	}
	core, found := strings.CutSuffix(s, ".x")
	if !found {
		core, found = strings.CutSuffix(s, ".*")
	}
	r.from = readVersion(core)
	r.fixed = strings.Count(core, ".") + 1
	return r, found && r.from.ok && !r.from.pre && r.fixed <= 2 && !strings.Contains(core, "+")
}

func (r versionRange) holds(v version) bool {
	if !v.ok || v.pre || v.compare(r.from) < 0 {
		return false
	}
	for i := range r.fixed {
		if v.nums[i] != r.from.nums[i] {
			return false
		}
	}
	return true
}

// SplitName reads NAME[@VERSION], where VERSION may be a version, latest, stable or a range. Without one it is empty.
func SplitName(s string) (name, version string, err error) {
	name, version, found := strings.Cut(s, "@")
	if err := CheckName(name); err != nil {
		return "", "", err
	}
	if found && !versionWord(version) && !isRange(version) {
		return "", "", fault.Hint(fault.New(fault.Usage, "%.300q asks for no version: %.80q", s, version),
			"a version reads like 1.4.2, latest, stable, 1.x, ^1.4 or ~1.4.2")
	}
	return name, version, nil
}

// path is what rules judge: the name, and below it the version.
func path(name, version string) string {
	if version == "" {
		return name
	}
	return fmt.Sprintf("%s/%s", name, version)
}
