package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/state"
)

const (
	openingVersion = 1
	openingFile    = "opening.json"

	// standsAfter is how long a share has to be up until its start has succeeded.
	standsAfter = 2 * time.Second
	// quietWait is how long a suspect waits at most for other starts to succeed.
	quietWait = 30 * time.Second
	// tooManyDeaths is how many times the process may end during a share's start before the share is not started again.
	tooManyDeaths = 2
)

// openingDoc is opening.json: which shares are being started, so that the next process knows what may have ended this one.
type openingDoc struct {
	Boot   string         `json:"boot,omitempty"`   // of the machine: a new one means that it lost power, which no share is to blame for
	Now    []string       `json:"now"`              // IDs, sorted
	Deaths map[string]int `json:"deaths,omitempty"` // by ID: starts in a row that ended with the process

	// Last is when the latest of Deaths was found, in unix seconds, where they are forgotten after some time.
	Last map[string]int64 `json:"last,omitempty"`
}

// opening keeps opening.json. What cannot be written is logged: it is worth no share.
type opening struct {
	path   string
	within time.Duration // deaths that are older are forgotten; 0: none is
	warn   func(error)

	writing sync.Mutex // held during a write, and taken before mu

	mu      sync.Mutex
	doc     openingDoc
	made    int // changes so far
	written int // of them that are on disk
	closed  bool
	idle    chan struct{} // closed when nothing is being started
}

func (k *keeper) readOpening() error {
	o := &opening{path: k.n.home.Path(openingFile), idle: make(chan struct{})}
	o.warn = func(err error) { k.n.log.Error("which shares are being started could not be written", "error", err) }
	k.opening = o
	err := state.ReadVersioned(o.path, openingVersion, &o.doc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// bootID names this run of the machine; empty where the system does not say.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // of Linux
	return strings.TrimSpace(string(b))
}

// change edits the document and returns once it is on disk. Edits that come together share a write. edit says whether it
// changed anything.
func (o *opening) change(edit func(d *openingDoc) bool) {
	o.mu.Lock()
	if o.closed || !edit(&o.doc) {
		o.mu.Unlock()
		return
	}
	o.made++
	mine := o.made
	if len(o.doc.Now) == 0 {
		close(o.idle)
		o.idle = make(chan struct{})
	}
	o.mu.Unlock()
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	if o.written >= mine {
		o.mu.Unlock()
		return
	}
	doc, upTo := openingDoc{o.doc.Boot, slices.Clone(o.doc.Now), maps.Clone(o.doc.Deaths), maps.Clone(o.doc.Last)}, o.made
	o.mu.Unlock()
	if err := state.WriteVersioned(o.path, openingVersion, doc); err != nil {
		o.warn(err)
		return
	}
	o.mu.Lock()
	o.written = upTo
	o.mu.Unlock()
}

// begin notes that shares are being started.
func (o *opening) begin(ids ...string) {
	o.change(func(d *openingDoc) bool {
		before := len(d.Now)
		d.Now = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(d.Now), ids...))))
		return len(d.Now) != before
	})
}

// end notes that a share has stood, or that it was not its start that ended.
func (o *opening) end(id string) {
	o.change(func(d *openingDoc) bool {
		i := slices.Index(d.Now, id)
		if i < 0 {
			return false
		}
		d.Now = slices.Delete(slices.Clone(d.Now), i, i+1)
		delete(d.Deaths, id)
		return true
	})
}

// leave notes that something is done with an ID, whatever is held against it.
func (o *opening) leave(id string) {
	o.change(func(d *openingDoc) bool {
		i := slices.Index(d.Now, id)
		if i < 0 {
			return false
		}
		d.Now = slices.Delete(slices.Clone(d.Now), i, i+1)
		return true
	})
}

// forgive forgets what is held against a share.
func (o *opening) forgive(id string) {
	o.change(func(d *openingDoc) bool {
		_, blamed := d.Deaths[id]
		delete(d.Deaths, id)
		return blamed
	})
}

