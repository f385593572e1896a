//go:build linux

package groupnet_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupnet"
)

// TestSlowHandshakes: strangers, from one address or from many, hold as many handshakes open as they can, and come again
// when they are closed. Members get through each time.
func TestSlowHandshakes(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts int
	}{{"one address", 1}, {"many addresses", 100}} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := serve(t, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			held := make(chan struct{}, 300)
			for i := range 300 {
				wg.Go(func() {
					d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%c.hosts))}}
					for first := true; ctx.Err() == nil; first = false {
						c, err := d.DialContext(ctx, "tcp", addr)
						if err != nil {
							continue
						}
						end := context.AfterFunc(ctx, func() { c.Close() })
						_, _ = c.Write([]byte{0x16, 3, 1, 2, 0, 1}) // the begin of a handshake; it may be closed already
						if first {
							held <- struct{}{}
						}
						_, _ = c.Read(make([]byte, 1)) // until it is closed
						end()
						c.Close()
						select { // a hundred a second altogether
						case <-ctx.Done():
						case <-time.After(3 * time.Second):
						}
					}
				})
			}
			defer wg.Wait()
			defer cancel()
			for range 300 {
				<-held
			}
			for i := range 20 {
				c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addr, ServerName: name, Identity: secret(t)})
				_, err := get(c)
				// A machine that is busy shakes hands slowly, and is closed as the oldest while a wave comes in: members come again.
				for again := 0; err != nil && again < 4; again++ {
					c.CloseIdleConnections()
					_, err = get(c)
				}
				c.CloseIdleConnections()
				if err != nil {
					t.Errorf("member %d: %v", i, err)
				}
			}
		})
	}
}
