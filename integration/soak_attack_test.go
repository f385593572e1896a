//go:build linux

package integration_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/integration/rogue"
)

// attackVariable is set in the attacking process: the test's own program, on a separate host of the lab and with the lowest
// priority, since a real attacker has a machine of their own. Its value is a target.
const attackVariable = "P2PSHARE_ATTACK"

// target is the attacked daemon, as an attacker knows it.
type target struct {
	Addr    string
	Public  [20]byte // the infohash of a public torrent
	Pieces  int
	Link    rogue.Link         // of a private group
	Hello   []byte             // the first message of a TLS handshake for it
	Key     ed25519.PrivateKey // of a member's device that the attacker has
	Tracker string             // where to listen: the daemon announces a torrent there
	Others  []string           // addresses of the attacker in other networks than the daemon's
}

func (to target) tcp(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to.Addr)
}

func (to target) udp(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "udp", to.Addr)
}

// attack runs until ctx ends, and counts what it does.
type attack struct {
	name string
	run  func(ctx context.Context, to target, did *atomic.Int64)
}

// attacks are run in parallel by the soak, until its end.
func attacks() []attack {
	all := []attack{
		{"silent connections", crowd(300, 300, 0, func(target) []byte { return nil })},
		{"8,000 half-open connections", halfOpen},
		{"handshakes a byte at a time", crowd(200, 50, 100*time.Millisecond, func(to target) []byte { return rogue.Handshake(to.Public) })},
		{"TLS greetings a byte at a time", crowd(100, 50, 100*time.Millisecond, func(to target) []byte { return to.Hello })},
		{"peers that do nothing", crowd(400, 100, 0, func(to target) []byte { return rogue.Handshake(to.Public) })},
		{"SYNs of uTP", packets(func(i int) []byte { return rogue.SYN(uint16(i)) })},
		{"malformed uTP", packets(func(int) []byte { return rogue.UTP(rand.IntN) })},
		{"endless answers of a tracker", bomb},
		{"LAN discovery from inside and outside the network", forgedLAN},
		{"requests of a stranger with the link", posts(func(to target) rogue.Member { return rogue.Member{Key: to.Link.Lobby()} })},
		{"requests of a stranger with a new key", posts(func(to target) rogue.Member { return rogue.Member{Key: rogue.NewKey()} })},
		{"requests of a member", posts(func(to target) rogue.Member { return rogue.Member{Key: to.Key} })},
	}
	for i, m := range rogue.Messages(1) {
		all = append(all, attack{m.Name, func(ctx context.Context, to target, did *atomic.Int64) {
			f := &rogue.Flood{
				Dial: to.tcp, Conns: 2, Deaf: m.Deaf, Make: rogue.Messages(to.Pieces)[i].Make,
				Begin: func(c net.Conn) (rogue.Extensions, error) { return rogue.Shake(c, to.Public) },
			}
			f.Run(ctx)
			did.Add(f.Said.Load())
		}})
	}
	return all
}

// crowd makes an attack of connections.
func crowd(most, rate int, drip time.Duration, say func(to target) []byte) func(context.Context, target, *atomic.Int64) {
	return func(ctx context.Context, to target, did *atomic.Int64) {
		c := &rogue.Crowd{Dial: to.tcp, Most: most, Rate: rate, Drip: drip, Say: say(to)}
		c.Run(ctx)
		did.Add(c.Opened.Load())
	}
}

// packets makes an attack of repeated packets.
func packets(make func(i int) []byte) func(context.Context, target, *atomic.Int64) {
	return func(ctx context.Context, to target, did *atomic.Int64) {
		for ctx.Err() == nil {
			sent, err := rogue.Send(ctx, to.udp, 100_000, make)
			if err != nil {
				return
			}
			did.Add(int64(sent))
		}
	}
}

// posts makes an attack of requests to the group.
func posts(as func(to target) rogue.Member) func(context.Context, target, *atomic.Int64) {
	return func(ctx context.Context, to target, did *atomic.Int64) {
		who := as(to)
		who.Name, who.Connect = to.Link.ServerName(rogue.Today()), to.tcp
		p := &rogue.Posts{Member: who, At: 4}
		p.Run(ctx)
		did.Add(p.Asked.Load())
	}
}

// halfOpen holds 8,000 connections that have started in every possible way.
func halfOpen(ctx context.Context, to target, did *atomic.Int64) {
	begun := rogue.Beginnings(to.Public, to.Hello)
	var wg sync.WaitGroup
	for _, b := range begun {
		wg.Go(func() { crowd(8000/len(begun), 50, 0, func(target) []byte { return b.Say })(ctx, to, did) })
	}
	wg.Wait()
}

// bomb is a tracker; the daemon announces to it on its own.
func bomb(ctx context.Context, to target, did *atomic.Int64) {
	l, err := net.Listen("tcp", to.Tracker)
	if err != nil {
		return
	}
	b := new(rogue.Bomb)
	s := &http.Server{Handler: b}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	_ = s.Serve(l) // until it is closed
	did.Add(b.Asked.Load())
}

// forgedLAN announces peers for the daemon's torrent and for others, by multicast and to the daemon directly, from the daemon's
// network and from others.
func forgedLAN(ctx context.Context, to target, did *atomic.Int64) {
	host, _, err := net.SplitHostPort(to.Addr)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	for _, from := range append([]string{""}, to.Others...) {
		for _, at := range []string{host + ":6771", "239.192.152.143:6771"} {
			wg.Go(func() {
				dial := func(ctx context.Context) (net.Conn, error) {
					d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
					return d.DialContext(ctx, "udp4", at)
				}
				packets := func(i int) []byte {
					hash := to.Public
					if i%2 == 0 {
						hash[0] = byte(i)
					}
					return fmt.Appendf(nil, "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: %d\r\nInfohash: %x\r\ncookie: %x\r\n\r\n\r\n", 1024+i%60000, hash, i)
				}
				sent, _ := rogue.Send(ctx, dial, 1<<40, packets) // errors do not matter
				did.Add(int64(sent))
			})
		}
	}
	wg.Wait()
}

// attackMain attacks until its input ends, and prints what it did.
func attackMain(about string) int {
	var to target
	if err := json.Unmarshal([]byte(about), &to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	all := attacks()
	did := make([]atomic.Int64, len(all))
	var wg sync.WaitGroup
	for i, a := range all {
		wg.Go(func() { a.run(ctx, to, &did[i]) })
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // it ends if the test does
	stop()
	wg.Wait()
	out := map[string]int64{}
	for i, a := range all {
		out[a.name] = did[i].Load()
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
