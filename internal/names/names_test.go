package names_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/p2pshare/p2pshare/internal/names"
	"golang.org/x/text/unicode/norm"
)

func TestPortableAccepts(t *testing.T) {
	for _, name := range []string{
		"a", "README", ".gitignore", "...a", "a b", " leading", "release-1.2.tar.gz", "naïve.txt", "日本語",
		"nai\u0308ve", "e\u0301", "emoji-\U0001f600", "console", "CONx", "com10", "COM", "lpt", "nul-1", "a.con",
		"100%", "it's", "#1", "~", "-rf", "{}", "$HOME", "a;b", "a&b", "x=y", "❤\ufe0f",
		strings.Repeat("x", 255), strings.Repeat("é", 127), "می\u200cخواهم.mp3", "👨\u200d👩\u200d👧.jpg", "❤\ufe0f\u200d🔥", "a\u200db",
		"a\x7f", "a\u0085b", "a\u2028b", "a\u202egpj.exe", "\ufeffa", "a\U000e0041", "\u3164",
	} {
		if err := names.Portable(name); err != nil {
			t.Errorf("Portable(%q): got %v, want nil", name, err)
		}
	}
}

func TestPortableRefuses(t *testing.T) {
	tests := []struct{ about, name, want string }{
		{"empty", "", "empty"},
		{"dot", ".", "means a folder"},
		{"dotdot", "..", "means a folder"},
		{"slash", "a/b", "separates"},
		{"absolute", "/etc", "separates"},
		{"backslash", `a\b`, "separates"},
		{"UNC", `\\host\share`, "separates"},
		{"NUL byte", "a\x00b", "NUL"},
		{"drive", "C:", "drive"},
		{"stream", "a.txt:b", "drive"},
		{"less", "a<b", "Windows refuses"},
		{"greater", "a>b", "Windows refuses"},
		{"quote", `a"b`, "Windows refuses"},
		{"pipe", "a|b", "Windows refuses"},
		{"question", "a?b", "Windows refuses"},
		{"star", "*", "Windows refuses"},
		{"newline", "a\nb", "control"},
		{"escape", "\x1b[2J", "control"},
		{"bad UTF-8", "a\xff", "UTF-8"},
		{"surrogate", "\xed\xa0\x80", "UTF-8"},
		{"trailing dot", "a.", "dot"},
		{"three dots", "...", "dot"},
		{"trailing space", "a ", "space"},
		{"CON", "CON", "device"},
		{"con", "con", "device"},
		{"con with extension", "con.txt", "device"},
		{"con with two", "Con.tar.gz", "device"},
		{"con with space", "con .txt", "device"},
		{"prn", "PRN", "device"},
		{"aux", "aux.c", "device"},
		{"nul", "NUL", "device"},
		{"com1", "com1", "device"},
		{"com9", "COM9.log", "device"},
		{"com superscript", "COM¹", "device"},
		{"lpt superscript", "lpt³.x", "device"},
		{"conin", "CONIN$", "device"},
		{"256 bytes", strings.Repeat("x", 256), "longer"},
		{"256 bytes of two", strings.Repeat("é", 128), "longer"},
		{"4 KiB", strings.Repeat("x", 4096), "longer"},
		{"longer composed", strings.Repeat("\u0958", 85), "in composed form"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			err := names.Portable(tt.name)
			var e *names.Error
			if !errors.As(err, &e) {
				t.Fatalf("Portable(%q): got %v, want a *names.Error", tt.name, err)
			}
			if e.Name != tt.name {
				t.Errorf("Error.Name: got %q, want %q", e.Name, tt.name)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("message: got %q, want it to say %q", err, tt.want)
			}
			for _, r := range err.Error() {
				if r < ' ' || r == 0x7f || r == '\u202e' || r == utf8.RuneError {
					t.Errorf("message holds %U: %q", r, err)
				}
			}
		})
	}
}

// TestPlain checks which names every system can hold and displays as they are.
func TestPlain(t *testing.T) {
	for _, name := range []string{
		"a", "naïve.txt", "日本語", "می\u200cخواهم.mp3", "👨\u200d👩\u200d👧.jpg", "❤\ufe0f\u200d🔥", "क\u094d\u200dष", "❤\ufe0f", "שלום",
	} {
		if err := names.Plain(name); err != nil {
			t.Errorf("Plain(%q): got %v, want nil", name, err)
		}
	}
	for _, tt := range []struct{ about, name, want string }{
		{"a colon", "a:b", "drive"},
		{"escape", "\x1b[2J", "control"},
		{"delete", "a\x7f", "control"},
		{"C1", "a\u0085b", "control"},
		{"line separator", "a\u2028b", "control"},
		{"right to left override", "a\u202egpj.exe", "reverses"},
		{"right to left mark", "a\u200fb", "reverses"},
		{"isolate", "a\u2066b", "reverses"},
		{"zero width space", "a\u200bb", "invisible"},
		{"zero width joiner", "a\u200db", "invisible"},
		{"byte order mark", "\ufeffa", "invisible"},
		{"soft hyphen", "a\u00adb", "invisible"},
		{"word joiner", "a\u2060b", "invisible"},
		{"tag", "a\U000e0041", "invisible"},
		{"Hangul filler", "\u3164", "invisible"},
		{"joiner at the beginning", "\u200dé", "invisible"},
		{"joiner at the end", "é\u200c", "invisible"},
		{"two joiners", "é\u200d\u200cé", "invisible"},
		{"joiner beside a letter of ASCII", "é\u200da", "invisible"},
		{"joiner beside what is invisible itself", "é\u200d\u3164", "invisible"},
		{"bad UTF-8", "é\u200d\xff", "UTF-8"},
	} {
		err := names.Plain(tt.name)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Plain(%q): got %v, want it to say %q", tt.about, tt.name, err, tt.want)
		}
	}
	// Any bytes can come here.
	for _, name := range []string{"\xff", "\u200d\xff", "a\xc3"} {
		_ = names.Shows(name)
	}
}

