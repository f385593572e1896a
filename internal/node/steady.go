package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// steadyPause is how long a loop rests that has met a bug: one that meets it each time fills no log.
const steadyPause = time.Minute

// steady runs a loop that is for all shares until the keeper closes. A panic ends its round: it is logged, and the loop
// begins again after a pause.
func (k *keeper) steady(what string, loop func()) {
	for {
		err := panics.Catch(func() error { loop(); return nil })
		bug, ok := errors.AsType[*panics.Error](err)
		if !ok {
			return
		}
		k.n.log.Error(what+" has met a bug", "panic", fmt.Sprint(bug.Value), "stack", string(bug.Stack))
		timer := time.NewTimer(steadyPause)
		select {
		case <-k.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// problem adds what status and doctor say of the home.
func (k *keeper) problem(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems = append(k.problems, what)
}
