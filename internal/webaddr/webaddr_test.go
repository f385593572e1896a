package webaddr_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/webaddr"
)

func TestRepair(t *testing.T) {
	const good = "http://t.example:80/announce?key=1"
	for _, c := range []struct{ in, want string }{
		{good, good},
		{good + "\n", good},
		{"\r\n " + good + "\r\n", good},
		{"\t" + good + "\x00\x7f", good},
		{"\ufeff" + good + "\u00a0", good},
		{"http://t.example:80/ann\nounce?k\ney=1", good},
		{"HTTP://t.example/", "http://t.example/"},
		{"http:/t.example/a", "http://t.example/a"},
		{"http:t.example/a", "http://t.example/a"},
		{"http:///t.example/a", "http:///t.example/a"}, // has no host
		{`http:\\t.example\a\b?c\d`, `http://t.example/a/b?c\d`},
		{"https://w.example/a b/c", "https://w.example/a%20b/c"},
		{"https://w.example/100%/x%2zy", "https://w.example/100%25/x%252zy"},
		{"https://w.example/a%20b%C3%a4", "https://w.example/a%20b%C3%a4"},
		{"https://w.example/ä?q=ö", "https://w.example/%C3%A4?q=%C3%B6"},
		{"https://w.example/\x01", "https://w.example/%01"[:len("https://w.example/")]}, // trimmed at the end
		{"https://w.example/\x01x", "https://w.example/%01x"},
		{"udp://t.example:1/announce ", "udp://t.example:1/announce"},
		{"http://t.example?x=1", "http://t.example?x=1"},
		{"http://[::1]:80/x", "http://[::1]:80/x"},
		{"http://ho st/x", "http://ho st/x"}, // browsers refuse such a host too
		{" wss://t.example/ ", "wss://t.example/"},
		{" t.example:80 ", "t.example:80"},
		{"http:", "http://"},
		{" ", ""},
	} {
		if got := webaddr.Repair(c.in); got != c.want {
			t.Errorf("Repair(%q): got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"}, {"a%20b", "a b"}, {"100%", "100%"}, {"100%+legit", "100%+legit"}, {"%zz%4", "%zz%4"},
		{"%C3%a4%2B", "ä+"}, {"%%41", "%A"}, {"", ""},
	} {
		if got := webaddr.Unescape(c.in); got != c.want {
			t.Errorf("Unescape(%q): got %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, s := range []string{"http://t.example/a\n", `http:\\x\y`, "https://w/100%", " udp://[::1]:1 ", "http:////", "a%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := webaddr.Repair(s)
		if twice := webaddr.Repair(once); twice != once {
			t.Errorf("Repair(%q): got %q, and %q when applied again", s, once, twice)
		}
		if strings.ContainsAny(once, "\r\n\t") {
			t.Errorf("Repair(%q): %q has a line break", s, once)
		}
		// A valid address stays valid and keeps its host.
		if was, err := url.Parse(s); err == nil && was.Scheme == "http" && was.Host != "" {
			if is, err := url.Parse(once); err != nil || is.Host != was.Host {
				t.Errorf("Repair(%q): got %q, with another host", s, once)
			}
		}
		webaddr.Unescape(s)
	})
}
