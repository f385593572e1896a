package seal_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/scrypt"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var gid = signed.GroupID{1, 2, 3}

func login(t testing.TB) seal.Login {
	t.Helper()
	return seal.Login{Account: "office", Group: gid, Key: must(signed.SigningKeyFromSeed(bytes.Repeat([]byte{7}, 32)))(t), Seal: account(t)}
}

// open opens a slot with the password of "office".
func open(slot []byte, gid signed.GroupID, password string, work int) (seal.Login, error) {
	return openAs("office", slot, gid, password, work)
}

func openAs(account string, slot []byte, gid signed.GroupID, password string, work int) (seal.Login, error) {
	s, err := seal.ParseSlot(slot)
	if err != nil {
		return seal.Login{}, err
	}
	p, err := seal.Stretch(gid, account, password, work)
	if err != nil {
		return seal.Login{}, err
	}
	return p.Open(s.Box)
}

func TestSlot(t *testing.T) {
	l := login(t)
	slot := must(seal.MakeSlot(l, "Gr\u00fcn-ist-die-Heide", 4))(t)
	for _, c := range []struct {
		name, password string
		gid            signed.GroupID
		want           error
	}{
		{"right", "Gr\u00fcn-ist-die-Heide", gid, nil},
		{"another composition", "Gru\u0308n-ist-die-Heide", gid, nil},
		{"copied with a newline", " Gr\u00fcn-ist-die-Heide\n", gid, nil},
		{"another case", "gr\u00fcn-ist-die-heide", gid, seal.ErrPassword},
		{"empty", "", gid, seal.ErrPassword},
		{"of another group", "Gr\u00fcn-ist-die-Heide", signed.GroupID{9}, seal.ErrPassword},
	} {
		got, err := open(slot, c.gid, c.password, 4)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			continue
		}
		if err != nil {
			if fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" || err.Error() != seal.WrongPassword().Error() {
				t.Errorf("%s: got %v of kind %v, hint %q", c.name, err, fault.KindOf(err), fault.HintOf(err))
			}
			continue
		}
		if got.Account != "office" || got.Group != gid || got.Key.Public() != l.Key.Public() || got.Seal.Secret() != l.Seal.Secret() {
			t.Errorf("%s: got another login of %q", c.name, got.Account)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", l, l, l); strings.Contains(s, "SECRET") || strings.Contains(s, "0707") || strings.Contains(s, "7, 7") {
		t.Errorf("printed: %s", s)
	}
}

// TestSlotsHaveOneLength: anyone with the link may request slots, but learns no more about a name than they have
// guessed.
func TestSlotsHaveOneLength(t *testing.T) {
	lengths := map[int]bool{}
	for _, n := range []int{1, 4, 31, 32} {
		l := login(t)
		l.Account = strings.Repeat("x", n)
		slot := must(seal.MakeSlot(l, "password", 2))(t)
		lengths[len(slot)] = true
		if got, err := openAs(l.Account, slot, gid, "password", 2); err != nil || got.Account != l.Account {
			t.Errorf("a name of %d letters: got %q, %v", n, got.Account, err)
		}
	}
	if len(lengths) != 1 {
		t.Errorf("got lengths %v, want a single one", lengths)
	}
}

