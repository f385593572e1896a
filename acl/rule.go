package acl

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
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
	for _, part := range strings.Split(g, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("the path %q has an empty component, or one of dots", g)
		}
		if strings.Contains(part, "**") && part != "**" {
			return fmt.Errorf("in the path %q ** is not a component by itself", g)
		}
	}
	for _, c := range g {
		if strings.ContainsRune(`[]{}\!@`, c) || !unicode.IsPrint(c) || unicode.IsSpace(c) {
			return fmt.Errorf("the path %q has the character %q; * ? and ** are the wildcards there are", g, c)
		}
	}
	if !doublestar.ValidatePattern(g) {
		return errors.New("the path is no pattern")
	}
	return nil
}

// Covers says whether the rule speaks of a path: what its glob matches, and all below that.
func (r Rule) Covers(path string) bool {
	// A pattern of x/** matches x too.
	ok, err := doublestar.Match(strings.TrimSuffix(r.Glob, "/**")+"/**", path)
	return err == nil && ok
}

// coversAll says whether there is no path that the rule does not speak of.
func (r Rule) coversAll() bool { return strings.Trim(strings.TrimSuffix(r.Glob, "/**"), "*") == "" }

// applies says whether the rule is in force at a time, and about an account's right.
func (r Rule) applies(a *Account, may Right, now time.Time) bool {
	return r.May == may && (r.Until.IsZero() || now.Before(r.Until)) && r.names(a)
}

// names says whether the rule speaks of an account.
func (r Rule) names(a *Account) bool {
	for _, w := range r.Who {
		if w == "*" || w == a.Name || w == "@"+string(a.Role) {
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
