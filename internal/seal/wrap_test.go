package seal_test

import (
	"bytes"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// TestWrap: a wrapped key opens only with its secret, for its use and unmodified.
func TestWrap(t *testing.T) {
	const secret, use = "a secret of the admins of a group", "epoch all 7"
	plain := []byte("AGE-SECRET-KEY-1")
	salted, err := seal.Wrap(secret, use, plain)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.Wrap(secret, use, plain)
	if err != nil || bytes.Equal(salted, again) {
		t.Errorf("wrapping twice gives the same result (%v)", err)
	}
	if fixed := seal.WrapFixed(secret, use, plain); !bytes.Equal(fixed, seal.WrapFixed(secret, use, plain)) {
		t.Error("WrapFixed gives different results")
	}
	for _, kind := range []struct {
		name   string
		sealed []byte
		open   func(secret, use string, b []byte) ([]byte, error)
	}{{"salted", salted, seal.Unwrap}, {"fixed", seal.WrapFixed(secret, use, plain), seal.UnwrapFixed}} {
		if got, err := kind.open(secret, use, kind.sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: got %q, %v", kind.name, got, err)
		}
		refused := func(what, secret, use string, b []byte) {
			t.Helper()
			if got, err := kind.open(secret, use, b); fault.KindOf(err) != fault.Denied || got != nil {
				t.Errorf("%s, %s: got %q, %v", kind.name, what, got, err)
			}
		}
		refused("another secret", secret+"s", use, kind.sealed)
		refused("another use", secret, "epoch all 8", kind.sealed)
		for i := range kind.sealed {
			bent := bytes.Clone(kind.sealed)
			bent[i] ^= 1
			refused("a bit", secret, use, bent)
			refused("a part", secret, use, kind.sealed[:i])
		}
	}
}
