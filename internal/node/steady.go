package node

import "github.com/p2pshare/p2pshare/internal/panics"

// steady gives a loop that is for all shares until the keeper closes. A panic ends its round: it is logged, and the loop
// begins again after a pause.
func (k *keeper) steady(what string, loop func()) func() {
	return panics.Persist(k.ctx, loop, panics.Logged(k.n.log, what))
}

// problem adds what status and doctor say of the home.
func (k *keeper) problem(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems = append(k.problems, what)
}
