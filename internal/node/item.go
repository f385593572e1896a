package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// item is one share of a keeper. Its fields are guarded by the keeper's mu, but for those that its goroutine
// alone uses.
type item struct {
	k   *keeper
	id  string
	rec record

	state, reason, hint string
	progress            *Progress
	torrent             *engine.Torrent // while it is in a swarm; nil else
	before              counters        // of runs of this share that have ended
	since               time.Time       // seeding without a break; zero: it is not
	up, down            rate
	unsaved             bool        // only in memory yet: a publish that is being hashed
	retry               time.Time   // with StateFailed, of a mirror: when it is tried again; zero: it is not
	standing            *time.Timer // of a start that has not succeeded yet; nil: it does not stand
	leaving             bool        // being removed: nothing starts or changes it any more
	from                BytesFrom

	stop    context.CancelFunc // ends the goroutine; nil: none runs
	ended   chan struct{}      // closed when the goroutine has ended
	outcome error              // of the goroutine; set before ended is closed
	begun   time.Time          // of what the goroutine does, which times a fetch
	short   *noRoom            // with StateWaiting: what it waits for is room; nil: something else

	listeners map[*audience]bool
}

func (k *keeper) newItem(id string, rec record) *item {
	it := &item{k: k, id: id, rec: rec, listeners: map[*audience]bool{}}
	switch {
	case rec.Failed:
		it.state, it.reason, it.hint = StateFailed, rec.Why, rec.Hint
		if rec.Mirror != "" {
			it.retry = time.Now()
		}
	case rec.Finish:
		it.state = StateDone
	case rec.Rests:
		it.state, it.reason, it.hint = StateStopped, rec.Why, rec.Hint
	default:
		it.state = StateStarting
	}
	return it
}

// name is what the share is called. The keeper's mu is not held.
func (it *item) name() string {
	it.k.mu.Lock()
	defer it.k.mu.Unlock()
	return it.rec.Name
}

// start runs an item in a goroutine of its own. first, if not nil, is done before what its record says. k.mu is held.
func (k *keeper) start(it *item, first func(ctx context.Context) error) {
	if it.stop != nil || k.closed || it.leaving {
		return
	}
	ctx, cancel := context.WithCancel(k.ctx)
	ended := make(chan struct{})
	it.stop, it.ended, it.outcome = cancel, ended, nil
	it.state, it.reason, it.hint = StateStarting, "", ""
	k.wg.Go(panics.Guard(func() {
		defer close(ended)
		defer cancel()
		err := panics.Catch(func() error { return k.life(ctx, it, first) })
		if bug := panics.In(err); bug != nil {
			err = k.crashed(it, bug)
		}
		k.mu.Lock()
		id := it.id
		k.mu.Unlock()
		k.opening.end(id)
		k.mu.Lock()
		defer k.mu.Unlock()
		it.stop, it.outcome, it.progress = nil, err, nil
	}, panics.Logged(k.n.log, "the end of a share", "id", it.id)))
}

// halt ends an item's goroutine and waits for it. k.mu is not held.
func (k *keeper) halt(it *item) {
	k.mu.Lock()
	stop, ended := it.stop, it.ended
	k.mu.Unlock()
	if stop != nil {
		stop()
	}
	if ended != nil {
		<-ended
	}
}

// errAway is a share that cannot go on now and will by itself: its error says why, and back when it may be tried
// again.
type errAway struct {
	error
	back func() bool
}

func (e *errAway) Unwrap() error { return e.error }

// lookEvery is how often a share that waits looks whether it can go on.
const lookEvery = 5 * time.Second

// life is what an item's goroutine does: what the record says, over and over, until it is done, fails or ctx ends.
func (k *keeper) life(ctx context.Context, it *item, first func(context.Context) error) error {
	it.begun = time.Now()
	for {
		k.starting(it)
		err := k.step(ctx, it, first)
		first = nil
		k.settled(it)
		var away *errAway
		switch {
		case panics.In(err) != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if k.finished(it) {
				return nil
			}
		case errors.As(err, &away):
			k.wait(it, StateWaiting, err)
			k.n.log.Warn("a share waits", "share", it.name(), "reason", err)
			if err := k.waitAway(ctx, it, away); err != nil {
				return err
			}
			k.n.log.Info("a share goes on", "share", it.name())
		default:
			if !k.forgetUnknown(it) {
				k.fail(it, err)
			}
			return err
		}
	}
}

