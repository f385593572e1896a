package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
)

func account(t testing.TB) seal.Identity {
	t.Helper()
	return must(seal.NewAccount())(t)
}

func audience(t testing.TB) seal.Identity {
	t.Helper()
	return must(seal.NewAudience())(t)
}

// must returns the result of a call, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// stored reads a file of testdata. P2PSHARE_GOLDEN=write makes missing files, and no others: what was sealed once must
// open for ever.
func stored(t testing.TB, name string, make func() ([]byte, error)) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if _, err := os.Stat(path); err != nil && os.Getenv("P2PSHARE_GOLDEN") == "write" {
		if err := os.WriteFile(path, must(make())(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return must(os.ReadFile(path))(t)
}

func TestBox(t *testing.T) {
	alice, bob, all := account(t), account(t), audience(t)
	for _, c := range []struct {
		name string
		to   []seal.Identity
		with []seal.Identity
		want error
	}{
		{"one account", []seal.Identity{alice}, []seal.Identity{alice}, nil},
		{"the second of two", []seal.Identity{alice, bob}, []seal.Identity{bob}, nil},
		{"an audience", []seal.Identity{all}, []seal.Identity{alice, all}, nil},
		{"another account", []seal.Identity{alice}, []seal.Identity{bob}, seal.ErrNotForUs},
		{"another kind", []seal.Identity{alice}, []seal.Identity{all}, seal.ErrNotForUs},
		{"no key", []seal.Identity{alice}, nil, seal.ErrNotForUs},
		{"the zero key", []seal.Identity{alice}, []seal.Identity{{}}, seal.ErrNotForUs},
	} {
		var to []string
		for _, i := range c.to {
			to = append(to, i.Recipient())
		}
		box := must(seal.Box([]byte("secret"), to))(t)
		if bytes.Contains(box, []byte("secret")) {
			t.Errorf("%s: the box contains its plaintext", c.name)
		}
		got, err := seal.OpenBox(box, 6, c.with...)
		if c.want != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: got %v of kind %v", c.name, err, fault.KindOf(err))
		}
		if !errors.Is(err, c.want) || c.want == nil && string(got) != "secret" {
			t.Errorf("%s: got %q, %v, want %v", c.name, got, err, c.want)
		}
	}
}

// mistyped changes one character in the middle of a key.
func mistyped(key string) string {
	i := len(key) / 2
	other := map[bool]string{true: "P", false: "Q"}[key[i] == 'Q' || key[i] == 'q']
	if strings.ToLower(key) == key {
		other = strings.ToLower(other)
	}
	return key[:i] + other + key[i+1:]
}

func TestBoxRefuses(t *testing.T) {
	alice, all := account(t).Recipient(), audience(t).Recipient()
	// An X25519 recipient to which no key can be wrapped: its point has a small order (RFC 7748, 6.1).
	const small = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"
	for _, c := range []struct {
		name string
		to   []string
		bad  string // the recipient in the error
		want string
	}{
		{"no recipients", nil, "", "not 1 to 500"},
		{"too many", slicesOf(all, seal.MaxRecipients+1), "", "not 1 to 500"},
		{"a word", []string{alice, "bob"}, "bob", "not an age recipient"},
		{"a mistyped recipient", []string{mistyped(all)}, mistyped(all), "recipient"},
		{"an overlong one", []string{"age1" + strings.Repeat("q", 5000)}, "age1" + strings.Repeat("q", 5000), "more than"},
		{"a secret", []string{must(seal.NewAudience())(t).Secret()}, "", "recipient"},
		{"a point of small order", []string{all, small}, small, "low order"},
		{"both kinds", []string{alice, all}, all, "post-quantum"},
		{"both kinds, the other way", []string{all, alice}, all, "post-quantum"},
	} {
		_, err := seal.Box([]byte("x"), c.to)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
			continue
		}
		var bad *seal.RecipientError
		if c.bad != "" && (!errors.As(err, &bad) || bad.Recipient != c.bad) {
			t.Errorf("%s: got %v, want it to name %q", c.name, err, c.bad)
		}
		if len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
	if err := seal.CheckRecipient(small); fault.KindOf(err) != fault.Unverified {
		t.Errorf("a point of small order: got %v, want it refused", err)
	}
	for _, good := range []string{alice, all} {
		if err := seal.CheckRecipient(good); err != nil {
			t.Error(err)
		}
	}
	if err := seal.CheckAccount(alice); err != nil {
		t.Error(err)
	}
	if err := seal.CheckAccount(all); fault.KindOf(err) != fault.Unverified {
		t.Errorf("an audience's recipient for an account: got %v, want it refused", err)
	}
}

func slicesOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func TestOpenBoxRefuses(t *testing.T) {
	all := audience(t)
	box := must(seal.Box([]byte("secret"), []string{all.Recipient()}))(t)
	flipped := bytes.Clone(box)
	flipped[len(flipped)-1] ^= 1
	stanza := box[bytes.Index(box, []byte("-> ")):bytes.Index(box, []byte("---"))]
	head := len("age-encryption.org/v1\n")
	for _, c := range []struct {
		name string
		box  []byte
		want string
	}{
		{"empty", nil, "not an age file"},
		{"a text", []byte("hello"), "not an age file"},
		{"cut in the header", box[:40], "cut"},
		{"cut in the first line", box[:10], "not an age file"},
		{"cut in the content", box[:len(box)-1], "damaged"},
		{"another last byte", flipped, "damaged"},
		{"a byte after it", append(bytes.Clone(box), 'x'), "damaged"},
		{"too many recipients", slicesInsert(box, head, bytes.Repeat(stanza, 500)), "more than 500"},
		{"a header of two megabytes", slicesInsert(box, head, []byte("-> x "+strings.Repeat("y", 2<<20)+"\n\n")), "more than 1048576"},
		{"another header", slicesInsert(box, head, []byte("-> X25519\n\n")), "X25519"},
	} {
		_, err := seal.OpenBox(c.box, 100, all)
		if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it refused with %q", c.name, err, c.want)
		}
	}
	ten := slicesInsert(box, head, bytes.Repeat(stanza, 9))
	if _, err := seal.OpenBox(ten, 100, sameIdentity(audience(t), 401)...); fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), "too many") {
		t.Errorf("ten recipients and 401 keys: got %v, want it refused before any key is tried", err)
	}
	if _, err := seal.OpenBox(ten, 100, sameIdentity(audience(t), 400)...); !errors.Is(err, seal.ErrNotForUs) {
		t.Errorf("ten recipients and 400 keys: got %v, want %v", err, seal.ErrNotForUs)
	}
	if _, err := seal.OpenBox(box, 5, all); fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), "more than 5") {
		t.Errorf("more than the limit: got %v, want it refused", err)
	}
}

