package groupnet

import (
	"net"
	"slices"
	"sync"
)

// young are the connections whose handshakes are under way, the oldest first. The zero value is ready.
type young struct {
	mu  sync.Mutex
	all []*shaking
}

type shaking struct {
	host string
	c    net.Conn
}

// enter counts a connection in, and closes the oldest of its host, or of all, if there are too many. done counts it out.
func (y *young) enter(host string, c net.Conn) (done func()) {
	s := &shaking{host, c}
	y.mu.Lock()
	var old *shaking
	same := 0
	for _, o := range slices.Backward(y.all) {
		if o.host == host {
			if same++; same >= maxHandshakesPerHost {
				old = o
			}
		}
	}
	if old == nil && len(y.all) >= maxHandshakes {
		old = y.all[0]
	}
	if old != nil {
		y.remove(old)
	}
	y.all = append(y.all, s)
	y.mu.Unlock()
	if old != nil {
		old.c.Close() // its handshake ends, and says so
	}
	return func() {
		y.mu.Lock()
		defer y.mu.Unlock()
		y.remove(s)
	}
}

// remove takes a connection out, if it is in. y.mu is held.
func (y *young) remove(s *shaking) {
	if i := slices.Index(y.all, s); i >= 0 {
		y.all = slices.Delete(y.all, i, i+1)
	}
}
