package signed_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

var now = time.Unix(1_790_000_000, 0).UTC()

// secret returns the key for a name: the same in every run, for golden bytes.
func secret(name string) signed.SigningKey {
	seed := sha256.Sum256([]byte(name))
	s, err := signed.SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(err)
	}
	return s
}

func key(name string) signed.Key { return secret(name).Public() }

func firstRoot() signed.Root {
	return signed.Root{Version: 1, Name: "films", Kind: signed.Public, Need: 2,
		Owners: []signed.Key{key("owner1"), key("owner2"), key("owner3")},
		Admins: []signed.Admin{{Name: "alice", Key: key("alice")}, {Name: "bob", Key: key("bob"), Seal: "age1qqqq"}},
		Stale:  720, Time: now}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// chain returns version 1 of a root and the ID of its group.
func chain(t testing.TB) (*signed.SignedRoot, signed.GroupID) {
	t.Helper()
	raw, err := firstRoot().Sign(secret("owner1"), secret("owner2"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := signed.ParseRoot(raw)
	return must(t, root, err), root.ID()
}

func records(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, `{"id":"%08x","n":%d,"op":"share","text":%q}`, i, now.UnixMilli()+int64(i), strings.Repeat("x", 300))
	}
	return out
}

func headOf(t testing.TB, dev string, g signed.GroupID, recs [][]byte, at time.Time) signed.Head {
	t.Helper()
	var tree signed.Tree
	for _, r := range recs {
		tree.Append(r)
	}
	h, err := signed.SignHead(g, secret(dev), tree.Size(), tree.Root(), at)
	return must(t, h, err)
}

func wantReason(t testing.TB, err error, want signed.Reason, words string) {
	t.Helper()
	var r *signed.Refusal
	if !errors.Is(err, want) || !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal with reason %q", err, want)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("got %q, want %q in it", err, words)
	}
}

func replace(b []byte, old, new string) []byte {
	if !bytes.Contains(b, []byte(old)) {
		panic(fmt.Sprintf("%q is not in %q", old, b))
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}