func slicesInsert(b []byte, at int, more []byte) []byte {
	return append(append(bytes.Clone(b[:at]), more...), b[at:]...)
}

func TestIdentities(t *testing.T) {
	for _, i := range []seal.Identity{account(t), audience(t)} {
		again, err := seal.Parse(i.Secret())
		if err != nil || again.Recipient() != i.Recipient() || again.Account() != i.Account() {
			t.Errorf("got %v, %v, want the same identity", again.Recipient(), err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "id", i, "in", struct{ I seal.Identity }{i})
		js := must(json.Marshal(map[string]any{"i": i}))(t)
		shown := fmt.Sprintf("%v %+v %#v %s %q %v %+v %#v", i, i, i, i, i, struct{ i seal.Identity }{i}, struct{ i *seal.Identity }{&i}, struct{ I seal.Identity }{i}) + log.String() + string(js)
		if strings.Contains(shown, "SECRET") || strings.Contains(shown, i.Secret()[20:40]) {
			t.Errorf("printed: %s", shown)
		}
	}
	var ids []seal.Identity
	for range 3 {
		ids = append(ids, audience(t))
	}
	file := seal.IdentityFile(ids)
	got := must(seal.ParseIdentityFile(append([]byte("# a comment\n\n"), file...)))(t)
	if len(got) != 3 || got[0].Secret() != ids[0].Secret() || got[2].Secret() != ids[2].Secret() {
		t.Errorf("got %d identities, want the three in order", len(got))
	}
	many := seal.IdentityFile(sameIdentity(ids[0], seal.MaxIdentities+1))
	if got := must(seal.ParseIdentityFile(many))(t); len(got) != seal.MaxIdentities {
		t.Errorf("got %d, want %d", len(got), seal.MaxIdentities)
	}
	for name, file := range map[string]string{
		"empty":      "",
		"a comment":  "# x",
		"a word":     "hello",
		"an ssh key": "-----BEGIN OPENSSH PRIVATE KEY-----",
		"a plugin":   "AGE-PLUGIN-YUBIKEY-1QQQQ",
		"a typo":     mistyped(ids[0].Secret()),
		"too many":   string(many) + ids[0].Secret(),
		"too long":   strings.Repeat("#\n", 40_000),
	} {
		_, err := seal.ParseIdentityFile([]byte(file))
		if fault.KindOf(err) != fault.Unverified || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v, want it refused without the key", name, err)
		}
	}
	if _, err := seal.Parse(string(file)); err == nil {
		t.Error("three keys where one is wanted: got nil, want an error")
	}
}

