package group

import (
	"context"
	"errors"
	"fmt"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var _ groupsync.Vault = (*Group)(nil)

// Changed gives a channel that is closed at the next change, and the number of changes so far.
func (g *Group) Changed() (<-chan struct{}, uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed, g.seq
}

// tell wakes who waits for a change. g.mu is held.
func (g *Group) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// Roots are the notes of the versions from first on.
func (g *Group) Roots(first int64) [][]byte {
	roots, err := g.log.Roots()
	if err != nil {
		return nil
	}
	var out [][]byte
	for _, r := range roots {
		if r.Version >= first {
			out = append(out, r.Raw)
		}
	}
	return out
}

// Heads are those of devices that the group vouches for, whose logs have changed after since: what nobody vouches for
// is not passed on.
func (g *Group) Heads(since uint64) []signed.Head {
	all := g.log.Heads()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	s, err := g.folded()
	if err != nil {
		return nil
	}
	var out []signed.Head
	for _, h := range all {
		p := g.devices[h.Device]
		if p == nil || p.at <= since {
			continue
		}
		if _, vouched := s.Device(h.Device); vouched {
			out = append(out, h)
		}
	}
	return out
}

// Records are those of a device from one on, whole ones.
func (g *Group) Records(device signed.Key, from int64, max int) ([]byte, error) {
	return g.log.Lines(device, from, max)
}

// Holds says whether a root, a head or evidence is here in these bytes.
func (g *Group) Holds(raw []byte) bool { return g.log.Holds(raw) }

// AddRoots takes the next versions of the root.
func (g *Group) AddRoots(_ context.Context, raw [][]byte) error {
	for _, r := range raw {
		if g.Holds(r) {
			continue
		}
		_, err := g.log.AddRoot(r)
		if errors.Is(err, signed.ErrOld) {
			continue
		}
		if err != nil {
			return err
		}
		g.mu.Lock()
		g.seq++
		g.stale()
		g.tell()
		g.mu.Unlock()
	}
	return g.open()
}

// Evidence is what is kept against devices that signed two histories, most pieces from one on.
func (g *Group) Evidence(from, most int) (out [][]byte) {
	all := g.log.Forks()
	all = all[min(from, len(all)):]
	for _, f := range all[:min(most, len(all))] {
		if raw, err := f.Marshal(); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

// ForkSum tells what follows from the evidence: members with the same count the same.
func (g *Group) ForkSum() string { return g.log.ForkSum() }

// AddFork takes evidence against a device that has a log here, and freezes it. Of others the refusal is signed.ErrGap: anyone can
// make any number of devices.
func (g *Group) AddFork(_ context.Context, raw []byte) error {
	if g.Holds(raw) {
		return nil
	}
	g.writing.Lock()
	g.mu.Lock()
	news, err := g.log.AddFork(raw)
	if news {
		g.froze()
	}
	g.mu.Unlock()
	g.writing.Unlock()
	if err != nil {
		return err
	}
	return g.open()
}

// froze takes note of new evidence, if there is some: what counts of whom, and that the heads of those are to be shown again,
// for who has other records of them may want these now. g.mu is held.
func (g *Group) froze() {
	sum := g.log.ForkSum()
	if sum == g.forkSum {
		return
	}
	g.seq++
	for _, f := range g.log.Forks() {
		if p := g.devices[f.Device]; p != nil && p.acl.Common != f.Size {
			p.acl.Common, p.at = f.Size, g.seq
		}
	}
	g.forkSum = sum
	g.stale()
	g.tell()
}

// Wants says whether a head is news. The error is of a device of which nothing more is taken.
func (g *Group) Wants(h signed.Head) (from int64, news bool, err error) {
	if err := h.Judge(g.now()); err != nil {
		return 0, false, err
	}
	known, whole := g.log.Head(h.Device)
	g.mu.Lock()
	err = g.closed(h.Device, known.Size)
	g.mu.Unlock()
	from, lacks, frozen := g.log.Lacks(h)
	switch {
	case err != nil:
		return 0, false, err
	case frozen:
		return from, lacks, nil
	case known.Size == 0:
		return 0, true, nil
	case !whole:
		return 0, h.Compare(known) != signed.Earlier, nil
	}
	switch h.Compare(known) {
	case signed.Later:
		return known.Size, true, nil
	case signed.Conflict:
		return 0, true, nil // AddLog makes evidence of it
	}
	return 0, false, nil
}

// AddLog takes the records of a head from one on, of a device that somebody vouches for. Of a fork it keeps the evidence and freezes the device, which is no
// fault of who brought it; where the records do not follow on those that are held, it takes all of them to tell.
func (g *Group) AddLog(ctx context.Context, h signed.Head, from int64, records [][]byte) error {
	defer g.tellClaims()
	if err := g.judgeLog(ctx, h, from, records); err != nil {
		return err
	}
	return g.open()
}

// judgeLog takes a log, and opens nothing of it.
func (g *Group) judgeLog(ctx context.Context, h signed.Head, from int64, records [][]byte) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.vouched(h.Device, first(from, records), true); errors.Is(err, signed.ErrTaken) || errors.Is(err, signed.ErrFuture) {
		return err
	} else if err != nil {
		g.waiting.put(arrival{head: h, records: records, from: groupsync.CallerOf(ctx), at: g.now()}, from == 0)
		return err
	}
	if err := g.addLog(h, from, records); err != nil {
		return err
	}
	return g.settle(false)
}

// addLog is AddLog of a log that somebody vouches for. g.writing and g.mu are held.
func (g *Group) addLog(h signed.Head, from int64, records [][]byte) error {
	all, complete := records, from == 0 && int64(len(records)) == h.Size
	_, lacks, frozen := g.log.Lacks(h)
	if frozen && !lacks {
		return nil
	}
	known, whole := g.log.Head(h.Device)
	held := known.Size
	if !whole {
		held = 0
	}
	// Another member may have brought some of them meanwhile.
	if skip := held - from; skip > 0 && h.Size > known.Size {
		if skip > int64(len(records)) {
			return nil
		}
		records, from = records[skip:], held
	}
	if from > held {
		return &signed.Refusal{What: "log", Reason: signed.ErrGap, Detail: fmt.Sprintf("records from %d on, where %d are held", from, held)}
	}
	if g.closed(h.Device, held) != nil || h.Size > held && g.share(h.Device, from, records) != nil {
		return nil // what is wrong with one account is no fault of who brought it
	}
	l, err := g.log.Extend(h, records, g.now())
	switch {
	case complete && (errors.Is(err, signed.ErrDisagrees) || errors.Is(err, signed.ErrOld)):
		derr := g.log.Dispute(h, all, g.now())
		g.froze()
		if errors.Is(derr, signed.ErrForked) || derr == nil && (frozen || errors.Is(err, signed.ErrOld)) {
			return nil
		}
		return errors.Join(err, derr)
	case errors.Is(err, signed.ErrForked), errors.Is(err, signed.ErrOld):
		return nil
	case err != nil:
		return err
	}
	if h.Device == g.device.Public() {
		g.ready = false // what members have is more than was compared
	}
	if !whole {
		delete(g.devices, h.Device)
		delete(g.future, h.Device)
	}
	if err := g.take(l); err != nil {
		return err
	}
	g.tell()
	return nil
}