// forgetUnknown drops a fetch that failed before anything of the content was known, as of an address that does not resolve,
// where somebody hears of it: there is nothing to go on with. It says whether it did.
func (k *keeper) forgetUnknown(it *item) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &it.rec
	if r.Fetch == nil || r.Infohash != "" || r.InfohashV2 != "" || len(it.listeners) == 0 || it.leaving {
		return false
	}
	if err := k.store.Remove(it.id); err != nil {
		return false
	}
	delete(k.items, it.id)
	it.leaving = true
	return true
}

// step does one thing: brings what is to be fetched, or serves what is there.
func (k *keeper) step(ctx context.Context, it *item, first func(context.Context) error) error {
	if first != nil {
		return first(ctx)
	}
	k.mu.Lock()
	job := it.rec.Fetch
	k.mu.Unlock()
	if job != nil {
		return k.bring(ctx, it, *job)
	}
	return k.serve(ctx, it)
}

func (k *keeper) finished(it *item) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return it.rec.Finish || it.rec.Rests
}

// waitAway waits until a share can go on, for as long as its fetch may take.
func (k *keeper) waitAway(ctx context.Context, it *item, away *errAway) error {
	k.mu.Lock()
	job := it.rec.Fetch
	k.mu.Unlock()
	if job == nil || job.Timeout <= 0 {
		return waitUntil(ctx, away.back)
	}
	timed, cancel := context.WithDeadline(ctx, it.begun.Add(job.Timeout))
	defer cancel()
	err := waitUntil(timed, away.back)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = fault.Hint(fault.New(fault.Timeout, "not fetched within %v: %w", job.Timeout, away.error), "%s", fault.HintOf(away.error))
	k.fail(it, err)
	return err
}

// wait shows that an item waits, and for what, and tells those who listen at once.
func (k *keeper) wait(it *item, state string, why error) {
	k.show(it, state, why)
	k.mu.Lock()
	e := it.waiting()
	k.mu.Unlock()
	it.emit(*e)
}

// waiting says why an item waits; nil if it does not. The keeper's mu is held.
func (it *item) waiting() *Event {
	if it.state != StateWaiting && it.state != StateQueued {
		return nil
	}
	return &Event{Progress: &Progress{Phase: "waiting", Name: it.rec.Name, Waiting: it.reason}}
}

func waitUntil(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if ready() {
				return nil
			}
		}
	}
}

// show says how an item stands; why may be nil.
func (k *keeper) show(it *item, state string, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	it.state, it.reason, it.hint, it.short = state, "", "", nil
	if why != nil {
		it.reason, it.hint = webaddr.Redact(why.Error()), fault.HintOf(why)
		it.short, _ = errors.AsType[*noRoom](why)
	}
	if state != StateChecking && state != StateFetching {
		it.progress = nil
	}
	if state != StateStarting {
		it.stands()
	}
}

// fail makes a failure last: a daemon that starts again does not try in vain what only the user can mend.
func (k *keeper) fail(it *item, err error) {
	k.n.log.Error("a share failed", "share", it.name(), "reason", err)
	k.show(it, StateFailed, err)
	k.mu.Lock()
	if it.retry = (time.Time{}); it.rec.Mirror != "" && fault.KindOf(err) != fault.Unverified {
		it.retry = time.Now().Add(mirrorRetry)
	}
	k.mu.Unlock()
	k.change(it, func(r *record) { r.Failed, r.Why, r.Hint = true, webaddr.Redact(err.Error()), fault.HintOf(err) })
}

// crashed makes a panic the share's failure. It is not started again until the user does: a bug that it met once it
// would meet again.
func (k *keeper) crashed(it *item, bug *panics.Error) error {
	k.mu.Lock()
	it.torrent, it.since = nil, time.Time{} // its counters may be what panicked
	k.mu.Unlock()
	bug.Log(k.n.log, "a share", "share", it.name())
	err := fault.Hint(fmt.Errorf("it has met a bug in p2pshare: %v", bug.Value),
		"p2pshare log has the trace, please report it; p2pshare start %s tries again", it.id)
	k.fail(it, err)
	return err
}

