package webaddr_test

import (
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/webaddr"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"no address at all":                                            "no address at all",
		"http://t.example:80/announce":                                 "http://t.example:80/announce",
		"http://t.example/announce?passkey=SEC":                        "http://t.example/announce?redacted",
		`getting "https://w.example/get.php?id=1&key=SEC": no`:         `getting "https://w.example/get.php?redacted": no`,
		"udp://t.example:1/0123456789abcdef0123456789abcdef/announce":  "udp://t.example:1/redacted/announce",
		"http://t.example/a1b2c3d4e5f60718/announce.php":               "http://t.example/redacted/announce.php",
		"http://t.example/announce/ABCDEFGHIJKLMNOPQRSTUVWXYZ234567":   "http://t.example/announce/redacted",
		"http://t.example/Zm9vYmFyLWJhei1xdXV4LTEyMzQ1Njc4_-=/ann":     "http://t.example/redacted/ann",
		"http://t.example/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/a": "http://t.example/redacted/a",
		"http://me:secret@w.example/x":                                 "http://redacted@w.example/x",
		"http://me:se@cret@w.example/x":                                "http://redacted@w.example/x",
		"http://t.example/a;passkey=x1x2x3x4x5x6x7":                    "http://t.example/redacted",
		"http://w.example/x#SEC":                                       "http://w.example/x#redacted",
		"(tracker http://t.example/a?k=SEC: refused), and":             "(tracker http://t.example/a?redacted: refused), and",
		"http://w.example/?":                                           "http://w.example/?",
		`"http://w.example/?k=it's\"SEC" and`:                          `"http://w.example/?redacted" and`,
		"https://w.example/ubuntu-24.04.1-desktop-amd64.iso":           "https://w.example/ubuntu-24.04.1-desktop-amd64.iso",
		"https://w.example/pub/2024/my-file-of-many-words-in-2024.iso": "https://w.example/pub/2024/my-file-of-many-words-in-2024.iso",
		"http://[::1]:80/announce?a":                                   "http://[::1]:80/announce?redacted",
		"from http://a.example/?x=1 to http://b.example/?y=2":          "from http://a.example/?redacted to http://b.example/?redacted",
		"magnet:?xt=urn:btih:0123456789012345678901234567890123456789&tr=http%3A%2F%2Ft%2F%3Fk%3DSEC&dn=x&ws.1=http%3A%2F%2Fw": "magnet:?xt=urn:btih:0123456789012345678901234567890123456789&tr=redacted&dn=x&ws.1=redacted",
	} {
		got := webaddr.Redact(in)
		if got != want {
			t.Errorf("Redact(%q): got %q, want %q", in, got, want)
		}
		if again := webaddr.Redact(got); again != got {
			t.Errorf("Redact(%q): got %q, and %q when applied again", in, got, again)
		}
	}
	if got := webaddr.RedactURL("http://t.example/announce?pass key='SEC' \"RET\" \n"); got != "http://t.example/announce?redacted" {
		t.Errorf("a URL with blanks and quotes: got %q", got)
	}
}

func TestTells(t *testing.T) {
	for u, want := range map[string]bool{
		"udp://t.example:6969/announce":                               false,
		"https://t.example/announce.php":                              false,
		"https://t.example/0123456789abcdef0123456789abcdef/announce": true,
		"https://t.example/announce?passkey=SEC":                      true,
		"https://me:secret@t.example/announce":                        true,
		" https://t.example/announce\n":                               false,
	} {
		if got := webaddr.Tells(u); got != want {
			t.Errorf("Tells(%q): got %v, want %v", u, got, want)
		}
	}
}

func TestConceal(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ says, u, want string }{
		{"unknown passkey " + key, "http://t.example/" + key + "/announce", "unknown passkey redacted"},
		{"unknown passkey SECRET, see http://t.example/?SECRET", "http://t.example/announce?passkey=SECRET", "unknown passkey redacted, see http://t.example/?redacted"},
		{"bad a/b c!", "http://t.example/announce?k=a%2Fb%20c", "bad redacted!"},
		{"bad a%2Fb%20c!", "http://t.example/announce?k=a%2Fb%20c", "bad redacted!"},
		{"no SECRET", "http://t.example/announce?SECRET", "no redacted"},
		{"wrong password hunter2", "http://me:hunter2@t.example/announce", "wrong password redacted"},
		{"is this 1?", "http://t.example/announce?v=1", "is this 1?"},
		{"not known here", "http://t.example/announce", "not known here"},
		{"not known here", "::", "not known here"},
	} {
		if got := webaddr.Conceal(c.says, c.u); got != c.want {
			t.Errorf("Conceal(%q, %q): got %q, want %q", c.says, c.u, got, c.want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("http://t.example/", "a=SECRET42")
	f.Add("see magnet:?xt=x", "b")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "S3cr3tS3cr3tS3cr3t"
		if strings.Contains(before+after, secret) {
			return
		}
		if got := webaddr.Redact(before + " http://t.example/announce?passkey=" + secret + " " + after); strings.Contains(got, secret) {
			t.Errorf("Redact of %q and %q leaves in the secret: %q", before, after, got)
		}
	})
}
