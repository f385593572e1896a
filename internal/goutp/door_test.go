package utp

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// packet is a header of uTP (BEP 29) of a type.
func packet(kind byte) []byte {
	b := make([]byte, headerLen)
	b[0] = kind<<4 | version
	return b
}

func at(s string) net.Addr {
	a, err := net.ResolveUDPAddr("udp", s)
	if err != nil {
		panic(err) // it is written below
	}
	return a
}

// let is how many of some packets are let in.
func let(d *door, n int, kind byte, from func(i int) string) (in int) {
	for i := range n {
		if d.lets(packet(kind), at(from(i))) {
			in++
		}
	}
	return in
}

func TestSYNsAreFew(t *testing.T) {
	for _, c := range []struct {
		name string
		from func(i int) string
		want int
	}{
		{"one address", func(i int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+i) }, synsPerAddress},
		{"one network of IPv6", func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, synsPerAddress},
		{"forged addresses", func(i int) string { return fmt.Sprintf("10.0.%d.%d:1", i/256, i%256) }, synsPerSecond},
		{"forged networks", func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i) }, synsPerSecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			d := newDoor(nil)
			d.now = func() time.Time { return now }
			for second := range 3 {
				if got := let(d, 1000, typeSyn, c.from); got != c.want {
					t.Errorf("second %d: %d were let in, want %d", second, got, c.want)
				}
				now = now.Add(time.Second)
			}
			if len(d.from) > synsPerSecond || len(d.known) > 3*synsPerSecond {
				t.Errorf("%d and %d addresses are remembered", len(d.from), len(d.known))
			}
		})
	}
}

// One address that uses its share up leaves others theirs.
func TestSYNsOfOthers(t *testing.T) {
	d := newDoor(nil)
	d.now = func() time.Time { return time.Unix(1000, 0) }
	let(d, 1000, typeSyn, func(int) string { return "192.0.2.1:1" })
	if got := let(d, 1, typeSyn, func(int) string { return "192.0.2.2:1" }); got != 1 {
		t.Error("another address's SYN was not let in")
	}
}

func TestPacketsOfNoConnection(t *testing.T) {
	d := newDoor(nil)
	friend := func(int) string { return "192.0.2.1:1" }
	for kind := range byte(typeMost + 1) {
		if kind == typeSyn {
			continue
		}
		if got := let(d, 10, kind, friend); got != 0 {
			t.Errorf("type %d: %d of a stranger were let in", kind, got)
		}
		d.knows(at(friend(0)))
		if got := let(d, 10, kind, friend); got != 10 {
			t.Errorf("type %d: %d of 10 of a connection were let in", kind, got)
		}
		d.forget(at(friend(0)))
	}
	if got := let(d, 1, typeSyn, friend); got != 1 {
		t.Error("a SYN was not let in")
	}
	if got := let(d, 10, 0, friend); got != 10 {
		t.Errorf("%d of the 10 that follow a SYN were let in", got)
	}
}

func TestOthersPacketsAreLetIn(t *testing.T) {
	d := newDoor(nil)
	for _, b := range [][]byte{nil, []byte("d1:q4:ping1:t2:aa1:y1:qe"), packet(typeMost + 1), packet(4)[:headerLen-1], make([]byte, headerLen)} {
		if !d.lets(b, at("192.0.2.1:1")) {
			t.Errorf("%x was not let in", b)
		}
	}
}
