//go:build linux

package integration_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/integration/payload"
)

// dhtCounter is a DHT node that gives everybody a token and records what is announced to it.
type dhtCounter struct {
	mu        sync.Mutex
	looked    map[string]bool
	announced map[string]int // by infohash
}

type dhtQuery struct {
	T string `bencode:"t"`
	Y string `bencode:"y"`
	Q string `bencode:"q"`
	A struct {
		InfoHash string `bencode:"info_hash"`
	} `bencode:"a"`
}

func (d *dhtCounter) serve(c net.PacketConn) {
	buf := make([]byte, 64<<10)
	self := strings.Repeat("c", 20)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		var q dhtQuery
		if err := bencode.Unmarshal(bytes.Clone(buf[:n]), &q); err != nil || q.Y != "q" {
			continue
		}
		d.mu.Lock()
		switch q.Q {
		case "get_peers":
			d.looked[q.A.InfoHash] = true
		case "announce_peer":
			d.announced[q.A.InfoHash]++
		}
		d.mu.Unlock()
		answer := fmt.Sprintf("d1:rd2:id20:%s5:nodes0:5:token1:te1:t%d:%s1:y1:re", self, len(q.T), q.T)
		if _, err := c.WriteTo([]byte(answer), from); err != nil {
			return
		}
	}
}

func (d *dhtCounter) count() (looked, announced int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.looked), len(d.announced)
}

// TestGroupAnnouncesOnce checks that a group is announced to the DHT under one infohash, however many entries it has that this
// machine does not share itself; the infohashes of yesterday and tomorrow are only looked up.
func TestGroupAnnouncesOnce(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	node := &dhtCounter{looked: map[string]bool{}, announced: map[string]int{}}
	pc, err := lab.Hub().ListenPacket("udp4", lab.Hub().IP+":6881")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); node.serve(pc) }()
	t.Cleanup(func() { pc.Close(); <-done })

	owner, member := newMachine(t, lab.Host(1)), newMachine(t, lab.Host(2))
	owner.daemon(nothing...)
	link := owner.must("group", "create", "acme", "--public")
	path := made(t, payload.Folder)
	for i := range 20 {
		owner.must("publish", path, "--group", "acme", "--as", fmt.Sprint("app@1.", i))
	}
	member.daemon(append([]string{"--dht-node", lab.Hub().IP + ":6881"}, onlyDHT...)...)
	member.must("group", "join", link, "--peer", lab.Host(1).IP+":6881")
	member.until("app@1.19", "catalog", "list", "acme", "--all", "--quiet")
	for end := time.Now().Add(busy * 30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if looked, announced := node.count(); looked >= 3 && announced >= 1 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the DHT got queries for %d infohashes and announces of %d", looked, announced)
		}
	}
	// Nothing else comes for a while; announces of the entries would have started immediately.
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if looked, announced := node.count(); looked != 3 || announced != 1 {
			t.Fatalf("with 20 entries the DHT got queries for %d infohashes and announces of %d, want 3 days and 1", looked, announced)
		}
	}
}
