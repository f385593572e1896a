package signed_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func signedInt(n int64) string { return strconv.FormatInt(n, 10) }

// checkAgainstJSON checks that encoding/json reads canonical bytes and encodes what it read to the same bytes.
func checkAgainstJSON(t *testing.T, b []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q is canonical, but not JSON: %v", b, err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if got := bytes.TrimSuffix(out.Bytes(), []byte("\n")); !bytes.Equal(got, b) {
		t.Fatalf("%q is canonical, but encodes to %q", b, got)
	}
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", `{}`, ""},
		{"all kinds", `{"a":"x","b":[],"c":[1,-2,"y"],"d":{"e":true,"f":false},"z":9007199254740991}`, ""},
		{"escapes", `{"a":"\"\\\b\f\n\r\t\u0000\u001f/é😀"}`, ""},
		{"capitals before small letters", `{"A":1,"a":2}`, ""},
		{"array", `[]`, "not an object"},
		{"empty input", ``, "not an object"},
		{"leading space", ` {}`, "not an object"},
		{"trailing newline", "{}\n", "after the object"},
		{"space", `{"a": 1}`, "no value"},
		{"keys out of order", `{"b":1,"a":1}`, "does not sort after"},
		{"duplicate key", `{"a":1,"a":1}`, "does not sort after"},
		{"duplicate inner key", `{"a":{"b":1,"b":1}}`, "does not sort after"},
		{"escaped key", `{"\u0061":1}`, "printable ASCII"},
		{"key not ASCII", `{"é":1}`, "printable ASCII"},
		{"null", `{"a":null}`, "no value"},
		{"fraction", `{"a":1.5}`, "plain integer"},
		{"exponent", `{"a":1e3}`, "plain integer"},
		{"leading zero", `{"a":01}`, "plain integer"},
		{"minus zero", `{"a":-0}`, "plain integer"},
		{"plus", `{"a":+1}`, "no value"},
		{"54 bits", `{"a":9007199254740992}`, "53 bits"},
		{"20 digits", `{"a":12345678901234567890}`, "plain integer"},
		{"escaped slash", `{"a":"\/"}`, "escape"},
		{"escaped letter", `{"a":"\u0061"}`, "escape"},
		{"escape in capitals", `{"a":"\u001F"}`, "escape"},
		{"long escape of a newline", `{"a":"\u000a"}`, "escape"},
		{"surrogates", `{"a":"\ud83d\ude00"}`, "escape"},
		{"raw newline", "{\"a\":\"\n\"}", "control character"},
		{"line separator", "{\"a\":\"\u2028\"}", "line separator"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"unterminated string", `{"a":"x`, "unterminated"},
		{"unterminated object", `{"a":1`, "comma or brace"},
		{"unterminated array", `{"a":[1`, "comma or bracket"},
		{"trailing comma", `{"a":1,}`, "no key"},
		{"trailing comma in an array", `{"a":[1,]}`, "no value"},
		{"too deep", `{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "too deeply"},
		{"two values", `{"a":1}{}`, "after the object"},
		{"zero byte", "{\"a\":\x00}", "no value"},
	} {
		err := signed.Canonical([]byte(c.in))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else {
				checkAgainstJSON(t, []byte(c.in))
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := signed.Marshal(struct{ B, A int }{1, 2}); err == nil {
		t.Error("Marshal of keys out of order: got nil, want an error")
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		name, in string
		read     func(f *signed.Fields) any
		want     any
		err      string
	}{
		{"text", `{"a":"x\ny"}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "x\ny", ""},
		{"no text", `{}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "", ""},
		{"empty text", `{"a":""}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "", "not left out"},
		{"long text", `{"a":"123456"}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "", "more than 5"},
		{"number for text", `{"a":1}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "", "not a string"},
		{"text missing", `{}`, func(f *signed.Fields) any { return f.NeedText("a", 5) }, "", "missing"},
		{"int", `{"a":-3}`, func(f *signed.Fields) any { return f.Int("a", -5, 5) }, int64(-3), ""},
		{"zero int", `{"a":0}`, func(f *signed.Fields) any { return f.Int("a", -5, 5) }, int64(0), "not left out"},
		{"int out of range", `{"a":6}`, func(f *signed.Fields) any { return f.NeedInt("a", -5, 5) }, int64(0), "not from -5 to 5"},
		{"text for int", `{"a":"6"}`, func(f *signed.Fields) any { return f.NeedInt("a", -5, 5) }, int64(0), "not an integer"},
		{"flag", `{"a":true}`, func(f *signed.Fields) any { return f.Flag("a") }, true, ""},
		{"false flag", `{"a":false}`, func(f *signed.Fields) any { return f.Flag("a") }, false, "not left out"},
		{"bytes", `{"a":"AQI="}`, func(f *signed.Fields) any { return string(f.Bytes("a", 2)) }, "\x01\x02", ""},
		{"bytes with spare bits", `{"a":"AQJ="}`, func(f *signed.Fields) any { return string(f.Bytes("a", 2)) }, "", "base64"},
		{"bytes with a newline", `{"a":"AQ\nI="}`, func(f *signed.Fields) any { return string(f.Bytes("a", 5)) }, "", "base64"},
		{"bytes missing", `{}`, func(f *signed.Fields) any { return string(f.NeedBytes("a", 5)) }, "", "missing"},
		{"hash in capitals", `{"a":"` + strings.Repeat("AB", 32) + `"}`, func(f *signed.Fields) any { return f.NeedHash("a") == signed.Hash{} }, true, "lower-case"},
		{"texts", `{"a":["x","y"]}`, func(f *signed.Fields) any { return strings.Join(f.Texts("a", 2, 1), " ") }, "x y", ""},
		{"too many texts", `{"a":["x","y","z"]}`, func(f *signed.Fields) any { return len(f.Texts("a", 2, 1)) }, 0, "more than 2"},
		{"empty texts", `{"a":[]}`, func(f *signed.Fields) any { return len(f.Texts("a", 2, 1)) }, 0, "not left out"},
		{"number among texts", `{"a":["x",1]}`, func(f *signed.Fields) any { return len(f.Texts("a", 2, 1)) }, 0, "not a string"},
		{"sizes", `{"a":{"` + strings.Repeat("ab", 32) + `":-1}}`, func(f *signed.Fields) any { return len(f.Sizes("a", 9, -1, 5)) }, 1, ""},
		{"sizes with a malformed key", `{"a":{"x":1}}`, func(f *signed.Fields) any { return len(f.Sizes("a", 9, -1, 5)) }, 0, "hex digits"},
		{"size out of range", `{"a":{"` + strings.Repeat("ab", 32) + `":6}}`, func(f *signed.Fields) any { return len(f.Sizes("a", 9, -1, 5)) }, 0, "not an integer from"},
		{"raw", `{"a":{"b":1}}`, func(f *signed.Fields) any { return string(f.Raw("a")) }, `{"b":1}`, ""},
		{"raw of a number", `{"a":1}`, func(f *signed.Fields) any { return string(f.Raw("a")) }, "", "not an object"},
		{"unread field", `{"a":"x","b":1}`, func(f *signed.Fields) any { return f.Text("a", 5) }, "x", `unknown field "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := signed.ReadFields([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got := c.read(f)
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			err = f.Done()
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}

func TestLink(t *testing.T) {
	_, gid := chain(t)
	public := signed.Link{Group: gid, Kind: signed.Public}
	private := signed.Link{Group: gid, Kind: signed.Private, Secret: [16]byte{1, 2, 3}, Hints: []string{"10.0.0.1:6881", "[2001:db8::1]:7", "nas.example:9"}}
	golden(t, "links", []byte(public.String()+"\n"+private.String()+"\n"))
	for _, l := range []signed.Link{public, private} {
		for _, s := range []string{l.String(), " " + strings.Replace(l.String(), "p2pshare:", "P2PSHARE:", 1) + "\n"} {
			got, err := signed.ParseLink(s)
			if err != nil || got.String() != l.String() {
				t.Errorf("ParseLink(%q): got %v, %v", s, got, err)
			}
		}
	}
	if got, err := signed.ParseLink(strings.ToUpper(public.String())); err != nil || got.Group != gid {
		t.Errorf("in upper case: got %v, %v", got, err)
	}
	if got, err := signed.ParseLink(public.String() + "?later=1&p=h:1"); err != nil || len(got.Hints) != 1 {
		t.Errorf("an unknown parameter: got %v, %v", got, err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("joined", "link", private)
	if !strings.Contains(logged.String(), "link=p2pshare:"+gid.String()+"\n") {
		t.Errorf("a log line reveals more than the group: %q", &logged)
	}
}

func TestLinkRefuses(t *testing.T) {
	_, gid := chain(t)
	good := signed.Link{Group: gid, Kind: signed.Public}.String()
	for _, c := range []struct {
		name, in string
		want     signed.Reason
		words    string
	}{
		{"empty", "", signed.ErrMalformed, "not a p2pshare link"},
		{"a magnet", "magnet:?xt=x", signed.ErrMalformed, "not a p2pshare link"},
		{"cut short", good[:len(good)-1], signed.ErrChecksum, "mistyped"},
		{"cut by two", good[:len(good)-2], signed.ErrChecksum, "mistyped"},
		{"one letter more", good + "a", signed.ErrChecksum, "mistyped"},
		{"a 1 for an l", good[:12] + "1" + good[13:], signed.ErrChecksum, "mistyped"},
		{"spare bits", strings.TrimSuffix(good, good[len(good)-1:]) + string(good[len(good)-1]^1), signed.ErrChecksum, "mistyped"},
		{"no port", good + "?p=10.0.0.1", signed.ErrMalformed, "not HOST:PORT"},
		{"a path for a host", good + "?p=a/b:1", signed.ErrMalformed, "not HOST:PORT"},
		{"port 0", good + "?p=a:0", signed.ErrMalformed, "not HOST:PORT"},
		{"nine addresses", good + "?p=a:1" + strings.Repeat("&p=a:1", 8), signed.ErrTooLarge, "more than 8"},
		{"5 KiB", good + "?x=" + strings.Repeat("x", 5<<10), signed.ErrTooLarge, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signed.ParseLink(c.in)
			wantReason(t, err, c.want, c.words)
			if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("kind %v, hint %q", fault.KindOf(err), fault.HintOf(err))
			}
		})
	}
	// Every single wrong letter is detected; of two swapped letters, with a checksum of 16 bits, all but one in 65,536.
	body := strings.TrimPrefix(good, "p2pshare:")
	for i := range body {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if byte(c) == body[i] {
				continue
			}
			if l, err := signed.ParseLink("p2pshare:" + body[:i] + string(c) + body[i+1:]); err == nil {
				t.Errorf("letter %d changed to %c: accepted as %v", i, c, l)
			}
		}
	}
}

func TestDerivations(t *testing.T) {
	_, gid := chain(t)
	public := signed.Link{Group: gid, Kind: signed.Public}
	private := signed.Link{Group: gid, Kind: signed.Private, Secret: [16]byte{1, 2, 3}}
	var out bytes.Buffer
	seen := map[string]string{}
	for name, l := range map[string]signed.Link{"public": public, "private": private} {
		for _, day := range []int64{20717, 20718} {
			seen[fmt.Sprintf("%s rendezvous %d", name, day)] = fmt.Sprintf("%x", l.Rendezvous(day))
			seen[fmt.Sprintf("%s sni %d", name, day)] = l.ServerName(day)
		}
		seen[name+" lobby"] = l.Lobby().Public().String()
	}
	values := map[string]bool{}
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&out, "%s %s\n", k, seen[k])
		values[seen[k]] = true
	}
	if len(values) != len(seen) {
		t.Errorf("%d values of %d differ", len(values), len(seen))
	}
	golden(t, "derived", out.Bytes())
	if got := signed.DayOf(now); got != 20717 {
		t.Errorf("day: got %d, want 20717", got)
	}
}

func TestClock(t *testing.T) {
	ms := now.UnixMilli()
	for _, c := range []struct {
		name                 string
		last, admins, others int64
		want                 int64
	}{
		{"the wall clock", ms - 5, ms - 9, ms - 7, ms},
		{"after the own last record", ms + 5, 0, 0, ms + 6},
		{"after an admin's record", ms - 5, ms + 9, ms - 5, ms + 10},
		{"after a member's record", ms - 5, ms + 9, ms + 19, ms + 20},
		{"an admin's, at the limit", 0, ms + 300_000 - 1, 0, ms + 300_000},
		{"a member's, at the limit", 0, 0, ms + 240_000 - 1, ms + 240_000},
		{"a member's, beyond the limit", 0, 0, ms + 600_000, ms + 240_000},
		{"the record after that", ms + 240_000, 0, ms + 600_000, ms + 240_001},
	} {
		if got, err := signed.NextTime(now, c.last, c.admins, c.others); err != nil || got != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	_, err := signed.NextTime(now, 0, ms+300_000, 0)
	wantReason(t, err, signed.ErrClockOff, "5m0s ahead")
	_, err = signed.NextTime(now, ms+300_000, 0, 0)
	wantReason(t, err, signed.ErrClockOff, "5m0s ahead")

	at := func(ds ...time.Duration) (out []time.Time) {
		for _, d := range ds {
			out = append(out, now.Add(d))
		}
		return out
	}
	if d, err := signed.Skew(now, nil); d != 0 || err != nil {
		t.Errorf("no peers: got %v, %v", d, err)
	}
	if d, err := signed.Skew(now, at(time.Hour, time.Second, -time.Hour)); d != -time.Second || err != nil {
		t.Errorf("wrong clocks on either side: got %v, %v", d, err)
	}
	_, err = signed.Skew(now, at(-time.Hour, -time.Hour, 0))
	wantReason(t, err, signed.ErrClockOff, "differs by 1h0m0s")
	for d, want := range map[time.Duration]signed.Age{time.Hour: signed.Fresh, 49 * time.Hour: signed.Aging, 721 * time.Hour: signed.Stale, -time.Minute: signed.Fresh} {
		if got := signed.AgeOf(now, now.Add(-d), 720); got != want {
			t.Errorf("last heard of %v ago: got %v, want %v", d, got, want)
		}
	}
}

func TestSigningKey(t *testing.T) {
	s := secret("x")
	for _, f := range []string{"%v", "%s", "%+v", "%#v"} {
		if got := fmt.Sprintf(f, s); got != "redacted" {
			t.Errorf("%s: got %q", f, got)
		}
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"redacted"` {
		t.Errorf("JSON: got %s, %v", b, err)
	}
	sig := s.Sign("hello", []byte("m"))
	k := s.Public()
	if !k.Verify("hello", []byte("m"), sig) {
		t.Error("a good signature does not verify")
	}
	if k.Verify("bye", []byte("m"), sig) || k.Verify("hello", []byte("n"), sig) || k.Verify("hello", []byte("m"), sig[:63]) || key("y").Verify("hello", []byte("m"), sig) {
		t.Error("a wrong signature verifies")
	}
	made, err := signed.NewSigningKey(bytes.NewReader(s.Seed()))
	if err != nil || made.Public() != k {
		t.Errorf("from its seed: %v, %v", made.Public(), err)
	}
	if _, err := signed.NewSigningKey(bytes.NewReader(nil)); err == nil {
		t.Error("without random bytes: got a key")
	}
	if _, err := signed.SigningKeyFromSeed([]byte("short")); err == nil {
		t.Error("short seed: got a key")
	}
}

func FuzzLink(f *testing.F) {
	_, gid := chain(f)
	f.Add(signed.Link{Group: gid, Kind: signed.Public}.String())
	f.Add(signed.Link{Group: gid, Kind: signed.Private, Hints: []string{"a:1"}}.String())
	f.Add("p2pshare:?p=")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := signed.ParseLink(s)
		if err != nil {
			return
		}
		if again, err := signed.ParseLink(l.String()); err != nil || again.String() != l.String() {
			t.Fatalf("%q prints as %q, which parses as %v, %v", s, l, again, err)
		}
	})
}
