package engine

import (
	"net"
	"testing"
)

// A peer whose TCP port takes connections and says nothing is fetched from by uTP, whichever connects first.
func TestUTPWhereTCPIsMute(t *testing.T) {
	p := newPayload(t, 300<<10, false)
	seeder := start(t, func(s *Settings) { s.UTP = true })
	p.seed(t, seeder, Spec{})
	seeder.port.listeners[0].Close() // TCP
	l, err := net.Listen("tcp4", at(seeder))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for range 2 {
		e := start(t, func(s *Settings) { s.UTP = true })
		p.fetch(t, e, Spec{Peers: []string{at(seeder)}}).Close()
	}
}
