package jsonsafe_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/p2pshare/p2pshare/internal/jsonsafe"
)

// hostile has one character of each kind that controls a terminal or is invisible.
const hostile = "a\u0080\u009b31m\u009f\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\u00ad\U000e0041é漢😀\x1b[0m\x7f"

func TestEscape(t *testing.T) {
	in, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	check(t, in)
	if got := string(jsonsafe.Escape([]byte("é漢😀\tx"))); got != "é漢😀\tx" {
		t.Errorf("printable text was changed: %q", got)
	}
	if got := string(jsonsafe.Escape([]byte("\u202e\U000e0041\xff"))); got != `\u202e\udb40\udc41\ufffd` {
		t.Errorf("got %q", got)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{hostile, "", "plain", "\xed\xa0\x80", "\\u202e", "\"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		check(t, in)
	})
}

// check requires that escaping keeps the meaning of the JSON in and leaves only printable characters.
func check(t *testing.T, in []byte) {
	t.Helper()
	out := jsonsafe.Escape(in)
	var before, after string
	if json.Unmarshal(in, &before) != nil || json.Unmarshal(out, &after) != nil || before != after {
		t.Fatalf("%q became %q, which says %q", in, out, after)
	}
	if !utf8.Valid(out) || strings.ContainsFunc(string(out), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("%q still has characters that do not print", out)
	}
}
