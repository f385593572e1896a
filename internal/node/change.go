package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Change starts or stops shares. In a home without a daemon it settles what the next one will do.
func (n *Node) Change(_ context.Context, r ChangeRequest) ([]Share, error) {
	if err := checkRefs(r.Refs, r.All); err != nil {
		return nil, err
	}
	return n.edit(func(k *keeper) ([]Share, error) { return k.changeRun(r) })
}

// Remove forgets shares, and with r.Data removes their content too.
func (n *Node) Remove(_ context.Context, r RemoveRequest) ([]Share, error) {
	if err := checkRefs(r.Refs, r.All); err != nil {
		return nil, err
	}
	return n.edit(func(k *keeper) ([]Share, error) { return k.remove(r) })
}

// Limit changes rates, windows and policies.
func (n *Node) Limit(_ context.Context, r LimitRequest) (*Limited, error) {
	if len(r.Refs) == 0 && r.Policy != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "a policy is a share's"), "name the share; for all shares without one of their own it is the daemon's")
	}
	var out *Limited
	_, err := n.edit(func(k *keeper) ([]Share, error) {
		var err error
		out, err = k.limit(r)
		return nil, err
	})
	return out, err
}

func checkRefs(refs []string, all bool) error {
	switch {
	case all && len(refs) > 0:
		return fault.New(fault.Usage, "both all shares and some are named")
	case !all && len(refs) == 0:
		return fault.Hint(fault.New(fault.Usage, "no share is named"), "p2pshare list shows what there is")
	}
	return nil
}

// edit runs do on the keeper, or, in a home without a daemon, on one that is opened for it and runs nothing.
func (n *Node) edit(do func(k *keeper) ([]Share, error)) ([]Share, error) {
	if n.keeper != nil {
		return do(n.keeper)
	}
	k, err := openKeeper(n)
	if err != nil {
		return nil, err
	}
	k.asleep = true
	out, err := do(k)
	k.mu.Lock()
	list, resting := k.sorted(), (&homeState{}).resting
	for i := range out {
		for _, it := range list {
			if it.id == out[i].ID && it.state != StateDamaged {
				out[i] = resting(named{it.id, &it.rec})
			}
		}
	}
	k.mu.Unlock()
	return out, errors.Join(err, k.close())
}

func (k *keeper) changeRun(r ChangeRequest) ([]Share, error) {
	k.mu.Lock()
	items, err := k.find(r.Refs, r.All)
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := k.runOrRest(it, r.Run); err != nil {
			return nil, err
		}
	}
	return k.views(items), nil
}

func (k *keeper) runOrRest(it *item, run bool) error {
	k.mu.Lock()
	damaged, unsaved, rests, finished := it.state == StateDamaged, it.unsaved, it.rec.Rests || it.rec.Failed, it.rec.Finish
	opened := it.rec.Sealed != "" && it.rec.Kind == "fetch"
	k.mu.Unlock()
	switch {
	case damaged:
		return fault.Hint(fmt.Errorf("what the home has of %q cannot be read", it.id), "p2pshare remove %s forgets it", it.id)
	case unsaved && !run:
		return fault.Hint(fmt.Errorf("%q is not published yet", it.rec.Name), "p2pshare remove %s gives it up", it.id)
	case run && finished && opened:
		return fault.Hint(fault.New(fault.Usage, "%q was opened, and the encrypted file that others could take is gone", it.rec.Name), "p2pshare fetch %s --seed fetches it again and keeps that", it.rec.Entry)
	case !run && finished, run && unsaved:
		return nil // nothing runs, and nothing is to
	case !run:
		if err := k.tryChange(it, func(r *record) { r.Rests, r.Why, r.Hint, r.Failed = true, "", "", false }); err != nil {
			return err
		}
		k.rest(it, "")
		return nil
	}
	// What a policy stopped would be stopped again at once: who starts it wants it seeded on.
	err := k.tryChange(it, func(r *record) {
		if r.byPolicy() {
			r.Policy = Policy{}
		}
		r.Rests, r.Failed, r.Finish, r.Why, r.Hint = false, false, false, "", ""
	})
	if err != nil || !rests && !finished {
		return err
	}
	k.halt(it)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asleep {
		k.start(it, nil)
	}
	return nil
}

func (k *keeper) views(items []*item) []Share {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]Share, 0, len(items))
	for _, it := range items {
		out = append(out, it.view(time.Now()))
	}
	return out
}

func (k *keeper) limit(r LimitRequest) (*Limited, error) {
	k.mu.Lock()
	items, err := k.find(r.Refs, false)
	all := k.allLimits()
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	changes := r.Up != nil || r.Down != nil || r.Windows != nil || len(r.Default) > 0
	if len(items) == 0 && changes {
		if all, err = k.limitAll(r); err != nil {
			return nil, err
		}
	}
	for _, it := range items {
		if it.state == StateDamaged {
			return nil, fault.Hint(fmt.Errorf("what the home has of %q cannot be read", it.id), "p2pshare remove %s forgets it", it.id)
		}
		k.mu.Lock()
		next, policy := r.apply(it.rec.Limits), it.rec.Policy
		k.mu.Unlock()
		if r.Policy != nil {
			policy = *r.Policy
		}
		if err := errors.Join(checkLimits(next), checkPolicy(policy)); err != nil {
			return nil, err
		}
		if err := k.tryChange(it, func(rec *record) { rec.Limits, rec.Policy = next, policy }); err != nil {
			return nil, err
		}
	}
	if changes && !k.asleep {
		k.applyLimits(time.Now())
	}
	k.mu.Lock()
	_, set := k.limits.over(k.n.opts.Network, k.firm)
	k.mu.Unlock()
	return &Limited{Limits: all, Set: set, Shares: k.views(items)}, nil
}

// limitAll changes the limits of all shares together, and gives those that hold then. What is said now goes before what the daemon was
// started with.
func (k *keeper) limitAll(r LimitRequest) (Limits, error) {
	k.mu.Lock()
	next, f := k.limits.change(r), k.firm
	k.mu.Unlock()
	f.up, f.down = f.up && r.Up == nil, f.down && r.Down == nil
	all, _ := next.over(k.n.opts.Network, f)
	if err := checkLimits(all); err != nil {
		return all, err
	}
	if err := state.WriteVersioned(k.n.home.Path("limits.json"), limitsVersion, next); err != nil {
		return all, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.limits, k.firm = next, f
	return all, nil
}

func (r LimitRequest) apply(l Limits) Limits {
	if r.Up != nil {
		l.Up = *r.Up
	}
	if r.Down != nil {
		l.Down = *r.Down
	}
	if r.Windows != nil {
		l.Windows = slices.Clone(*r.Windows)
	}
	for _, name := range r.Default { // a share has none of its own
		switch name {
		case "up":
			l.Up = 0
		case "down":
			l.Down = 0
		}
	}
	return l
}
