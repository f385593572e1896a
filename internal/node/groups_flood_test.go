//go:build linux

package node_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestThousandConnections: strangers open a thousand connections to a daemon at once, from four addresses: silent ones, such as
// begin a handshake, with an unknown name, and as members. Members go on, new ones join, and content is fetched.
func TestThousandConnections(t *testing.T) {
	owner, reader, link := acme(t)
	addr := addrOf(t, owner)
	l, err := signed.ParseLink(link)
	must(t, err)
	name := l.ServerName(signed.DayOf(time.Now()))
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn, err error) {
		if err == nil {
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
		}
	}
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	dialed := 0
	var wg sync.WaitGroup
	for i := range 1000 {
		d := &net.Dialer{Timeout: 90 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}
		wg.Go(func() {
			c, err := d.DialContext(t.Context(), "tcp", addr)
			if err != nil {
				return
			}
			mu.Lock()
			dialed++
			mu.Unlock()
			switch i % 5 {
			case 0, 1: // silent
				keep(c, nil)
			case 2: // the first bytes of a handshake
				_, err := c.Write([]byte{0x16, 3, 1, 2, 0, 1})
				keep(c, err)
			case 3:
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if tls.Client(c, &tls.Config{ServerName: "nobody", InsecureSkipVerify: true, NextProtos: []string{groupnet.Sync}}).HandshakeContext(ctx) == nil {
					t.Error("a handshake for a group that nobody has")
				}
				c.Close()
			case 4:
				c.Close()
				s, err := group.NewSecret()
				if err != nil {
					t.Error(err)
					return
				}
				m, _, err := groupnet.Dial(t.Context(), d, groupnet.Member{Addr: addr, ServerName: name, Identity: s}, groupnet.Sync)
				keep(m, err)
			}
		})
	}
	wg.Wait()
	if dialed < 900 || len(open) < 100 {
		t.Fatalf("%d connections were taken and %d stay: nothing is tested", dialed, len(open))
	}
	t.Logf("%d connections were taken, %d are held", dialed, len(open))
	dir := folder(t, "app", map[string]string{"bin": "program"})
	if _, err := publishAs(t, owner, dir, "acme", "app@1"); err != nil {
		t.Fatal(err)
	}
	waitEntries(t, reader, "acme/app@1 by alice")
	late, _ := daemon(t, t.TempDir(), nil)
	askGroup(t, late, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: []string{addr}, Timeout: 20 * time.Second}})
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return late.Fetch(ctx, node.FetchRequest{Ref: "acme/app", Dir: t.TempDir()}, on)
	}, nil)
	must(t, err)
	same(t, last.Fetched.Path, dir)
	if fmt.Sprint(show(t, owner).Warnings) != "[]" {
		t.Errorf("warnings: %q", show(t, owner).Warnings)
	}
}
