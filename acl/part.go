package acl

import (
	"errors"
	"fmt"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Part is what the fold needs of one device's log: its hello, its governance records, and how far it was read.
// It grows with the log and is otherwise not changed; Fold only reads it.
type Part struct {
	Device signed.Key
	Size   int64 // records read
	Last   int64 // the time of the last of them
	Broken error // why the log ends before its head does; signed.ErrFuture: it waits there, and may be read on later
	// Common is set by who holds evidence that the device signed two histories: they have so many records in common, which
	// alone count. -1: it has not.
	Common int64

	group signed.GroupID
	hello *Hello
	msg   []byte // what the hello's signatures are over
	sum   signed.Hash
	n     int64 // the hello's time
	ops   []op
	odd   []Problem
}

type op struct {
	at   order
	body any // AccountChange, RuleChange, Grant, Epoch, Tree or NewLink
}

// order is where a record stands among those of the group.
type order struct {
	n      int64
	device signed.Key
	index  int64
}

func (o order) compare(p order) int {
	switch {
	case o.n != p.n:
		return sign(o.n < p.n)
	case o.device != p.device:
		return sign(string(o.device[:]) < string(p.device[:]))
	case o.index != p.index:
		return sign(o.index < p.index)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Problem is a record that does not count, and why.
type Problem struct {
	Device signed.Key
	Index  int64
	Reason string
}

func (p Problem) String() string {
	return fmt.Sprintf("record %d of device %v: %s", p.Index, p.Device, p.Reason)
}

// ErrNoHello is in a Part's Broken when a log does not begin with a hello: nobody vouches for the device.
var ErrNoHello = errors.New("the log does not begin with a hello")

// NewPart is the Part of a log of which nothing was read yet.
func NewPart(g signed.GroupID, device signed.Key) *Part {
	return &Part{Device: device, Common: -1, group: g}
}

// counts says whether the record with an index may count: it stands before where two histories of the device part.
func (p *Part) counts(index int64) bool { return p.Common < 0 || index < p.Common }

// Account is whose device its hello says that it is; empty where there is none.
func (p *Part) Account() string {
	if p.hello == nil {
		return ""
	}
	return p.hello.Account
}

// Add reads on: l begins where the Part ends. A log that is broken, or becomes so here, ends there. One that waits for a
// record's time is read on from that record.
func (p *Part) Add(l signed.Log) {
	if p.Waits() {
		p.Broken = nil
	}
	for _, r := range l.Records {
		if p.Broken != nil {
			return
		}
		if r.Index != p.Size {
			p.Broken = fmt.Errorf("record %d of device %v where record %d is wanted", r.Index, p.Device, p.Size)
			return
		}
		p.add(r)
	}
	if p.Broken == nil {
		p.Broken = l.Broken
	}
}

// Waits says whether the log ends at a record from the future, which counts when its time has come.
func (p *Part) Waits() bool { return errors.Is(p.Broken, signed.ErrFuture) }

func (p *Part) add(r signed.Record) {
	v, err := body(r)
	if r.Index == 0 {
		h, ok := v.(Hello)
		if ok && err == nil {
			p.msg, err = h.message(p.group, p.Device, r.N)
		}
		if !ok || err != nil {
			p.Broken = fmt.Errorf("device %v: %w", p.Device, ErrNoHello)
			if err != nil {
				p.Broken = fmt.Errorf("device %v: %w: %v", p.Device, ErrNoHello, err)
			}
			return
		}
		p.hello, p.n, p.sum = &h, r.N, signed.HashOf(p.msg)
	}
	p.Size, p.Last = r.Index+1, r.N
	switch v.(type) {
	case nil:
		return // of the catalog, or of a later program
	case Hello:
		if r.Index > 0 {
			p.problem(r, "a hello is the first record of a log alone")
		}
		return
	}
	if err != nil {
		p.problem(r, "not understood: "+err.Error())
		return
	}
	if c, ok := v.(AccountChange); ok {
		c.Keep, c.kept = nil, newKeeping(c.Keep)
		v = c
	}
	p.ops = append(p.ops, op{order{r.N, p.Device, r.Index}, v})
}

func (p *Part) problem(r signed.Record, why string) {
	if len(p.odd) < maxProblems {
		p.odd = append(p.odd, Problem{p.Device, r.Index, why})
	}
}
