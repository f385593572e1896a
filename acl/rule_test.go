package acl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
)

func TestParseRule(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"allow @crew publish films/** until 2027-01-01", ""},
		{"deny guest read hr/**", ""},
		{"  allow   *   read  a ", "allow * read a"},
		{"allow a,@b,* publish x/*/y?z", ""},
		{"deny a read x until 2027-01-01T02:00:00+02:00", "deny a read x until 2027-01-01"},
		{"deny a read x until 2027-01-01T02:00:00Z", ""},
		{"allow a read größe/**", ""},
	} {
		want := c.want
		if want == "" {
			want = c.in
		}
		r, err := acl.ParseRule(c.in)
		if err != nil || r.String() != want {
			t.Errorf("ParseRule(%q): got %q, %v, want %q", c.in, r, err, want)
		}
	}
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "has not the form"},
		{"half", "allow a read", "has not the form"},
		{"too much", "allow a read x y", "has not the form"},
		{"another verb", "permit a read x", "neither allow nor deny"},
		{"another right", "allow a write x", "neither read nor publish"},
		{"no name", "allow a,,b read x", "cannot be a name"},
		{"a name in capitals", "allow Bob read x", "cannot be a name"},
		{"everybody in capitals", "deny Everyone read x", "write * for everybody"},
		{"everybody as a team", "deny @* read x", "write * for everybody"},
		{"two ats", "allow @@b read x", "cannot be a name"},
		{"an absolute path", "allow a read /x", "empty component"},
		{"a path that leads out", "allow a read x/../y", "one of dots"},
		{"a bracket", "allow a read x[ab]", "character '['"},
		{"a brace", "allow a read {x,y}", "character '{'"},
		{"a version", "allow a read x@1", "character '@'"},
		{"stars in a component", "allow a read x/a**", "not a component by itself"},
		{"nine stars", "allow a read *a*b*c*d*e*f*g*h*i", "more than 8 stars"},
		{"long", "allow a read " + strings.Repeat("x", 301), "not from 1 to 300"},
		{"an invisible character", "deny a read h\u200br", "character"},
		{"a soft hyphen", "deny a read h\u00adr", "character"},
		{"a variation selector", "deny a read hr\ufe0f/**", "invisible"},
		{"a Hangul filler", "deny a read hr\u115f", "invisible"},
		{"a grapheme joiner", "deny a read h\u034fr", "invisible"},
		{"a fullwidth slash", "deny a read hr／x", "separates names"},
		{"a fullwidth star", "deny a read hr/＊", "separates names"},
		{"a fullwidth question mark", "deny a read h？r", "question mark"},
		{"what no name ends in", "deny a read hr.", "ends in a dot"},
		{"what no name is", "deny a read nul", "device"},
		{"an ellipsis", "deny a read hr\u2026", "compared as"},
		{"no UTF-8", "deny a read hr\xff", "UTF-8"},
		{"no date", "allow a read x until tomorrow", "no date"},
		{"no until", "allow a read x before 2027-01-01", "has not the form"},
		{"before time began", "allow a read x until 1969-01-01", "no date"},
	} {
		_, err := acl.ParseRule(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want a usage error with %q and a hint", c.name, err, c.want)
		}
	}
}

func TestRuleCovers(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"films/**", "films/heat/2", true},
		{"films/**", "films", true},
		{"films", "films/heat/2", true},
		{"films", "filmsx", false},
		{"films/*", "films/heat", true},
		{"films/*", "films/heat/2", true},
		{"films/*/1", "films/heat/2", false},
		{"*/heat", "films/heat/2", true},
		{"**/heat", "a/b/heat", true},
		{"**", "anything/at/all", true},
		{"*", "anything/at/all", true},
		{"a?c", "abc", true},
		{"a?c", "a/c", false},
		{"Films", "films", true},
		{"hr/**", "HR/x", true},
		{"HR/**", "hr/x", true},
		{"straße/**", "STRASSE/x", true},
		{"stra??e", "straße", true}, // ? is one character of what it folds to
		{"stra?e", "straße", false},
		{"caf\u00e9", "cafe\u0301", true},
		{"cafe\u0301/*", "CAF\u00c9/x", true},
		{"?a", "e\u0301a", true}, // composed
		{"key", "\u212aey", true},
		{"app", "ａｐｐ", true},
		{"ａｐｐ/**", "app/x", true},
		{"films", "ﬁlms", true},
		{"i", "ı", false},
		{"app", "\u0430pp", false},
		{"app/1.*", "app/2.0", false},
	} {
		if got := (acl.Rule{Glob: c.glob}).Covers(c.path); got != c.want {
			t.Errorf("%q covers %q: got %v, want %v", c.glob, c.path, got, c.want)
		}
		if c.want && !(acl.Rule{Glob: c.glob, Deny: true}).Covers(c.path) {
			t.Errorf("a denial of %q does not cover %q", c.glob, c.path)
		}
	}
}

