package catalog

import (
	"fmt"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/version"
)

// Latest and Stable are the versions that name no version: the highest, and the highest that is no pre-release. Without
// a version it is Stable, or where nothing is, what is published without one, or Latest.
const (
	Latest = "latest"
	Stable = "stable"
)

// CheckName judges the name of an entry: one to eight components divided by slashes, each of which names.CheckEntry takes:
// it could be the name of a file on every system, and hides nothing.
func CheckName(s string) error {
	parts := strings.Split(s, "/")
	if len(s) > maxEntryName || len(parts) > 8 {
		return fault.New(fault.Usage, "the name %.60q is longer than %d bytes or eight components", s, maxEntryName)
	}
	for _, p := range parts {
		if err := names.CheckEntry(p); err != nil {
			return fault.New(fault.Usage, "the name %.300q: %w", s, err)
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
	if l := strings.ToLower(s); l == Latest || l == Stable || isRange(l) {
		return fault.New(fault.Usage, "the version %q means other versions", s)
	}
	return nil
}

func versionWord(s string) bool {
	return s != "" && len(s) <= maxVersion && !strings.ContainsAny(s[:1], ".-_+") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+") == ""
}

// versionKey is the same for versions that are one: 1.2, v1.2.0 and 1.02, or nightly and Nightly.
func versionKey(s string) string {
	if v, ok := version.Parse(s); ok {
		return v.String()
	}
	return names.FoldEntry(s)
}

// versionRange is one of 1.x, 1.2.x, ^1.2.3 (no change of what is left of the first number that is not 0), ~1.2.3 (the
// last number may grow). Pre-releases are in no range.
type versionRange struct {
	from  version.Version
	fixed int // so many numbers stay
}

func isRange(s string) bool {
	_, ok := readRange(s)
	return ok
}

func readRange(s string) (r versionRange, ok bool) {
	switch {
	case strings.HasPrefix(s, "^"), strings.HasPrefix(s, "~"):
		if r.from, ok = version.Parse(s[1:]); !ok {
			return r, false
		}
		dots := strings.Count(s, ".")
		r.fixed = min(dots, 1) + 1 // ~1.2.3 and ~1.2 stay at 1.2, ~1 at 1
		if s[0] == '^' {
			r.fixed = 1
			for r.fixed < 3 && r.from.Number(r.fixed-1) == "0" {
				r.fixed++
			}
		}
		return r, true
	case s == "x" || s == "*":
		return versionRange{}, true
	}
	core, found := strings.CutSuffix(s, ".x")
	if !found {
		core, found = strings.CutSuffix(s, ".*")
	}
	r.from, ok = version.Parse(core)
	r.fixed = strings.Count(core, ".") + 1
	return r, found && ok && r.fixed <= 2
}

func (r versionRange) holds(v version.Version) bool {
	if v.Pre() || v.Compare(r.from) < 0 {
		return false
	}
	for i := range r.fixed {
		if v.Number(i) != r.from.Number(i) {
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
