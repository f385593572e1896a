package signed_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// signNote signs any text as the device "dev" signs heads: a member with a program of their own can make it.
func signNote(t *testing.T, g signed.GroupID, text string) []byte {
	t.Helper()
	name := "p2pshare/v1/log/" + g.String() + "/" + key("dev").String()
	k := key("dev")
	vkey, err := note.NewEd25519VerifierKey(name, k[:])
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(vkey, "+")[1]
	seed := base64.StdEncoding.EncodeToString(append([]byte{1}, secret("dev").Seed()...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hash + "+" + seed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := note.Sign(&note.Note{Text: name + "\n" + text}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestForgedHeads(t *testing.T) {
	_, gid := chain(t)
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if _, err := signed.OpenHead(signNote(t, gid, "5\n"+root+"\n1790000000\n"), gid); err != nil {
		t.Fatalf("an honest head: %v", err)
	}
	for _, c := range []struct {
		name, text string
		want       signed.Reason
	}{
		{"size 0", "0\n" + root + "\n1790000000\n", signed.ErrMalformed},
		{"a negative size", "-1\n" + root + "\n1790000000\n", signed.ErrMalformed},
		{"a size beyond MaxRecords", "1048577\n" + root + "\n1790000000\n", signed.ErrMalformed},
		{"no size", "x\n" + root + "\n1790000000\n", signed.ErrMalformed},
		{"a leading zero", "05\n" + root + "\n1790000000\n", signed.ErrNotCanonical},
		{"a plus", "5\n" + root + "\n+1790000000\n", signed.ErrNotCanonical},
		{"no hash", "5\n!\n1790000000\n", signed.ErrMalformed},
		{"a short hash", "5\nAAAA\n1790000000\n", signed.ErrMalformed},
		{"spare bits in the hash", "5\n" + root[:42] + "B=\n1790000000\n", signed.ErrNotCanonical},
		{"time 0", "5\n" + root + "\n0\n", signed.ErrMalformed},
		{"no time", "5\n" + root + "\nnow\n", signed.ErrMalformed},
		{"one line more", "5\n" + root + "\n1790000000\nmore\n", signed.ErrMalformed},
		{"one line less", "5\n" + root + "\n", signed.ErrMalformed},
	} {
		_, err := signed.OpenHead(signNote(t, gid, c.text), gid)
		if err == nil {
			t.Errorf("%s: accepted as a head", c.name)
			continue
		}
		wantReason(t, err, c.want, "")
	}
}

func TestNamesInJSON(t *testing.T) {
	_, gid := chain(t)
	type all struct {
		H signed.Hash
		G signed.GroupID
		K signed.Key
		M map[signed.Key]int
	}
	want := all{signed.HashOf(nil), gid, key("dev"), map[signed.Key]int{key("dev"): 1}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := json.Unmarshal(raw, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{`{"H":"00"}`, `{"G":"` + strings.Repeat("A", 40) + `"}`, `{"K":"` + strings.Repeat("x", 64) + `"}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s: got nil, want an error", bad)
		}
	}
	for name, err := range map[string]error{
		"hash":  second(signed.ParseHash("0")),
		"group": second(signed.ParseGroupID(strings.Repeat("0", 41))),
		"key":   second(signed.ParseKey(strings.Repeat("F", 64))),
	} {
		if err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
	if got := fmt.Sprint(signed.Fresh, signed.Aging, signed.Stale); got != "fresh old stale" {
		t.Errorf("ages: got %q", got)
	}
	if secret("dev").Signer().Public() == nil || secret("dev").LogValue().String() != "redacted" {
		t.Error("a signing key prints itself, or does not sign")
	}
}

func second[T any](_ T, err error) error { return err }

func TestRecordFields(t *testing.T) {
	r, err := signed.ParseRecord([]byte(`{"a":"x","n":5,"op":"y"}`))
	if err != nil {
		t.Fatal(err)
	}
	f := r.Fields()
	if got := f.NeedText("a", 1); got != "x" || f.Done() != nil {
		t.Errorf("got %q, %v", got, f.Done())
	}
	if err := (signed.Record{Raw: []byte("{")}).Fields().Done(); err == nil {
		t.Error("fields of a malformed record: got nil, want an error")
	}
	f, err = signed.ReadFields([]byte(`{"a":"0aff","b":"0AFF","c":5}`))
	if err != nil {
		t.Fatal(err)
	}
	var b [2]byte
	if f.NeedHex("a", b[:]); b != [2]byte{10, 255} {
		t.Errorf("got %x", b)
	}
	if f.NeedHex("b", b[:]); f.Done() == nil {
		t.Error("capitals: got nil, want an error")
	}
}
