package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Vouched says whether the log of a device that begins with the record first (nil: it is not known) would be taken: it is
// this machine's, the group knows the device, or an account vouches for it by its first record. Otherwise the refusal is
// signed.ErrUnsigned. Anyone can make any number of devices: of others not a byte is kept on disk. fresh asks the state of this
// moment, which may have to be folded again; without it the latest one that was folded will do.
func (g *Group) Vouched(device signed.Key, first []byte, fresh bool) error {
	defer g.tellClaims()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.vouched(device, first, fresh)
}

// vouched is Vouched with g.mu held.
func (g *Group) vouched(device signed.Key, first []byte, fresh bool) error {
	if device == g.device.Public() {
		return nil
	}
	if err := g.door(device, first); err != nil {
		return err
	}
	knows := func(s *acl.State) bool {
		if s == nil {
			return false
		}
		if _, known := s.Device(device); known || first == nil {
			return known
		}
		p := acl.NewPart(g.link.Group, device)
		p.Add(signed.ParseLog(device, 0, 0, slices.Values([][]byte{first}), g.now()))
		return s.Welcome(p, g.now()) == nil
	}
	if knows(g.latest) {
		return nil
	}
	if (fresh || g.latest == nil) && g.state == nil && g.Ready() {
		s, err := g.folded()
		if err != nil {
			return err
		}
		if knows(s) {
			return nil
		}
	}
	return &signed.Refusal{What: "log", Reason: signed.ErrUnsigned, Detail: fmt.Sprintf("nobody vouches for device %v", device)}
}

// first is the first record of a log, if records begin with it.
func first(from int64, records [][]byte) []byte {
	if from > 0 || len(records) == 0 {
		return nil
	}
	return records[0]
}

// early are small logs that came before what vouches for them, the oldest first. They are in memory alone.
type early struct {
	all     []arrival
	settled time.Time // when it was last looked who is vouched for by now
}

type arrival struct {
	head    signed.Head
	records [][]byte
	from    string // whose connection it came by; empty: we asked for it, and shall again
	at      time.Time
}

// put has a whole log wait, if it is small. Where there are too many, of one caller or in all, the oldest of those goes.
func (e *early) put(a arrival, whole bool) {
	size := 0
	for _, r := range a.records {
		size += len(r)
	}
	if !whole || a.from == "" || size > groupsync.MaxEarly || len(a.records) == 0 {
		return
	}
	same := 0
	for _, o := range e.all {
		if o.from == a.from {
			same++
		}
	}
	gone := false
	e.all = slices.DeleteFunc(e.all, func(o arrival) bool {
		switch {
		case o.head.Device == a.head.Device, a.at.Sub(o.at) > earlyTime:
			return true
		case !gone && (same >= maxEarlyOf && o.from == a.from || same < maxEarlyOf && len(e.all) >= maxEarly):
			gone = true
			return true
		}
		return false
	})
	e.all = append(e.all, a)
}

// settle takes the logs that wait and are vouched for by now. g.writing and g.mu are held. Folding costs: while others fill
// the places, it is looked once a second, but for when it is forced.
func (g *Group) settle(force bool) error {
	now := g.now()
	if len(g.waiting.all) == 0 || !force && (g.state != nil || now.Sub(g.waiting.settled).Abs() < time.Second) {
		return nil
	}
	g.waiting.settled = now
	var errs []error
	g.waiting.all = slices.DeleteFunc(g.waiting.all, func(a arrival) bool {
		if now.Sub(a.at) > earlyTime {
			return true
		}
		if g.vouched(a.head.Device, a.records[0], true) != nil {
			return false
		}
		// What does not verify was kept for nobody; what the disk refuses is told.
		if err := g.addLog(a.head, 0, a.records); err != nil && !errors.As(err, new(*signed.Refusal)) {
			errs = append(errs, err)
		}
		return true
	})
	return errors.Join(errs...)
}

// Waiting says whether there are logs that came too early.
func (g *Group) Waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting.all) > 0
}

// Settle looks whether logs that came too early are vouched for by now. It is for now and then: AddLog does it too.
func (g *Group) Settle() error {
	g.writing.Lock()
	g.mu.Lock()
	err := g.settle(true)
	g.mu.Unlock()
	g.writing.Unlock()
	return errors.Join(err, g.open())
}

// forgetUnvouched removes the logs that nobody vouches for any more. It leaves all where something could not be read, of
// damage or because this clock is behind: that may be what vouches for them.
func (g *Group) forgetUnvouched() error {
	if !g.Ready() || len(g.log.Problems()) > 0 {
		return nil
	}
	for _, h := range g.log.Heads() {
		if p := g.devices[h.Device]; p.acl.Size < h.Size && !errors.Is(p.acl.Broken, acl.ErrNoHello) {
			return nil
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s, err := g.folded()
	if err != nil {
		return nil // whoever asks for the state is told
	}
	for device := range g.devices {
		if _, known := s.Device(device); known || device == g.device.Public() {
			continue
		}
		if err := g.log.Forget(device); err != nil {
			return err
		}
		delete(g.devices, device)
		g.stale()
	}
	return nil
}
