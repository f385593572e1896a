package acl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/signed"
	versions "github.com/p2pshare/p2pshare/internal/version"
)

// Right is what a rule is about.
type Right string

const (
	Read    Right = "read"
	Publish Right = "publish"
)

// Rule lets accounts read or publish below a path, or keeps them from it. The first rule of a group that speaks of
// an account, right and path decides.
type Rule struct {
	ID    string // of the record; empty before there is one
	Pos   int64  // rules are asked in the order of Pos, then ID
	Deny  bool
	Who   []string // account, @team, @role, or * for everyone
	May   Right
	Glob  string    // * and ? within a component, ** across; it covers all below what it matches
	Until time.Time // from then on the rule is not there; zero: for ever

	// meant are the accounts that had the names of Who when the rule was set, by their First. What it allows is for those,
	// and not for who is given such a name later; a name that nobody had is for who gets it.
	meant map[string]signed.Key
}

// ParseRule reads (allow|deny) WHO[,WHO...] (read|publish) GLOB [until DATE]. DATE is a day, which ends the rule
// at its beginning in UTC, or a time of RFC 3339. Errors are of fault.Usage.
func ParseRule(s string) (Rule, error) {
	bad := func(format string, args ...any) (Rule, error) {
		return Rule{}, fault.Hint(fault.New(fault.Usage, "rule %.200q: %w", s, fmt.Errorf(format, args...)),
			`a rule reads like "allow @crew publish films/** until 2027-01-01" or "deny guest read hr/**"`)
	}
	words := strings.Fields(s)
	if len(words) != 4 && (len(words) != 6 || words[4] != "until") {
		return bad("it has not the form (allow|deny) WHO (read|publish) PATH [until DATE]")
	}
	r := Rule{Deny: words[0] == "deny", Who: strings.Split(words[1], ","), May: Right(words[2]), Glob: words[3]}
	if words[0] != "allow" && words[0] != "deny" {
		return bad("%q is neither allow nor deny", words[0])
	}
	if len(words) == 6 {
		at, err := time.Parse(time.DateOnly, words[5])
		if err != nil {
			at, err = time.Parse(time.RFC3339, words[5])
		}
		if err != nil || at.Unix() < 1 {
			return bad("%q is no date like 2027-01-01", words[5])
		}
		r.Until = time.Unix(at.Unix(), 0).UTC()
	}
	if err := r.check(); err != nil {
		return bad("%w", err)
	}
	return r, nil
}

// String is the rule as ParseRule reads it.
func (r Rule) String() string {
	verb := "allow"
	if r.Deny {
		verb = "deny"
	}
	s := strings.Join([]string{verb, strings.Join(r.Who, ","), string(r.May), r.Glob}, " ")
	if r.Until.IsZero() {
		return s
	}
	if r.Until.Unix()%86400 == 0 {
		return s + " until " + r.Until.UTC().Format(time.DateOnly)
	}
	return s + " until " + r.Until.UTC().Format(time.RFC3339)
}

func (r Rule) check() error {
	if r.May != Read && r.May != Publish {
		return fmt.Errorf("%q is neither read nor publish", r.May)
	}
	if err := checkWho(r.Who); err != nil {
		return err
	}
	return checkGlob(r.Glob)
}

func checkWho(who []string) error {
	if len(who) == 0 || len(who) > maxWho {
		return fmt.Errorf("%d names are not from 1 to %d", len(who), maxWho)
	}
	for _, w := range who {
		if w == "*" {
			continue
		}
		if err := signed.CheckName(strings.TrimPrefix(w, "@")); err != nil {
			if meansEverybody(w) {
				return fmt.Errorf("%q names nobody: write * for everybody", w)
			}
			return err
		}
	}
	return nil
}

