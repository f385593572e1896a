package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/osfs"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// roomEvery is how often the file system that a fetch fills is looked at.
const roomEvery = 2 * time.Second

// noRoom is a disk without room for what a fetch has to write yet, beside what is to stay free: all in bytes. That, and no
// more, is what it waits for.
type noRoom struct {
	dir               string
	free, more, floor int64
}

func (e *noRoom) Error() string {
	text := fmt.Sprintf("waits for room: %s are to come, and %s are free in %q", sizeText(e.more), sizeText(e.free), e.dir)
	if e.floor > 0 {
		text += fmt.Sprintf(", where %s stay free", sizeText(e.floor))
	}
	return text
}

// short is how many bytes have to become free; 0: there is room.
func (e *noRoom) short() int64 { return max(0, e.more+e.floor-e.free) }

// sizeText shows bytes in the units that all commands show.
func sizeText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// lacks looks whether dir's file system has room for more bytes above the floor; nil if so, or if the system does not tell.
func (k *keeper) lacks(dir string, more int64) *noRoom {
	free, err := freeSpace(existing(dir))
	if err != nil {
		return nil
	}
	if e := (&noRoom{dir, free, more, k.n.opts.Floor}); e.short() > 0 {
		return e
	}
	return nil
}

// awayFor is the wait of a fetch that lacks room.
func (k *keeper) awayFor(e *noRoom) error {
	return &errAway{
		fault.Hint(e, "make room for %s, and it goes on by itself", sizeText(max(e.short(), 1))),
		func() bool { return k.lacks(e.dir, e.more) == nil },
	}
}

// room makes sure that there is room before a fetch begins, and ends it, through stop, when less than the floor would be
// left free.
func (k *keeper) room(ctx context.Context, stop context.CancelCauseFunc, stage *fetcher.Stage, dir string, missing int64) error {
	if e := k.lacks(dir, missing); e != nil {
		return k.awayFor(e)
	}
	if k.n.opts.Floor <= 0 {
		return nil
	}
	k.wg.Go(panics.Guard(func() { k.keepRoom(ctx, stop, stage, dir) }, func(bug *panics.Error) { stop(bug) }))
	return nil
}

func (k *keeper) keepRoom(ctx context.Context, stop context.CancelCauseFunc, stage *fetcher.Stage, dir string) {
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e := k.lacks(dir, 0)
			if e == nil {
				continue
			}
			if more, err := stage.Missing(); err == nil {
				e.more = more
			}
			stop(k.awayFor(e))
			return
		}
	}
}

// full makes a wait of an error that says the disk is full.
func (k *keeper) full(f *fetch, dir string, err error) error {
	var away *errAway
	if errors.As(err, &away) || !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	e := &noRoom{dir: dir, floor: k.n.opts.Floor}
	if free, ferr := freeSpace(existing(dir)); ferr == nil {
		e.free = free
	}
	var begin *fetcher.NoRoomError
	if errors.As(err, &begin) {
		e.more = begin.Need
	} else if f.stage != nil {
		e.more, _ = f.stage.Missing()
	}
	if e.short() == 0 {
		// The system says both that there is room and that there is none: a quota, or somebody who freed it just now.
		return &errAway{err, func() bool { return k.lacks(dir, e.more) == nil }}
	}
	return k.awayFor(e)
}

// freeSpace is how many bytes the user may still write below dir.
func freeSpace(dir string) (int64, error) {
	free, err := osfs.Free(dir)
	return int64(min(free, math.MaxInt64)), err
}