// TestDenialsAreClosed: a rule that denies speaks of every spelling of a version, and of what is no name; one that allows
// does not.
func TestDenialsAreClosed(t *testing.T) {
	for _, c := range []struct{ glob, path string }{
		{"app/2.0.0", "app/2"},
		{"app/2.0.0", "app/v2.0"},
		{"app/2", "app/2.0.0"},
		{"app/2", "app/V2.0"},
		{"app/2.*", "app/2"},
		{"app/2.*", "app/v2.1"},
		{"app/2.*", "app/02.1"},
		{"app/v2.*", "app/2.1"},
		{"app/02.*", "app/2.1.0"},
		{"app/v*", "app/2.1.0"},
		{"app/2.0.0-rc.*", "app/v2.0.0-RC.01"},
		{"hr", "hr\u200b/x"},
		{"hr", "hr/../x"},
		{"hr", "hr//x"},
		{"hr", "/hr"},
		{"hr", "hr/"},
		{"hr", "hr."},
		{"hr", "hr "},
		{"hr", "hr\ufe0f"},
		{"hr", "hr\xff"},
		{"hr", "h\u00adr"},
		{"hr", "hr／x"},
		{"hr", ""},
	} {
		if !(acl.Rule{Glob: c.glob, Deny: true}).Covers(c.path) {
			t.Errorf("a denial of %q does not cover %q", c.glob, c.path)
		}
		if (acl.Rule{Glob: c.glob}).Covers(c.path) {
			t.Errorf("%q allows %q", c.glob, c.path)
		}
	}
	// And nobody may read or publish at what is no name, in a group that has rules.
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.rule("alice1", 20, "r", 1, "allow * publish **")
	s := w.fold()
	for _, path := range []string{"a\u200b", "a/../b", "a//b", "a\xff", ""} {
		for _, may := range []acl.Right{acl.Read, acl.Publish} {
			if d := s.Test("carol", may, path, start); d.Allowed || !strings.Contains(d.Why, "no path") {
				t.Errorf("%s at %q: got %+v", may, path, d)
			}
		}
	}
}

