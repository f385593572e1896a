package engine_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/netguard"
)

func TestProbeLAN(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			want[i.Name] = true
		}
	}
	begun := time.Now()
	got, err := engine.ProbeLAN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want one of each of %v", got, want)
	}
	for _, i := range got {
		if !want[i.Name] || i.Heard != (i.Err == "") {
			t.Errorf("got %+v, want an interface that is up, heard or with a reason", i)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the probe took %v, want it to end by itself", took)
	}
}

func TestArrivalsOfThisMachineDoNotCount(t *testing.T) {
	e, err := engine.New(engine.Settings{
		ListenHost: "127.0.0.1", NoDHT: true, NoLAN: true, NoUPnP: true,
		Trackers: netguard.New(netguard.Options{}).Trackers(),
		Judge:    func(string, netip.Addr) error { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port())))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// Accepted or not yet, it must not count.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if n := e.Arrivals(); n != 0 {
		t.Errorf("got %d, want none of this machine's own", n)
	}
}
