package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

func init() { time.Local = time.UTC } // what the tests expect to be shown

// TestSynonymsAreNoCommands, and each leads to one.
func TestSynonymsAreNoCommands(t *testing.T) {
	table := commands()
	for word, meant := range synonyms {
		if find(table, word) != nil {
			t.Errorf("%q is a command", word)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(meant), " -")
		words := strings.Fields(first)
		for len(words) > 0 && find(table, strings.Join(words, " ")) == nil && !isLevel(table, strings.Join(words, " ")) {
			words = words[:len(words)-1]
		}
		if len(words) == 0 {
			t.Errorf("%q leads to %q, which is no command", word, meant)
		}
	}
}

// TestProxyWarning: who sets a proxy for everything hears what it does not carry.
func TestProxyWarning(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"HTTP_PROXY", "socks5://127.0.0.1:9050", "HTTP_PROXY carries web seeds"},
		{"https_proxy", "SOCKS5H://127.0.0.1:9050", "https_proxy carries web seeds"},
		{"HTTP_PROXY", "http://proxy.example:3128", ""},
		{"ALL_PROXY", "socks5://127.0.0.1:9050", "ALL_PROXY is not used"},
		{"all_proxy", "http://proxy.example", "all_proxy is not used"},
		{"NO_PROXY", "socks5://x", ""},
	} {
		got := proxyWarning(func(name string) string {
			if name == c.name {
				return c.value
			}
			return ""
		})
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s=%s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// TestTimesAreLocal, with how far they are from UTC.
func TestTimesAreLocal(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	at := time.Unix(1_700_000_000, 0)
	for zone, want := range map[*time.Location]string{
		time.UTC:                             "2023-11-14 22:13:20Z",
		time.FixedZone("CET", 3600):          "2023-11-14 23:13:20+01:00",
		time.FixedZone("NST", -3*3600-30*60): "2023-11-14 18:43:20-03:30",
	} {
		time.Local = zone
		if got := timeText(at.UTC()); got != want {
			t.Errorf("%v: got %s, want %s", zone, got, want)
		}
	}
}

// TestShareWhere: where it lies, what it is in a group, and whom it is open to.
func TestShareWhere(t *testing.T) {
	const v1hex = "0123456789abcdef0123456789abcdef01234567"
	for _, c := range []struct {
		share node.Share
		want  string
	}{
		{node.Share{Path: "/d/x", Infohash: v1hex}, "/d/x, public"},
		{node.Share{Path: "/d/x", Infohash: v1hex, Private: true}, "/d/x, known to its trackers alone"},
		{node.Share{Path: "/d/x", Infohash: v1hex, Private: true, Members: true, Entry: "films/alien@1", Group: "films"}, "/d/x, films/alien@1, members only"},
		{node.Share{Path: "/d/x", InfohashV2: v1hex, Entry: "acme/app@1", Group: "acme"}, "/d/x, acme/app@1, public"},
		{node.Share{Path: "/d"}, "/d"},
		{node.Share{}, ""},
	} {
		if got := shareWhere(c.share); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestTerminalOfNoSize: docker exec -t, expect and some CI have a terminal of no columns. Lines are shown on it.
func TestTerminalOfNoSize(t *testing.T) {
	for _, c := range []struct {
		width int
		ok    bool
		plain bool
	}{{0, true, true}, {-1, true, true}, {1, true, false}, {80, true, false}, {0, false, true}} {
		env := Env{Terminal: func() (int, bool) { return c.width, c.ok }, Getenv: func(string) string { return "" }, Now: time.Now}
		if _, plain := newMeter(env, false).(*plainMeter); plain != c.plain {
			t.Errorf("%d columns, a terminal %v: lines %v, want %v", c.width, c.ok, plain, c.plain)
		}
	}
}
