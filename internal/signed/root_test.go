package signed_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

func TestRootGolden(t *testing.T) {
	raw, err := firstRoot().Sign(secret("owner1"), secret("owner2"))
	golden(t, "root.note", must(t, raw, err))
	r, err := signed.ParseRoot(raw)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "gid", []byte(r.ID().String()+"\n"))
	if _, err = signed.Genesis(raw, r.ID()); err != nil {
		t.Error(err)
	}
	_, err = signed.Genesis(raw, signed.GroupID{1})
	wantReason(t, err, signed.ErrWrongGroup, "founds the group")
}

// golden compares with testdata, which another implementation would write too. P2PSHARE_GOLDEN=write updates it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("P2PSHARE_GOLDEN") == "write" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestRootParts(t *testing.T) {
	first := firstRoot()
	first.Keep, first.Open, first.Strict = map[signed.Key]int64{key("dev"): 7, key("dev2"): 0}, true, true
	raw, err := first.Sign(secret("owner3"), secret("owner1"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := signed.ParseRoot(raw)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "films" || r.Need != 2 || len(r.Owners) != 3 || r.Keep[key("dev")] != 7 || len(r.Keep) != 2 || !r.Open || !r.Strict ||
		r.Stale != 720 || !r.Time.Equal(now) || r.Admins[1].Seal != "age1qqqq" || r.Kind != signed.Public {
		t.Errorf("got %+v", r.Root)
	}
	if a, ok := r.Admin("alice"); !ok || a.Key != key("alice") {
		t.Errorf("admin alice: got %v, %v", a, ok)
	}
	if _, ok := r.Admin("eve"); ok {
		t.Error("eve is an admin")
	}
	again, err := signed.Genesis(r.Raw, r.ID())
	if err != nil || !bytes.Equal(again.Raw, r.Raw) {
		t.Errorf("reading Raw again: %v", err)
	}
}

func TestRootRotates(t *testing.T) {
	r1, gid := chain(t)
	next := r1.Successor(now.Add(time.Hour))
	next.Owners = []signed.Key{key("owner2"), key("owner4")}
	next.Need = 1
	raw, err := next.Sign(secret("owner1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r1.Next(raw)
	wantReason(t, err, signed.ErrThreshold, "signed by 0 of its owners")
	raw, err = signed.AddSignature(raw, secret("owner4"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r1.Next(raw)
	wantReason(t, err, signed.ErrThreshold, "signed by 1 of the owners of version 1, but needs 2")
	raw, err = signed.AddSignature(raw, secret("owner3"))
	if err != nil {
		t.Fatal(err)
	}
	r2, err := r1.Next(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r1.Next(r2.Raw); err != nil || got.Hash != r2.Hash {
		t.Errorf("Raw of version 2 is not accepted as version 2: %v", err)
	}

	rotated := r2.Successor(now.Add(2 * time.Hour))
	raw, err = rotated.Sign(secret("owner1"), secret("owner3"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r2.Next(raw)
	wantReason(t, err, signed.ErrThreshold, "version 3 is signed by 0")
	good, err := rotated.Sign(secret("owner4"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r2.Next(good); err != nil {
		t.Fatal(err)
	}

	_, err = r1.Next(good)
	wantReason(t, err, signed.ErrGap, "version 3, but the last known version is 1")
	_, err = r2.Next(r1.Raw)
	wantReason(t, err, signed.ErrOld, "version 1, but version 2 is known")
	_, err = r2.Next(r2.Raw)
	wantReason(t, err, signed.ErrOld, "version 2, but version 2 is known")
	_, err = signed.Genesis(good, gid)
	wantReason(t, err, signed.ErrGap, "version 3")

	other := r1.Successor(now.Add(3 * time.Hour))
	raw, err = other.Sign(secret("owner1"), secret("owner2"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r2.Next(raw)
	wantReason(t, err, signed.ErrForked, "this version 2")
	r2b, err := r1.Next(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r2b.Next(good)
	wantReason(t, err, signed.ErrDisagrees, "follows a version 2")
	stolen := r2b.Successor(now)
	stolen.Prev = r2.Hash
	raw, err = stolen.Sign(secret("owner1"), secret("owner2"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r2b.Next(raw)
	wantReason(t, err, signed.ErrDisagrees, "follows a version 2")
	turned := r2b.Successor(now)
	turned.Kind = signed.Private
	raw, err = turned.Sign(secret("owner1"), secret("owner2"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r2b.Next(raw)
	wantReason(t, err, signed.ErrDisagrees, "makes a public group private")
}

func TestRootRefuses(t *testing.T) {
	r1, _ := chain(t)
	raw := r1.Raw
	for _, c := range []struct {
		name  string
		raw   []byte
		want  signed.Reason
		words string
	}{
		{"empty", nil, signed.ErrMalformed, "not a signed note"},
		{"cut before the signatures", raw[:bytes.Index(raw, []byte("\n\n"))], signed.ErrMalformed, "not a signed note"},
		{"without signatures", raw[:bytes.Index(raw, []byte("\n\n"))+2], signed.ErrMalformed, ""},
		{"cut in a signature", raw[:len(raw)-9], signed.ErrMalformed, ""},
		{"one signature of two", raw[:bytes.LastIndex(raw[:len(raw)-1], []byte("\n"))+1], signed.ErrThreshold, "signed by 1"},
		{"a changed name", replace(raw, "films", "filmz"), signed.ErrUnsigned, "is wrong"},
		{"a changed time", replace(raw, "1790000000", "1790000001"), signed.ErrUnsigned, "is wrong"},
		{"65 KiB", append(bytes.Clone(raw), bytes.Repeat([]byte("x"), 65<<10)...), signed.ErrTooLarge, "more than 65536"},
		{"another domain", replace(raw, "v1/root", "v1/boot"), signed.ErrMalformed, "does not begin with"},
		{"a space", replace(raw, `"need":2`, `"need": 2`), signed.ErrNotCanonical, "no value"},
		{"a duplicate key", replace(raw, `"need":2`, `"need":2,"need":2`), signed.ErrNotCanonical, "does not sort after"},
		{"an unknown field", replace(raw, `"need":2`, `"need":2,"noon":1`), signed.ErrMalformed, `unknown field "noon"`},
		{"keys of another case", replace(raw, `"need"`, `"neeD"`), signed.ErrMalformed, `"need": missing`},
		{"a fraction", replace(raw, `"need":2`, `"need":2.0`), signed.ErrNotCanonical, "plain integer"},
		{"a leading zero", replace(raw, `"need":2`, `"need":02`), signed.ErrNotCanonical, "plain integer"},
		{"an exponent", replace(raw, `"need":2`, `"need":2e0`), signed.ErrNotCanonical, "plain integer"},
		{"no signature required", replace(raw, `"need":2`, `"need":0`), signed.ErrMalformed, "not from 1"},
		{"more signatures required than owners", replace(raw, `"need":2`, `"need":4`), signed.ErrMalformed, "4 signatures of 3 owners"},
		{"a duplicate owner", replace(raw, key("owner2").String(), key("owner1").String()), signed.ErrMalformed, "appears twice"},
		{"a duplicate name of an admin", replace(raw, `"name":"bob"`, `"name":"alice"`), signed.ErrMalformed, "appears twice"},
		{"an admin's name in capitals", replace(raw, `"name":"bob"`, `"name":"Bob"`), signed.ErrMalformed, "cannot be a name"},
		{"a seal of another kind", replace(raw, "age1qqqq", "ssh-ed25"), signed.ErrMalformed, "not an age recipient"},
		{"version 0", replace(raw, `"v":1`, `"v":0`), signed.ErrMalformed, "not from 1"},
		{"version 2 without prev", replace(raw, `"v":1`, `"v":2`), signed.ErrMalformed, "required in all versions except the first"},
		{"an unknown kind", replace(raw, `"kind":"public"`, `"kind":"secret"`), signed.ErrMalformed, "neither public nor private"},
		{"a false that could be left out", replace(raw, `"owners"`, `"open":false,"owners"`), signed.ErrMalformed, "not left out"},
		{"an escape in the name", replace(raw, `"name":"films"`, "\"name\":\"fi\u202elms\""), signed.ErrMalformed, "does not print"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signed.ParseRoot(c.raw)
			wantReason(t, err, c.want, c.words)
			if k := fault.KindOf(err); k != fault.Unverified {
				t.Errorf("kind: got %v, want unverified", k)
			}
		})
	}
}

func TestRootDropsJunk(t *testing.T) {
	r1, _ := chain(t)
	raw := append(bytes.Clone(r1.Raw), "— stranger AAAAAAAA\n"...)
	r, err := signed.ParseRoot(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Raw, r1.Raw) {
		t.Errorf("got %q, want the note without the stranger's line", r.Raw)
	}
	// One owner's signature twice is one signature.
	one, err := firstRoot().Sign(secret("owner1"))
	if err != nil {
		t.Fatal(err)
	}
	line := one[bytes.LastIndex(one, []byte("\n\n"))+2:]
	_, err = signed.ParseRoot(append(bytes.Clone(one), line...))
	wantReason(t, err, signed.ErrThreshold, "signed by 1")
}

func TestRootSignRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*signed.Root)
		words  string
	}{
		{"no owner", func(r *signed.Root) { r.Owners = []signed.Key{} }, "owners"},
		{"no name", func(r *signed.Root) { r.Name = "" }, "name"},
		{"a name of two lines", func(r *signed.Root) { r.Name = "a\nb" }, "does not print"},
		{"no staleness", func(r *signed.Root) { r.Stale = 0 }, "stale"},
		{"more admins than fit", func(r *signed.Root) {
			for _, c := range "cdefghijklmnopqrstuvwxyz0" {
				r.Admins = append(r.Admins, signed.Admin{Name: string(c), Key: key(string(c)), Seal: "age1" + strings.Repeat("q", 2000)})
			}
		}, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := firstRoot()
			c.change(&r)
			if _, err := r.Sign(secret("owner1")); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want an error with %q", err, c.words)
			}
		})
	}
}

func FuzzRoot(f *testing.F) {
	raw, err := firstRoot().Sign(secret("owner1"), secret("owner2"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(replace(raw, `"need":2`, `"need":1`))
	f.Add([]byte("p2pshare/v1/root\n{}\n\n— x AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := signed.ParseRoot(b)
		if err != nil {
			return
		}
		again, err := signed.ParseRoot(r.Raw)
		if err != nil || again.Hash != r.Hash || !bytes.Equal(again.Raw, r.Raw) {
			t.Fatalf("%q is a root, but its Raw is not: %v", b, err)
		}
	})
}