// change changes an item's record, on disk first. What cannot be written is told, and holds for this run.
func (k *keeper) change(it *item, edit func(r *record)) {
	if err := k.tryChange(it, edit); err != nil {
		k.mu.Lock()
		edit(&it.rec)
		leaving := it.leaving
		k.mu.Unlock()
		if leaving {
			return
		}
		k.n.log.Error("a share's state could not be written", "share", it.name(), "error", err)
	}
}

// tryChange changes an item's record on disk, and then in memory; after an error neither is changed.
func (k *keeper) tryChange(it *item, edit func(r *record)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if it.leaving {
		return errRemoved(it)
	}
	rec := it.rec
	edit(&rec)
	if !it.unsaved {
		if err := k.store.Put(it.id, rec); err != nil {
			return err
		}
	}
	it.rec = rec
	return nil
}

// emit takes note of what happens to an item and tells those who listen.
func (it *item) emit(e Event) {
	it.k.mu.Lock()
	if p := e.Progress; p != nil && p.Phase != "waiting" {
		it.progress = p
		switch {
		case p.ReadsDisk():
			it.state = StateChecking
		case it.state != StateQueued:
			it.state = StateFetching
		}
		it.reason = webaddr.Redact(p.Waiting)
		it.stands()
	}
	if e.Message != "" {
		it.k.n.log.Info(e.Message, "share", it.rec.Name)
	}
	list := make([]*audience, 0, len(it.listeners))
	for a := range it.listeners {
		list = append(list, a)
	}
	it.k.mu.Unlock()
	for _, a := range list {
		a.tell(e)
	}
}

// attend starts an item, if it does not run, and lets on hear what happens to it until its goroutine ends, with
// its error, or ctx does, with ctx's, or enough says so of an event.
func (k *keeper) attend(ctx context.Context, it *item, first func(context.Context) error, on func(Event), enough func(Event) bool) error {
	satisfied := make(chan struct{})
	done := false
	a := &audience{told: map[string]bool{}}
	a.on = func(e Event) {
		if done {
			return
		}
		on(e)
		if enough != nil && enough(e) {
			done = true
			close(satisfied)
		}
	}
	k.mu.Lock()
	it.listeners[a] = true
	kept, waiting := k.keptAs(it), it.waiting()
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(it.listeners, a)
		k.mu.Unlock()
		a.mu.Lock()
		a.gone = true
		a.mu.Unlock()
	}()
	a.tell(Event{Kept: &kept})
	if waiting != nil {
		a.tell(*waiting)
	}
	k.mu.Lock()
	k.start(it, first)
	ended, closed, leaving := it.ended, k.closed, it.leaving
	k.mu.Unlock()
	switch {
	case closed:
		return errEnding
	case leaving && ended == nil:
		return errRemoved(it)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-satisfied:
		return nil
	case <-ended:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return errEnding
	case errors.Is(it.outcome, context.Canceled):
		return fmt.Errorf("%q was stopped", it.rec.Name)
	}
	return it.outcome
}

// keptAs is how an item is named. k.mu is held.
func (k *keeper) keptAs(it *item) Kept {
	kept := Kept{ID: it.id, Name: it.rec.Name, Ref: it.rec.Name}
	for _, x := range k.items {
		if x != it && x.rec.Name == it.rec.Name {
			kept.Ref = it.id
		}
	}
	return kept
}

// errRemoved is for who changes a share that goes.
func errRemoved(it *item) error {
	return fault.Hint(fault.New(fault.NotFound, "%q is removed", it.rec.Name), "p2pshare list shows what there is")
}

// errGoing is for who adds what another request is removing.
func errGoing(it *item) error {
	return fault.Hint(fault.New(fault.InUse, "%q is being removed", it.rec.Name), "try again in a moment")
}

var errEnding = fault.Hint(errors.New("the daemon is ending"), "what it keeps goes on when it is started again")
