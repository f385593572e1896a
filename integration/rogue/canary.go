package rogue

import (
	"fmt"
	"net"
	"sync"
)

// Canary records who contacts its listeners. It never answers.
type Canary struct {
	mu   sync.Mutex
	came []string
}

// Accept accepts the connections of a listener until it is closed.
func (c *Canary) Accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c.note("TCP to %v", conn.LocalAddr())
		conn.Close()
	}
}

// Receive receives packets until pc is closed.
func (c *Canary) Receive(pc net.PacketConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		c.note("UDP to %v from %v: %q", pc.LocalAddr(), from, b[:n])
	}
}

// Came returns the contacts so far.
func (c *Canary) Came() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.came...)
}

func (c *Canary) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came = append(c.came, fmt.Sprintf(format, args...))
}
