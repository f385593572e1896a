package names_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/p2pshare/p2pshare/internal/names"
)

func TestFoldEntry(t *testing.T) {
	for _, c := range []struct {
		about, a, b string
		same        bool
	}{
		{"case", "APP/X", "app/x", true},
		{"composition", "caf\u0065\u0301", "caf\u00e9", true},
		{"sharp s", "Straße", "STRASSE", true},
		{"capital sharp s", "STRA\u1e9eE", "strasse", true},
		{"Kelvin sign", "\u212aey", "key", true},
		{"long s", "\u017falt", "salt", true},
		{"final sigma", "ΟΔΟΣ", "οδος", true},
		{"dotted capital I", "\u0130", "i\u0307", true},
		{"fullwidth", "ａｐｐ", "app", true},
		{"ligature", "ﬁlms", "films", true},
		{"mathematical letters", "\U0001d41a\U0001d429\U0001d429", "app", true},
		{"circled letters", "ⓐⓟⓟ", "app", true},
		{"no-break space", "a\u00a0b", "a b", true},
		{"fullwidth digits", "１", "1", true},
		{"soft hyphen", "a\u00adpp", "app", true},
		{"joiner", "a\u200dpp", "app", true},
		{"variation selector", "app\ufe0f", "app", true},
		{"supplementary variation selector", "app\U000e0100", "app", true},
		{"Mongolian variation selector", "app\u180b", "app", true},
		{"tag", "app\U000e0061", "app", true},
		{"Hangul filler", "app\u3164", "app", true},
		{"halfwidth Hangul filler", "app\uffa0", "app", true},
		{"grapheme joiner", "a\u034fpp", "app", true},
		{"Khmer inherent vowel", "app\u17b4", "app", true},
		{"bidi override", "\u202eapp", "app", true},
		{"isolate", "\u2066app\u2069", "app", true},
		{"byte order mark", "\ufeffapp", "app", true},
		{"dotless i", "ı", "i", false},
		{"Cyrillic a", "\u0430pp", "app", false},
		{"accent", "é", "e", false},
	} {
		if got := names.FoldEntry(c.a) == names.FoldEntry(c.b); got != c.same {
			t.Errorf("%s: %q is %q, %q is %q: got the same %v, want %v", c.about, c.a, names.FoldEntry(c.a), c.b, names.FoldEntry(c.b), got, c.same)
		}
	}
}

func TestCheckEntry(t *testing.T) {
	for _, s := range []string{"app", "Öl", "a b", "なに？", "日本語", "nai\u0308ve", "½", "ﬁlms", "İzmir", "c++", "a&b"} {
		if err := names.CheckEntry(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, c := range []struct{ about, name, want string }{
		{"a device name", "con", "device"},
		{"a parent folder", "..", "folder"},
		{"at", "app@1", "separates names"},
		{"fullwidth at", "app＠1", "separates names"},
		{"small at", "app\ufe6b1", "separates names"},
		{"fullwidth slash", "hr／x", "separates names"},
		{"division slash", "hr\u2215x", "separates names"},
		{"fraction slash", "hr\u2044x", "separates names"},
		{"account of", "\u2100", "separates names"},
		{"fullwidth backslash", "hr＼x", "separates names"},
		{"fullwidth star", "＊", "separates names"},
		{"small star", "\ufe61", "separates names"},
		{"a hyphen in front", "-x", "hyphen"},
		{"variation selector", "app\ufe0f", "invisible"},
		{"supplementary variation selector", "app\U000e0100", "invisible"},
		{"Mongolian variation selector", "app\u180b", "invisible"},
		{"joiner", "a\u200dpp", "invisible"},
		{"soft hyphen", "a\u00adpp", "invisible"},
		{"Hangul filler", "\u115f", "invisible"},
		{"tag", "app\U000e0061", "invisible"},
		{"Khmer inherent vowel", "app\u17b4", "invisible"},
		{"a default-ignorable that is not assigned", "app\U000e0fff", "invisible"},
		{"bidi", "\u202eapp", "reverses"},
		{"an ellipsis at the end", "app\u2026", "compared as"},
		{"a one dot leader at the end", "app\u2024", "compared as"},
		{"a no-break space at the end", "app\u00a0", "compared as"},
		{"an ideographic space at the end", "app\u3000", "compared as"},
		{"two dots in one", "\u2025", "compared as"},
		{"fullwidth colon", "c：", "compared as"},
		{"trailing dot", "app.", "ends in a dot"},
		{"trailing space", "app ", "ends in a space"},
		{"invalid UTF-8", "app\xff", "UTF-8"},
	} {
		err := names.CheckEntry(c.name)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: CheckEntry(%q): got %v, want an error that says %q", c.about, c.name, err, c.want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"App/X", "e\u0301", "ﬁ", "\u0130", "\u0345\u03b1", "\u1e9e", "app\ufe0f", "\u2100", "\u3300", "ﷺ", "a\u200d\u0301", "\u03d2\u0301", "\u1fb3\u0345"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		folded := names.FoldEntry(s)
		if again := names.FoldEntry(folded); again != folded {
			t.Errorf("%q folds to %q, and that to %q", s, folded, again)
		}
		if names.CheckEntry(s) != nil {
			return
		}
		if strings.ContainsAny(folded, "/\\@*") || folded == "" {
			t.Errorf("%q is an entry's name, and folds to %q", s, folded)
		}
	})
}
