package node

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/audit"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// auditLog is this machine's record of the group, opened at the first call; nil after the end, or if it cannot be.
func (m *member) auditLog() *audit.Log {
	in := &m.insiders
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.audit == nil && !in.closed {
		l, err := audit.Open(m.Dir(), audit.Options{Log: m.s.n.log})
		if err != nil {
			m.s.n.log.Error("the audit of a group cannot be written", "group", m.Name(), "error", err)
			return nil
		}
		in.audit = l
	}
	return in.audit
}

// noteGate writes down what the gate did.
func (m *member) noteGate(n gate.Note) {
	l := m.auditLog()
	if l == nil {
		return
	}
	entry := m.entryGiven(n.Device, n.Infohash)
	if entry != "" {
		entry = m.Name() + "/" + entry
	}
	l.Add(audit.Line{
		Time: n.Time, What: n.What, Account: n.Account, Device: deviceName(n.Device), From: n.From, Entry: entry, Why: n.Why,
		Sent: n.Sent, Got: n.Got, Bad: n.Bad, Seconds: n.Seconds, Times: n.Times,
	})
}

// entryGiven is the entry by which a device is given a torrent, or, for one that is refused, what the torrent's own
// account calls it: not what somebody else claims it is.
func (m *member) entryGiven(k signed.Key, infohash [20]byte) string {
	p, a, err := m.policyFor(k)
	if err == nil {
		if ref, err := m.entryFor(p, &a, infohash); err == nil {
			return ref
		}
	}
	list, err := m.entriesOf(infohash)
	if err != nil {
		return ""
	}
	m.insiders.indexMu.Lock()
	t, here := m.insiders.moving[infohash]
	m.insiders.indexMu.Unlock()
	for _, e := range list {
		if here && p.State != nil && p.Vouches(e.Account, e.N, t) == nil {
			return e.Ref()
		}
	}
	if !here && len(list) > 0 {
		return list[0].Ref()
	}
	return ""
}

// noteRefused writes down that a connection was refused before it could ask for anything.
func (m *member) noteRefused(peer signed.Key, from string, why error) {
	l := m.auditLog()
	if l == nil {
		return
	}
	line := audit.Line{What: audit.Refused, Device: deviceName(peer), From: from, Why: why.Error()}
	if s, err := m.State(); err == nil {
		if d, known := s.Device(peer); known {
			line.Account = d.Account
			a, there := s.Account(d.Account)
			switch {
			case !there || a.Gone:
				line.Why = "its account was removed"
			case !a.Active(time.Now()):
				line.Why = "its account has ended"
			case d.Frozen:
				line.Why = "it has signed two histories"
			case d.Removed():
				line.Why = "it was removed"
			}
		}
	}
	l.Add(line)
}

// deviceName is the beginning of a device's key: enough to find it, and to remove it.
func deviceName(k signed.Key) string { return hex.EncodeToString(k[:8]) }

// readAudit answers what was noted of the group on this machine.
func (m *member) readAudit(q AuditQuery) (*GroupAnswer, error) {
	if q.Lines < 0 {
		return nil, fault.New(fault.Usage, "--lines is not negative")
	}
	if q.Lines == 0 {
		q.Lines = auditLines
	}
	l := m.auditLog()
	if l == nil {
		return nil, fault.New(fault.Failed, "the audit of %q cannot be read; the log says why", m.Name())
	}
	lines, err := l.Read(audit.Query{User: q.User, Since: q.Since, Lines: q.Lines})
	if err != nil {
		return nil, err
	}
	a := &GroupAnswer{Groups: []Group{m.info()}, Audit: []AuditLine{}}
	for _, x := range lines {
		a.Audit = append(a.Audit, AuditLine(x))
	}
	// What came again and again is written when it has ended for a while, with the time of the last.
	slices.SortStableFunc(a.Audit, func(x, y AuditLine) int { return x.Time.Compare(y.Time) })
	return a, nil
}

// auditLines is how many lines are shown if nobody says how many.
const auditLines = 100
