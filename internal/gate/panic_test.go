package gate_test

import (
	"testing"

	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestAPanicCostsItsConnection: a bug in the judgement of one member's connection closes that, and the gate goes on and ends.
func TestAPanicCostsItsConnection(t *testing.T) {
	g, _ := start(t, gate.Options{Judge: func(peer signed.Key, _ [20]byte) (string, error) {
		if peer == mallory {
			panic("a bug that was planted")
		}
		return "ben", nil
	}})
	bad := member(t, g, mallory)
	if _, err := bad.Write(helloFor(mayRead)); err != nil {
		t.Fatal(err)
	}
	gone(t, bad)
	good := member(t, g, ben)
	if _, err := good.Write(helloFor(mayRead)); err != nil {
		t.Fatal(err)
	}
	accept(t, g)
	if n := g.Conns(); n != 1 {
		t.Errorf("%d connections are open, want the good one", n)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