func TestRulesDecide(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher, "crew")
	w.account(11, "dave", acl.Member)
	w.account(12, "nas", acl.Backup)
	w.account(13, "box", acl.Mirror)
	w.sign("alice1", 14, acl.AccountChange{Name: "guest", Role: acl.Member, Key: keyOf("guest"), Until: start.Add(time.Hour)})
	for i, r := range []string{
		"deny guest read hr/**",
		"allow dave publish docs/** until 2027-01-01",
		"allow @crew publish films/**",
		"deny * publish films/**",
		"allow alice read secret/**",
		"deny *,nas read secret/**",
	} {
		w.rule("alice1", 20+int64(i), "r"+string(rune('1'+i)), int64(i), r)
	}
	s := w.fold()
	wantNoProblems(t, s)
	for _, c := range []struct {
		name, who string
		may       acl.Right
		path      string
		at        time.Time
		want      bool
		rule, why string
	}{
		{"a rule denies", "guest", acl.Read, "hr/x", start, false, "r1", "deny guest read hr/**"},
		{"no rule speaks", "guest", acl.Read, "films/x", start, true, "", "no rule"},
		{"an account that has ended", "guest", acl.Read, "films/x", start.Add(time.Hour), false, "", "ended"},
		{"a rule allows a member", "dave", acl.Publish, "docs/x", start, true, "r2", "allow dave"},
		{"a rule that has ended", "dave", acl.Publish, "docs/x", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), false, "", "member does not publish"},
		{"a member elsewhere", "dave", acl.Publish, "x", start, false, "", "member does not publish"},
		{"a team, before the denial", "carol", acl.Publish, "films/x", start, true, "r3", "@crew"},
		{"an admin meets the denial", "alice", acl.Publish, "films/x", start, false, "r4", "deny *"},
		{"an admin elsewhere", "alice", acl.Publish, "x", start, true, "", "admin publishes"},
		{"a publisher elsewhere", "carol", acl.Publish, "x", start, true, "", "publisher publishes"},
		{"first match wins", "alice", acl.Read, "secret/x", start, true, "r5", ""},
		{"everyone else", "carol", acl.Read, "secret/x", start, false, "r6", ""},
		{"a backup reads everything", "nas", acl.Read, "secret/x", start, true, "", "backup"},
		{"a backup does not publish", "nas", acl.Publish, "x", start, false, "", "backup does not publish"},
		{"a mirror reads nothing", "box", acl.Read, "x", start, false, "", "mirror"},
		{"nobody", "zoe", acl.Read, "x", start, false, "", "no account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := s.Test(c.who, c.may, c.path, c.at)
			id := ""
			if d.Rule != nil {
				id = d.Rule.ID
			}
			if d.Allowed != c.want || id != c.rule || !strings.Contains(d.Why, c.why) {
				t.Errorf("got %v by %q: %q, want %v by %q: %q", d.Allowed, id, d.Why, c.want, c.rule, c.why)
			}
		})
	}
	for _, c := range []struct {
		who  string
		read []string
		want bool
	}{
		{"carol", []string{"*"}, true}, {"carol", []string{"dave", "@crew"}, true}, {"carol", []string{"@publisher"}, true},
		{"carol", []string{"dave"}, false}, {"nas", []string{"dave"}, true}, {"guest", []string{"guest"}, false}, {"zoe", []string{"*"}, false},
	} {
		if got := s.MayRead(c.who, "hr/x", c.read, at(3000), start); got.Allowed != c.want {
			t.Errorf("%s reads what is for %v: got %+v, want %v", c.who, c.read, got, c.want)
		}
	}
}

// TestSharesAreJudgedAsTheyWereMade: a right that ends later does not take what was published with it.
func TestSharesAreJudgedAsTheyWereMade(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	first := w.share("carol1", 30)
	w.rule("alice1", 40, "r", 1, "deny carol publish films/**")
	second := w.share("carol1", 50)
	w.sign("alice1", 60, acl.RuleChange{Rule: acl.Rule{ID: "r"}, Gone: true})
	third := w.share("carol1", 70)
	w.account(80, "carol", acl.Member)
	fourth := w.share("carol1", 90)
	s := w.fold()
	for i, want := range map[int64]bool{first: true, second: false, third: true, fourth: false} {
		who, rank, err := s.MayPublish(key("carol1"), i, at(20+10*i*2-10), "films/x")
		if (err == nil) != want || who != "carol" || err == nil && rank == 0 {
			t.Errorf("share %d: got %q, %d, %v, want allowed %v", i, who, rank, err, want)
		}
	}
	if _, _, err := s.MayPublish(key("nobody"), 1, at(30), "x"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a stranger: got %v", err)
	}
	if who, admin, err := s.MayDrop(key("alice1"), 1, at(95)); who != "alice" || !admin || err != nil {
		t.Errorf("an admin drops: got %q, %v, %v", who, admin, err)
	}
	if who, admin, err := s.MayDrop(key("carol1"), 4, at(95)); who != "carol" || admin || err != nil {
		t.Errorf("a member drops: got %q, %v, %v", who, admin, err)
	}
	if _, _, err := s.MayDrop(key("nobody"), 4, at(95)); err == nil {
		t.Error("a stranger drops")
	}
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"allow @crew publish films/** until 2027-01-01", "deny a,b read *", "allow * read ** until 2027-01-01T01:02:03Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := acl.ParseRule(s)
		if err != nil {
			return
		}
		again, err := acl.ParseRule(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q prints as %q, which reads as %q, %v", s, r, again, err)
		}
		r.Covers("films/heat/2")
	})
}
