package engine

import (
	"testing"
	"time"

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
	seeder, e := start(t, nil), start(t, nil)
	p.seed(t, seeder, Spec{})
	bounds := make(chan int, 1)
	conf := e.clientConfig()
	conf.Callbacks = torrent.Callbacks{
		ReadExtendedHandshake: e.readHandshake,
		SentRequest: []func(torrent.PeerRequestEvent){func(r torrent.PeerRequestEvent) {
			pc, _ := r.Peer.TryAsPeerConn()
			select {
			case bounds <- pc.PeerMaxRequests:
			default: // one tells
			}
		}},
	}
	client, err := torrent.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.AddDialer(e.port.dialers[0])
	p.seed(t, e, Spec{Peers: []string{at(seeder)}}) // else the dialer would not go there
	fetch, _, err := client.AddTorrentSpec(&torrent.TorrentSpec{AddTorrentOpts: torrent.AddTorrentOpts{
		InfoHash: p.hash, InfoBytes: p.info, Storage: &memory{data: make([]byte, len(p.data)), done: map[int]bool{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	fetch.DownloadAll()
	fetch.AddPeers([]torrent.PeerInfo{{Addr: torrent.StringAddr(at(seeder)), Trusted: true}})
	select {
	case got := <-bounds:
		if got != nearRequests {
			t.Errorf("the client asks for up to %d blocks, want %d", got, nearRequests)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was asked for")
	}
}