// TestWorkFactor is the only test with the real work factor.
func TestWorkFactor(t *testing.T) {
	slot := must(seal.MakeSlot(login(t), "a password of some length", seal.MaxWork))(t)
	if got, err := open(slot, gid, "a password of some length", 18); err != nil || got.Account != "office" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSlotRefuses(t *testing.T) {
	good := login(t)
	for _, c := range []struct {
		name   string
		change func(*seal.Login)
		work   int
		want   string
	}{
		{"no account", func(l *seal.Login) { l.Account = "" }, 4, "name"},
		{"a long name", func(l *seal.Login) { l.Account = strings.Repeat("x", 33) }, 4, "name"},
		{"no key", func(l *seal.Login) { l.Key = signed.SigningKey{} }, 4, "key"},
		{"no identity", func(l *seal.Login) { l.Seal = seal.Identity{} }, 4, "identity"},
		{"the identity of an audience", func(l *seal.Login) { l.Seal = audience(t) }, 4, "identity"},
		{"no work", func(*seal.Login) {}, 0, "work factor"},
		{"too much work", func(*seal.Login) {}, 19, "work factor"},
	} {
		l := good
		c.change(&l)
		if _, err := seal.MakeSlot(l, "password", c.work); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}

	slot := must(seal.MakeSlot(good, "password", 4))(t)
	header := regexp.MustCompile(`-> scrypt (\S+) 1\n`)
	with := func(line string) []byte { return header.ReplaceAll(slot, []byte(line)) }
	_, passphrase := specified(t, gid, "office", "password", 4)
	head := slot[:32+64]
	locked := func(plain string) []byte {
		// LockKey makes the same kind of file, in armor.
		return slices.Concat(head, dearmor(t, must(seal.LockKey([]byte(plain), passphrase, 1))(t)))
	}
	plain := `{"acct":"office","gid":"` + gid.String() + `","key":"` + strings.Repeat("07", 32) + `","seal":"` + good.Seal.Secret() + `"}`
	if _, err := open(locked(plain), gid, "password", 4); err != nil {
		t.Fatalf("a slot made by hand: %v", err)
	}
	box := must(seal.Box([]byte(plain), []string{good.Seal.Recipient()}))(t)
	for _, c := range []struct {
		name string
		slot []byte
		want string
	}{
		{"empty", nil, "0 bytes"},
		{"no box", head, "96 bytes"},
		{"not an age file", append(bytes.Clone(head), 'x'), "not an age file"},
		{"too large", append(bytes.Clone(slot), make([]byte, 16<<10)...), "bytes are not from"},
		{"too much work", with("-> scrypt $1 2\n"), "work factor too large"},
		{"enormous work", with("-> scrypt $1 99999999999999999999\n"), "work factor"},
		{"a short salt", with("-> scrypt c2FsdA 1\n"), "scrypt"},
		{"two passphrases", with("-> scrypt $1 1\nAAAA\n-> scrypt $1 1\n"), "2 recipients"},
		{"sealed to an account", slices.Concat(head, box), "not locked with a passphrase"},
		{"damaged", append(bytes.Clone(slot[:len(slot)-1]), slot[len(slot)-1]^1), "damaged"},
		{"a text inside", locked("hello"), "not a login"},
		{"another field", locked(strings.Replace(plain, `{"acct"`, `{"a":1,"acct"`, 1)), "not a login"},
		{"a long pad", locked(strings.Replace(plain, `"seal"`, `"pad":"`+strings.Repeat(".", 33)+`","seal"`, 1)), "not a login"},
		{"another group's", locked(strings.Replace(plain, gid.String(), strings.Repeat("0", 40), 1)), "group 0000"},
		{"another account's", locked(strings.Replace(plain, `"office"`, `"admin"`, 1)), `"admin"`},
		{"an audience's identity", locked(strings.Replace(plain, good.Seal.Secret(), audience(t).Secret(), 1)), "not a login"},
		{"a damaged identity", locked(strings.Replace(plain, "KEY-PQ-1", "KEY-PQ-2", 1)), "secret keys"},
	} {
		_, err := open(c.slot, gid, "password", 4)
		if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "0707") {
			t.Errorf("%s: got %v, want it refused with %q", c.name, err, c.want)
		}
	}
}

func TestStoredSlot(t *testing.T) {
	slot := stored(t, "slot", func() ([]byte, error) { return seal.MakeSlot(login(t), "stored in the slot", 10) })
	got, err := open(slot, gid, "stored in the slot", 10)
	if err != nil || got.Account != "office" || got.Key.Public() != login(t).Key.Public() || !got.Seal.Account() {
		t.Errorf("got %v, %v", got, err)
	}
	key := stored(t, "locked-key.age", func() ([]byte, error) { return seal.LockKey([]byte("an owner's key"), "stored", 10) })
	if got, err := seal.UnlockKey(key, "stored"); string(got) != "an owner's key" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLockKey(t *testing.T) {
	locked := must(seal.LockKey([]byte("key"), "pass", 4))(t)
	if !bytes.HasPrefix(locked, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) {
		t.Errorf("got %q, want text", locked)
	}
	for name, file := range map[string][]byte{"text": locked, "text with white space around": []byte("\n " + string(locked) + "\n"), "bytes": dearmor(t, locked)} {
		if got, err := seal.UnlockKey(file, "pass"); string(got) != "key" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		for _, wrong := range []string{"Pass", ""} {
			if _, err := seal.UnlockKey(file, wrong); !errors.Is(err, seal.ErrPassphrase) || fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
				t.Errorf("%s with %q: got %v, want %v with a hint", name, wrong, err, seal.ErrPassphrase)
			}
		}
	}
	for name, file := range map[string][]byte{
		"empty":         nil,
		"cut":           locked[:len(locked)-40],
		"too large":     make([]byte, 200_000),
		"the plain key": []byte("key"),
	} {
		if _, err := seal.UnlockKey(file, "pass"); fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	for name, make := range map[string]func() ([]byte, error){
		"no key":        func() ([]byte, error) { return seal.LockKey(nil, "pass", 4) },
		"no passphrase": func() ([]byte, error) { return seal.LockKey([]byte("k"), " ", 4) },
		"work":          func() ([]byte, error) { return seal.LockKey([]byte("k"), "pass", 30) },
		"a large key":   func() ([]byte, error) { return seal.LockKey(bytes.Repeat([]byte("k"), 65<<10), "pass", 4) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}

func TestPassword(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		p := must(seal.Password())(t)
		if n := strings.Count(p, "-"); n < 4 || seen[p] || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("got %q, want five words, different each time", p)
		}
		seen[p] = true
		if err := seal.CheckPassword(p, "films", "admin"); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for _, c := range []struct{ name, password, want string }{
		{"a sentence", "the night is long enough", ""},
		{"a sentence in Greek", "\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5", ""},
		{"with the group's name in it", "films at midnight in June", ""},
		{"empty", "", "0 characters"},
		{"short", "hunter2hunt", "11 characters"},
		{"short in letters, long in bytes", "\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1", "8 characters"},
		{"spaces", "            a", "1 characters"},
		{"repeated", "aaaaaaabbbbbb", "repeats"},
		{"the group's name and a year", "Films Films 2026", "little more than"},
		{"the user's name", "administrator1", "little more than"},
		{"the word", "Password-1234", "little more than"},
		{"a control character", "abcdefgh\x00ijklmn", "control character"},
		{"not UTF-8", "abcdefgh\xffijklmn", "not UTF-8"},
		{"too long", strings.Repeat("abcdefghij", 200), "more than 1024"},
	} {
		err := seal.CheckPassword(c.password, "films", "admin", "administrator")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: got %v, want nil", c.name, err)
			}
			continue
		}
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" || c.password != "" && strings.Contains(err.Error(), c.password) {
			t.Errorf("%s: got %v (hint %q), want %q, without the password", c.name, err, fault.HintOf(err), c.want)
		}
	}
}