// died counts the starts that the process before this one did not survive, of shares that are still there. It gives the
// shares that were being started when a process ended, with how often.
func (o *opening) died(there func(id string) bool) map[string]int {
	o.change(func(d *openingDoc) bool {
		before := openingDoc{d.Boot, d.Now, maps.Clone(d.Deaths), nil}
		if d.Deaths == nil {
			d.Deaths = map[string]int{}
		}
		boot, now := bootID(), time.Now()
		maps.DeleteFunc(d.Deaths, func(id string, _ int) bool {
			return !there(id) || o.within > 0 && now.Sub(time.Unix(d.Last[id], 0)).Abs() > o.within
		})
		if d.Boot == boot {
			for _, id := range d.Now {
				if there(id) {
					d.Deaths[id]++
					o.dated(d, id, now)
				}
			}
		}
		d.Boot, d.Now = boot, []string{}
		maps.DeleteFunc(d.Last, func(id string, _ int64) bool { return d.Deaths[id] == 0 })
		return before.Boot != boot || len(before.Now) > 0 || !maps.Equal(before.Deaths, d.Deaths)
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.doc.Deaths)
}

// dated notes when a death was found, where that matters. o.mu is held.
func (o *opening) dated(d *openingDoc, id string, now time.Time) {
	if o.within == 0 {
		return
	}
	if d.Last == nil {
		d.Last = map[string]int64{}
	}
	d.Last[id] = now.Unix()
}

// close notes that the process ends in order, whatever was being started. Nothing is noted after it.
func (o *opening) close() {
	o.change(func(d *openingDoc) bool {
		had := len(d.Now) > 0
		d.Now = []string{}
		return had
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// quiet waits until nothing is being started, for quietWait at most. It says whether ctx still stands.
func (o *opening) quiet(ctx context.Context) bool {
	timer := time.NewTimer(quietWait)
	defer timer.Stop()
	o.mu.Lock()
	idle, busy := o.idle, len(o.doc.Now) > 0
	o.mu.Unlock()
	if busy {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-idle:
		}
	}
	return ctx.Err() == nil
}

// starting notes that an item is being started, until it stands.
func (k *keeper) starting(it *item) {
	k.mu.Lock()
	if it.standing != nil {
		it.standing.Stop()
		it.standing = nil
	}
	id, unsaved := it.id, it.unsaved
	k.mu.Unlock()
	if !unsaved { // else the next process does not know it
		k.opening.begin(id)
	}
}

// stands notes that an item is up: after standsAfter, its start has succeeded. k.mu is held.
func (it *item) stands() {
	if it.standing == nil && it.stop != nil {
		id, o := it.id, it.k.opening
		it.standing = time.AfterFunc(standsAfter, panics.Guard(func() { o.end(id) }, panics.Logged(it.k.n.log, "noting that a share stands")))
	}
}

// startAll starts every share that is to run. Those that were being started when the process ended come last and one at a
// time, so that the one that ends it is known; one that ended it twice is not started.
func (k *keeper) startAll() {
	k.mu.Lock()
	var run, suspects []*item
	var ids []string
	deaths := k.opening.died(func(id string) bool { return k.items[id] != nil })
	// The oldest first: what was there yesterday is there at once.
	for _, it := range k.sorted() {
		switch {
		case it.state == StateDamaged || it.rec.Rests || it.rec.Failed || it.rec.Finish:
		case deaths[it.id] >= tooManyDeaths:
			k.distrust(it)
		case deaths[it.id] > 0:
			it.reason = "p2pshare ended while it was starting this share, which is started after the others"
			suspects = append(suspects, it)
		default:
			run, ids = append(run, it), append(ids, it.id)
		}
	}
	k.mu.Unlock()
	k.opening.begin(ids...)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range run {
		k.start(it, nil)
	}
	if len(suspects) > 0 {
		k.wg.Go(k.steady("starting shares one at a time", func() { k.startAlone(suspects) }))
	}
}

// distrust stops a share that ended the process twice. k.mu is held.
func (k *keeper) distrust(it *item) {
	it.rec.Rests, it.rec.Why = true, fmt.Sprintf("p2pshare ended %d times while it was starting this share", tooManyDeaths)
	it.rec.Hint = "p2pshare log may say what happened, please report it; p2pshare start " + it.id + " tries again"
	it.state, it.reason, it.hint = StateStopped, it.rec.Why, it.rec.Hint
	k.n.log.Error("a share is stopped", "share", it.rec.Name, "reason", it.rec.Why)
	if err := k.store.Put(it.id, it.rec); err != nil {
		k.n.log.Error("a share's state could not be written", "share", it.rec.Name, "error", err)
		return // the next process counts as this one did
	}
	k.opening.forgive(it.id) // from here on the record says it; who starts the share means a clean start
}

// startAlone starts suspects, each once the one before it stands.
func (k *keeper) startAlone(suspects []*item) {
	for _, it := range suspects {
		if !k.opening.quiet(k.ctx) {
			return
		}
		k.opening.begin(it.id)
		k.mu.Lock()
		if !it.rec.Rests && !it.rec.Failed {
			k.start(it, nil)
		}
		runs := it.stop != nil
		k.mu.Unlock()
		if !runs { // stopped or removed meanwhile, or failed at once
			k.opening.end(it.id)
		}
	}
}

// byPolicy says whether a share rests because it had been seeded enough.
func (r *record) byPolicy() bool { return r.Rests && r.Why != "" && r.Hint == "" }
