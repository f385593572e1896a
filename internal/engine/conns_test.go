package engine

import "testing"

// A share that is still told of while the engine closes asks for the port; the race detector judges.
func TestPortWhileClosing(t *testing.T) {
	e, err := New(settings(t))
	if err != nil {
		t.Fatal(err)
	}
	port := e.Port()
	asked := make(chan struct{})
	go func() { // unordered with Close on purpose
		defer close(asked)
		if got := e.Port(); got != port {
			t.Errorf("while the engine closes: got port %d, want %d", got, port)
		}
	}()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	<-asked
}