// TestCheck checks that every name is accepted that no system takes for something else, however few can hold it.
func TestCheck(t *testing.T) {
	for _, name := range []string{
		"a", "می\u200cخواهم.mp3", "👨\u200d👩\u200d👧.jpg", "Chapter 1: x.txt", "Who?.txt", "Vol. 1.", "a ", "aux.c", "con.txt", "COM¹", "NUL",
		"a<b>c|d*e\"", "a\nb", "\x1b[2J", "a\u202egpj.exe", "\ufeffa", "\u3164", "...", strings.Repeat("x", 256), strings.Repeat("é", 1000), "a~1",
	} {
		if err := names.Check(name); err != nil {
			t.Errorf("Check(%q): got %v, want nil", name, err)
		}
	}
	for _, c := range []struct{ name, want string }{
		{"", "empty"}, {".", "means a folder"}, {"..", "means a folder"}, {"a/b", "separates"}, {"/", "separates"}, {`a\b`, "separates"},
		{`..\x`, "separates"}, {"a\x00b", "NUL"}, {"\x00", "NUL"}, {"a\xff", "UTF-8"}, {"\xed\xa0\x80", "UTF-8"},
	} {
		err := names.Check(c.name)
		var e *names.Error
		if !errors.As(err, &e) || e.Name != c.name || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check(%q): got %v, want an *Error that says %q", c.name, err, c.want)
		}
	}
}

func TestCheckPath(t *testing.T) {
	deep := func(n int, c string) []string {
		var p []string
		for range n {
			p = append(p, c)
		}
		return p
	}
	tests := []struct {
		about string
		path  []string
		want  string // in the message; empty: accepted
	}{
		{"one", []string{"a"}, ""},
		{"several", []string{"a", "b", "c.txt"}, ""},
		{"deepest", deep(names.MaxDepth, "a"), ""},
		{"none", nil, "empty"},
		{"empty component", []string{"a", "", "b"}, "empty"},
		{"escape", []string{"a", "..", "..", "b"}, "means a folder"},
		{"bad inside", []string{"a", "b\x00", "c"}, "NUL"},
		{"too deep", deep(names.MaxDepth+1, "a"), "folders deep"},
		{"too long", deep(9, strings.Repeat("x", 250)), "bytes long"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			err := names.CheckPath(tt.path)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error that says %q", err, tt.want)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("message is %d bytes long, want it bounded", len(err.Error()))
			}
		})
	}
}

func TestKey(t *testing.T) {
	tests := []struct {
		about string
		a, b  string
		same  bool
	}{
		{"itself", "readme", "readme", true},
		{"case", "README", "readme", true},
		{"case beyond ASCII", "ÄRGER", "ärger", true},
		{"composition", "e\u0301", "\u00e9", true},
		{"composition and case", "E\u0301", "\u00e9", true},
		{"sharp s", "straße", "STRASSE", true},
		{"final sigma", "ΟΔΟΣ", "οδος", true},
		{"Kelvin sign", "\u212a", "k", true},
		{"variation selector", "❤\ufe0f", "❤", true},
		{"ligature", "ﬁ", "fi", true},
		{"different", "a", "b", false},
		{"accent", "e", "é", false},
		{"width", "ａ", "a", false},
	}
	for _, tt := range tests {
		if got := names.Key(tt.a) == names.Key(tt.b); got != tt.same {
			t.Errorf("%s: Key(%q) == Key(%q): got %v, want %v", tt.about, tt.a, tt.b, got, tt.same)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"a", "..", "CON", "a\u202eb", "e\u0301", "\xff", "Σς", "a/b", "COM¹.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := names.Key(s)
		if again := names.Key(key); utf8.ValidString(s) && again != key {
			t.Errorf("Key(%q) = %q, whose own key is %q", s, key, again)
		}
		err := names.Check(s)
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("message is not UTF-8: %q", err)
			}
			return
		}
		if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\\\x00") || !utf8.ValidString(s) {
			t.Errorf("Check accepts %q", s)
		}
		if names.Portable(s) != nil {
			return
		}
		if strings.ContainsAny(s, ":?*<>|\"") || len(s) > 255 {
			t.Errorf("Portable accepts %q", s)
		}
		if composed := norm.NFC.String(s); names.Key(composed) != key {
			t.Errorf("Key(%q) differs from the key of its NFC", s)
		}
	})
}
