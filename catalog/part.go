package catalog

import (
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/version"
)

// Opener opens sealed shares with the identities this member holds.
type Opener interface {
	// OpenShare returns what Share.Body made. An error means that this member cannot read the share.
	OpenShare(audience string, epoch int64, box []byte) ([]byte, error)
}

// Part is what the catalog needs of one device's log. It grows with the log; Build only reads it.
type Part struct {
	Device signed.Key
	Size   int64 // records read
	Sealed int   // shares that this member cannot open

	items []item
	odd   []Problem
}

// item is a drop, a share, or a share that cannot be opened, with what mirrors may know of it.
type item struct {
	n, index int64
	id       string
	drop     bool
	note     string // of a drop
	share    *Share
	hold     *Hold
	ver      version.Version
	parsed   bool // ver holds
}

// Problem is a share or drop that does not count, and why.
type Problem struct {
	Device signed.Key
	Index  int64
	Reason string
}

func (p Problem) String() string {
	return fmt.Sprintf("record %d of device %v: %s", p.Index, p.Device, p.Reason)
}

// NewPart is the Part of a log of which nothing was read yet.
func NewPart(device signed.Key) *Part { return &Part{Device: device} }

// Add reads on: records of a log that begin where the Part ends, as acl.Part.Size limits them. open is nil where
// nothing is sealed. To open what could not be opened before, read into a new Part.
func (p *Part) Add(records []signed.Record, open Opener) error {
	next, err := p.Read(records, open)
	if err == nil {
		*p = next
	}
	return err
}

// Read is the Part with the records that follow. It leaves p as it is, which others may read meanwhile: opening what is sealed takes time.
func (p *Part) Read(records []signed.Record, open Opener) (Part, error) {
	next := *p // what it appends stands behind what p shows
	return next, next.read(records, open)
}

func (p *Part) read(records []signed.Record, open Opener) error {
	for _, r := range records {
		if r.Index != p.Size {
			return fmt.Errorf("reading the catalog of device %v: record %d where record %d is wanted", p.Device, r.Index, p.Size)
		}
		p.Size++
		if r.Op != "share" && r.Op != "drop" {
			continue
		}
		rec, err := readRecord(r, false)
		if err == nil && rec.sealed != nil && open != nil {
			rec.share, _, err = rec.sealed.open(open, false)
		}
		if err != nil {
			if len(p.odd) < maxProblems {
				p.odd = append(p.odd, Problem{p.Device, r.Index, "not understood: " + err.Error()})
			}
			continue
		}
		it := item{n: r.N, index: r.Index, id: rec.id, drop: rec.drop != nil}
		switch {
		case rec.drop != nil:
			it.note = rec.drop.note(open)
		case rec.share != nil:
			rec.share.WebSeeds = nil // as the sums: entries of an index are for finding
			it.share = rec.share
			it.ver, it.parsed = version.Parse(rec.share.Version)
		case rec.sealed != nil:
			p.Sealed++
			it.hold = rec.sealed.Hold
		}
		p.items = append(p.items, it)
	}
	return nil
}

// Entry is a share that counts. Of Share it has all but Sums and WebSeeds: record Index of Device's log has those
// (ReadShare).
type Entry struct {
	*Share
	Account string // who published it
	Device  signed.Key
	Index   int64
	N       int64 // when, in ms: the hybrid clock of its record

	Replaces int      // shares of the same account, name and version that this one stands for
	Also     []*Entry // what other accounts published as this name and version, and the rules put behind

	rank   int
	ver    version.Version
	parsed bool // ver holds
}

// Published is the time of the entry's record.
func (e *Entry) Published() time.Time { return time.UnixMilli(e.N).UTC() }
