package engine

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

func TestRequestsByDistance(t *testing.T) {
	e := start(t, nil)
	for _, c := range []struct {
		name, addr string
		offered    int
		want       int
	}{
		{"this machine", "127.0.0.1:6881", 1024, nearRequests},
		{"this machine, version 6", "[::1]:6881", 1024, nearRequests},
		{"this machine, version 4 in 6", "[::ffff:127.0.0.1]:6881", 1024, nearRequests},
		{"next door", "10.1.2.3:6881", 2000, nearRequests},
		{"next door without an address of its own", "[fe80::1]:6881", 2000, nearRequests},
		{"next door, takes less", "192.168.1.2:6881", 250, 250},
		{"next door, says nothing", "192.168.1.2:6881", 0, 0},
		{"far away", "203.0.113.9:6881", 2000, 2000},
		{"far away, version 6", "[2001:db8::9]:6881", 1024, 1024},
	} {
		t.Run(c.name, func(t *testing.T) {
			pc := &torrent.PeerConn{}
			pc.RemoteAddr = torrent.StringAddr(c.addr)
			d := &pp.ExtendedHandshakeMessage{Reqq: c.offered}
			if e.readHandshake(pc, d); d.Reqq != c.want {
				t.Errorf("got %d requests, want %d", d.Reqq, c.want)
			}
		})
	}
}

// The client keeps to what it is left with.
func TestClientKeepsToRequests(t *testing.T) {
	p := newPayload(t, 1<<20, false)
	seeder, fetcher := start(t, nil), start(t, nil)
	p.seed(t, seeder, Spec{})
	fetching(t, fetcher, p, Spec{Peers: []string{at(seeder)}})
	kept := regexp.MustCompile(`reqq: \d+\+\d+/\(\d+/512\)`)
	waitFor(t, "the client's status has the bound", func() bool {
		var status bytes.Buffer
		fetcher.client.WriteStatus(&status)
		return kept.Match(status.Bytes())
	})
}