func sameIdentity(i seal.Identity, n int) []seal.Identity {
	out := make([]seal.Identity, n)
	for k := range out {
		out[k] = i
	}
	return out
}

// TestStoredBox opens what an earlier version sealed.
func TestStoredBox(t *testing.T) {
	ids := must(seal.ParseIdentityFile(stored(t, "identities", func() ([]byte, error) {
		return seal.IdentityFile([]seal.Identity{account(t), audience(t)}), nil
	})))(t)
	for n, name := range []string{"box-account.age", "box-audience.age"} {
		box := stored(t, name, func() ([]byte, error) { return seal.Box([]byte("sealed once"), []string{ids[n].Recipient()}) })
		if got, err := seal.OpenBox(box, 100, ids...); string(got) != "sealed once" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if _, err := seal.OpenBox(box, 100, ids[1-n]); !errors.Is(err, seal.ErrNotForUs) {
			t.Errorf("%s with the other key: got %v, want %v", name, err, seal.ErrNotForUs)
		}
	}
}

func FuzzOpenBox(f *testing.F) {
	a, b := account(f), audience(f)
	for _, i := range []seal.Identity{a, b} {
		f.Add(must(seal.Box([]byte("x"), []string{i.Recipient()}))(f))
	}
	f.Add([]byte("age-encryption.org/v1\n-> X25519 a\nb\n--- c\n"))
	f.Fuzz(func(t *testing.T, box []byte) {
		got, err := seal.OpenBox(box, 64, a, b)
		if err == nil && len(got) > 64 {
			t.Errorf("got %d bytes, more than the limit", len(got))
		}
		if err != nil && !errors.Is(err, seal.ErrNotForUs) && fault.KindOf(err) != fault.Unverified {
			t.Errorf("got %v, which has an unexpected kind", err)
		}
	})
}

func FuzzParseIdentityFile(f *testing.F) {
	f.Add([]byte(seal.IdentityFile([]seal.Identity{account(f), audience(f)})))
	f.Add([]byte("# x\nAGE-SECRET-KEY-1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := seal.ParseIdentityFile(b)
		if err != nil {
			return
		}
		again, err := seal.ParseIdentityFile(seal.IdentityFile(ids))
		if err != nil || len(again) != len(ids) {
			t.Fatalf("%q has %d keys, and %d when encoded again: %v", b, len(ids), len(again), err)
		}
	})
}

func BenchmarkBox400(b *testing.B) {
	var to []string
	for range 400 {
		to = append(to, account(b).Recipient())
	}
	last := account(b)
	to[399] = last.Recipient()
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			if _, err := seal.Box([]byte("x"), to); err != nil {
				b.Fatal(err)
			}
		}
	})
	box := must(seal.Box([]byte("x"), to))(b)
	b.Run("open the last", func(b *testing.B) {
		b.ReportMetric(float64(len(box)), "bytes")
		for b.Loop() {
			if _, err := seal.OpenBox(box, 10, last); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestOpenBoxAt: only one recipient of a box is tried, so that many boxes for many recipients cost a member little.
func TestOpenBoxAt(t *testing.T) {
	var ids []seal.Identity
	var to []string
	for range 5 {
		id, err := seal.NewAccount()
		if err != nil {
			t.Fatal(err)
		}
		ids, to = append(ids, id), append(to, id.Recipient())
	}
	box, err := seal.Box([]byte("the key"), to)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		for place := -1; place <= len(ids); place++ {
			b, err := seal.OpenBoxAt(box, 100, place, ids[(i+1)%len(ids)], id)
			switch {
			case place == i || place == (i+1)%len(ids):
				if err != nil || string(b) != "the key" {
					t.Errorf("identity %d as recipient %d: got %q, %v", i, place, b, err)
				}
			case !errors.Is(err, seal.ErrNotForUs):
				t.Errorf("identity %d as recipient %d: got %v, want ErrNotForUs", i, place, err)
			}
		}
	}
	if _, err := seal.OpenBoxAt(box, 3, 0, ids[0]); fault.KindOf(err) != fault.Unverified {
		t.Errorf("more than the limit: got %v", err)
	}
	if _, err := seal.OpenBoxAt([]byte("not a box"), 3, 0, ids[0]); fault.KindOf(err) != fault.Unverified {
		t.Errorf("not a box: got %v", err)
	}
}