func FuzzOpenSlot(f *testing.F) {
	p := must(seal.Stretch(gid, "office", "p", 2))(f)
	f.Add(must(seal.MakeSlot(login(f), "p", 2))(f))
	f.Add(append(make([]byte, 96), "age-encryption.org/v1\n-> scrypt c2FsdA 1\nb\n--- c\n"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := seal.ParseSlot(b)
		if err != nil {
			if fault.KindOf(err) != fault.Unverified {
				t.Errorf("got %v, which has an unexpected kind", err)
			}
			return
		}
		if s.Tag == p.Tag() && s.Owned(gid, "eve") {
			t.Error("the slot is owned by another account too")
		}
		l, err := p.Open(s.Box)
		if err == nil && (l.Group != gid || l.Account != "office" || !l.Seal.Account()) {
			t.Errorf("got a login of %v", l.Group)
		}
		if err != nil && !errors.Is(err, seal.ErrPassword) && fault.KindOf(err) != fault.Unverified {
			t.Errorf("got %v, which has an unexpected kind", err)
		}
	})
}

// specified computes the tag and the passphrase of a slot as SPEC.md defines them.
func specified(t *testing.T, gid signed.GroupID, account, password string, work int) (tag signed.Key, passphrase string) {
	t.Helper()
	salt := slices.Concat([]byte("p2pshare/v1 slot\x00"), gid[:], []byte(account))
	secret := must(scrypt.Key([]byte(password), salt, 1<<work, 8, 1, 32))(t)
	seed := must(hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot tag", 32))(t)
	return must(signed.SigningKeyFromSeed(seed))(t).Public(), hex.EncodeToString(must(hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot box", 32))(t))
}

// TestTags: nobody can request a slot without the password, or with that of another account or group; and nobody who
// sees a tag can use it for a slot of their own.
func TestTags(t *testing.T) {
	s := must(seal.ParseSlot(must(seal.MakeSlot(login(t), "password", 4))(t)))(t)
	again := must(seal.ParseSlot(must(seal.MakeSlot(login(t), " password", 4))(t)))(t)
	if want, _ := specified(t, gid, "office", "password", 4); s.Tag != want || again.Tag != want {
		t.Errorf("got the tags %v and %v, want %v", s.Tag, again.Tag, want)
	}
	for name, p := range map[string]seal.Pass{
		"another password": must(seal.Stretch(gid, "office", "Password", 4))(t),
		"another account":  must(seal.Stretch(gid, "offic", "password", 4))(t),
		"another group":    must(seal.Stretch(signed.GroupID{9}, "office", "password", 4))(t),
		"less work":        must(seal.Stretch(gid, "office", "password", 3))(t),
	} {
		if p.Tag() == s.Tag {
			t.Errorf("%s: the same tag", name)
		}
		if _, err := p.Open(s.Box); !errors.Is(err, seal.ErrPassword) {
			t.Errorf("%s: got %v, want %v", name, err, seal.ErrPassword)
		}
		if text := fmt.Sprintf("%v %+v %#v", p, p, p); !strings.Contains(text, "redacted") || strings.Contains(text, "passphrase") {
			t.Errorf("printed: %s", text)
		}
	}
	if !s.Owned(gid, "office") || s.Owned(gid, "eve") || s.Owned(signed.GroupID{9}, "office") {
		t.Error("a slot must be owned only by its account in its group")
	}
	if _, err := seal.Stretch(gid, "office", "password", 19); err == nil {
		t.Error("a work factor of 19: got no error")
	}
}