func checkGlob(g string) error {
	if g == "" || len(g) > maxGlob {
		return fmt.Errorf("a path of %d bytes is not from 1 to %d", len(g), maxGlob)
	}
	if strings.Count(strings.ReplaceAll(g, "**", "*"), "*") > maxStars {
		return fmt.Errorf("the path has more than %d stars", maxStars)
	}
	if !utf8.ValidString(g) {
		return errors.New("the path is not valid UTF-8")
	}
	for _, c := range g {
		if strings.ContainsRune(`[]{}\!@`, c) || !unicode.IsPrint(c) || unicode.IsSpace(c) {
			return fmt.Errorf("the path %q has the character %q; * ? and ** are the wildcards there are", g, c)
		}
		if c == '？' || c == '﹖' {
			return fmt.Errorf("the path %q has the character %q, which is compared as a question mark: write ?", g, c)
		}
	}
	for _, part := range strings.Split(g, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("the path %q has an empty component, or one of dots", g)
		}
		if strings.Contains(part, "**") && part != "**" {
			return fmt.Errorf("in the path %q ** is not a component by itself", g)
		}
		// A rule that no name can match would be a denial that denies nothing.
		if err := names.CheckEntry(wildcards.Replace(part)); err != nil {
			return fmt.Errorf("in the path %q: %w", g, err)
		}
	}
	if !doublestar.ValidatePattern(names.FoldEntry(g)) {
		return errors.New("the path is no pattern")
	}
	return nil
}

// wildcards makes a name of a component that has some.
var wildcards = strings.NewReplacer("*", "x", "?", "x")

// spelled is a path as rules see it: folded, and with its last component in the one spelling of a version, if it is
// one. Rules that deny are asked for both: 2.0.0, v2 and 2.00 are one version to all who fetch.
type spelled struct{ folded, version string }

// spell folds a path. It fails for one that is none: no component empty, of dots, or with what no name has.
func spell(path string) (spelled, error) {
	parts := strings.Split(path, "/")
	for _, c := range parts {
		if err := names.CheckEntry(c); err != nil {
			return spelled{}, err
		}
	}
	s := spelled{folded: names.FoldEntry(path)}
	if folder, last := cutLast(s.folded); len(parts) > 1 {
		if v, ok := versions.Parse(last); ok {
			s.version = folder + v.String()
		}
	}
	return s, nil
}

func cutLast(path string) (folder, last string) {
	i := strings.LastIndexByte(path, '/') + 1
	return path[:i], path[i:]
}

// leadingZeros are those of the numbers of a version.
var leadingZeros = regexp.MustCompile(`(^|\.)0+([0-9])`)

// versionGlob is a folded glob for paths in the one spelling of their version.
func versionGlob(glob string) string {
	folder, last := cutLast(glob)
	if v, ok := versions.Parse(last); ok {
		return folder + v.String()
	}
	if rest, ok := strings.CutPrefix(last, "v"); ok && rest != "" && strings.ContainsAny(rest[:1], "0123456789*?") {
		last = rest
	}
	return folder + leadingZeros.ReplaceAllString(last, "$1$2")
}

// Covers says whether the rule speaks of a path: what its glob matches, and all below that. Both are compared as
// names.FoldEntry folds them: ? is one character of what that gives. A rule that denies covers every spelling of a version
// that it matches, and every path that is no name.
func (r Rule) Covers(path string) bool {
	s, err := spell(path)
	if err != nil {
		return r.Deny
	}
	return r.covers(s)
}

func (r Rule) covers(s spelled) bool {
	glob := strings.TrimSuffix(names.FoldEntry(r.Glob), "/**")
	return covers(glob, s.folded) || r.Deny && s.version != "" && covers(versionGlob(glob), s.version)
}

func covers(glob, path string) bool {
	ok, err := doublestar.Match(glob+"/**", path) // which matches what glob does, too
	return err == nil && ok
}

// coversAll says whether there is no path that the rule does not speak of.
func (r Rule) coversAll() bool { return strings.Trim(strings.TrimSuffix(r.Glob, "/**"), "*") == "" }

// applies says whether the rule is in force at a time, and about an account's right.
func (r Rule) applies(a *Account, may Right, now time.Time) bool {
	return r.May == may && (r.Until.IsZero() || now.Before(r.Until)) && r.names(a)
}

// names says whether the rule speaks of an account. One that no admin has confirmed has nothing of its name but what is
// denied to it: somebody else may have that name tomorrow.
func (r Rule) names(a *Account) bool {
	first, known := r.meant[a.Name]
	mine := r.Deny || a.Pinned && (!known || first == a.First || a.Role == Admin)
	for _, w := range r.Who {
		if w == "*" || w == a.Name && mine || w == "@"+string(a.Role) {
			return true
		}
		for _, t := range a.Teams {
			if w == "@"+t {
				return true
			}
		}
	}
	return false
}
