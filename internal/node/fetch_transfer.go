package node

import (
	"cmp"
	"context"
	"errors"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// spoiledTries is how often a fetch brings again what others spoil in its staging folder.
const spoiledTries = 3

// transfer fetches what is missing into staging and moves it into place.
func (f *fetch) transfer(ctx context.Context) (at *located, from BytesFrom, err error) {
	if f.keep.turn != nil {
		end, err := f.keep.turn(ctx)
		if err != nil {
			return nil, from, err
		}
		defer end()
	}
	for try := 1; ; try++ {
		at, more, err := f.attempt(ctx)
		from.Peers, from.WebSeeds, from.Reused = from.Peers+more.Peers, from.WebSeeds+more.WebSeeds, more.Reused
		spoiled, is := errors.AsType[*fetcher.SpoiledError](err)
		if !is {
			return at, from, err
		}
		if try == spoiledTries {
			return nil, from, fault.Hint(err, "find out what writes there, and run the same command")
		}
		warn(f.on, "%v; they are fetched again", spoiled)
		if err := f.letGo(); err != nil {
			return nil, from, err
		}
		f.plan.Heed(spoiled)
	}
}

// letGo ends what an attempt has open.
func (f *fetch) letGo() error {
	if t := f.t; t != nil {
		f.t = nil
		f.join()
		t.Close()
	}
	err := f.stage.Close()
	f.stage = nil
	return err
}

// attempt is one transfer.
func (f *fetch) attempt(ctx context.Context) (at *located, from BytesFrom, err error) {
	if f.stage, err = fetcher.Open(ctx, f.plan, f.n.log); err != nil {
		return nil, from, err
	}
	if f.stage.Unlocked() {
		warn(f.on, "the file system of %q has no locks: nothing but you keeps two p2pshare from fetching the same into it at a time", f.r.Dir)
	}
	h := &hashing{on: f.on, phase: "checking", name: f.name()}
	reused, err := f.stage.Resume(ctx, h.progress)
	if err != nil {
		return nil, from, err
	}
	if reused, err = f.reuse(ctx, reused); err != nil {
		return nil, from, err
	}
	total := f.plan.WantedBytes()
	if f.keep.room != nil {
		if err := f.keep.room(f.r.Dir, total-reused); err != nil {
			return nil, from, err
		}
	}
	if f.keep.only != nil && reused < total {
		return nil, from, f.keep.only()
	}
	if reused < total || total == 0 {
		if err := f.download(ctx, reused, total); err != nil {
			return nil, from, err
		}
		if f.t != nil { // nil where no wanted file has bytes
			from.add(f.t.Stats())
		}
	}
	f.learnLayers()
	from.Reused = min(reused, total)
	open, err := f.stage.Files(ctx)
	if err == nil {
		err = f.agreeOnFiles(ctx, open)
	}
	if err != nil {
		return nil, from, err
	}
	f.on(Event{Progress: &Progress{Phase: "moving", Name: f.name(), Done: total, Total: total, From: from}})
	f.keepEdges()
	at, err = f.stage.Finish(ctx)
	if err != nil {
		return nil, from, err
	}
	return at, from, nil
}

func (f *fetch) download(ctx context.Context, reused, total int64) error {
	var ranges [][2]int
	for _, r := range f.plan.Wanted() {
		ranges = append(ranges, [2]int{r.Begin, r.End})
	}
	if len(ranges) == 0 {
		return nil // empty files alone
	}
	var err error
	if f.w, err = f.n.swarmOf(ctx, f.meta, f.group()); err != nil {
		return err
	}
	f.swap = newSwap(f.stage)
	spec := f.spec(ctx)
	spec.Storage, spec.Total, spec.Rest = f.swap, total-reused, f.rest()
	if f.t, err = f.w.Add(spec); err != nil {
		return err
	}
	f.join()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		beside  = panics.Group{Failed: func(*panics.Error) { stop() }}
		diskErr error
	)
	beside.Start(func() { // a disk that is full ends the fetch, where the engine would wait for ever
		select {
		case diskErr = <-f.stage.WriteErr():
			stop()
		case <-ctx.Done():
		}
	})
	var webErr error
	err = f.watch(ctx, "fetching", f.name(), total, reused, func() error {
		for _, r := range ranges {
			f.t.Want(r[0], r[1])
		}
		beside.Start(func() {
			if webErr = f.fromWeb(ctx, f.plan.Wanted()); webErr == nil {
				webErr = f.fromNear(ctx, f.plan.Wanted())
			}
			if webErr != nil {
				stop()
			}
		})
		return f.t.Wait(ctx, ranges)
	})
	stop()
	bug := beside.Wait()
	return cmp.Or(bug, diskErr, webErr, err)
}
