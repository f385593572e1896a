package node

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// audience is one caller's on: it is called from one goroutine at a time, and not after the request ended.
type audience struct {
	mu   sync.Mutex
	on   func(Event)
	gone bool
	told map[string]bool // what is said once
}

func (a *audience) tell(e Event) {
	e = redacted(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.gone {
		a.on(e)
	}
}

func (a *audience) once(e Event) {
	e = redacted(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.gone && !a.told[e.Message] {
		a.told[e.Message] = true
		a.on(e)
	}
}

// redacted is e without what may be secret in the addresses that its sentences name: they end in the logs of machines
// that build. A magnet link is there to be handed on, and stays.
func redacted(e Event) Event {
	e.Message = webaddr.Redact(e.Message)
	if e.Progress != nil && e.Progress.Waiting != "" {
		p := *e.Progress
		p.Waiting = webaddr.Redact(p.Waiting)
		e.Progress = &p
	}
	if e.Stopped != nil {
		s := *e.Stopped
		s.Reason = webaddr.Redact(s.Reason)
		e.Stopped = &s
	}
	return e
}

// hear makes on safe to call from anywhere, and lets it hear of what the guard refuses, until end is called.
func (n *Node) hear(on func(Event)) (tell func(Event), end func()) {
	a := &audience{on: on, told: map[string]bool{}}
	n.mu.Lock()
	n.audiences[a] = true
	n.mu.Unlock()
	return a.tell, func() {
		n.mu.Lock()
		delete(n.audiences, a)
		n.mu.Unlock()
		a.mu.Lock()
		a.gone = true
		a.mu.Unlock()
	}
}

// refused tells every audience of an address that the guard would not connect to, and how to permit it:
// otherwise a fetch would only say that nobody was found. Other errors pass by.
func (n *Node) refused(err error) error {
	if !isRefused(err) {
		return err
	}
	e := Event{Level: "warn", Message: err.Error()}
	if blocked, ok := errors.AsType[*netguard.BlockedError](err); ok {
		e.Message = blocked.Error()
	}
	if hint := fault.HintOf(netguard.Explain(err)); hint != "" {
		e.Message += "; " + hint
	}
	n.mu.Lock()
	all := make([]*audience, 0, len(n.audiences))
	for a := range n.audiences {
		all = append(all, a)
	}
	n.mu.Unlock()
	for _, a := range all {
		a.once(e)
	}
	return err
}

// isRefused says whether an error is the guard's.
func isRefused(err error) bool {
	_, isBlocked := errors.AsType[*netguard.BlockedError](err)
	_, isRedirect := errors.AsType[*netguard.RedirectError](err)
	return isBlocked || isRedirect
}

// trackers asks HTTP trackers behind the guard.
type trackers struct {
	n  *Node
	to *netguard.Trackers
}

func (t trackers) Do(req *http.Request) (*http.Response, netip.Addr, error) {
	res, from, err := t.to.Do(req)
	return res, from, t.n.refused(err)
}

// judge is the guard's, for UDP trackers.
func (n *Node) judge(addr string, ip netip.Addr) error { return n.refused(n.guard.Judge(addr, ip)) }

func tell(on func(Event), format string, args ...any) {
	on(Event{Message: fmt.Sprintf(format, args...), Level: "info"})
}

func warn(on func(Event), format string, args ...any) {
	on(Event{Message: fmt.Sprintf(format, args...), Level: "warn"})
}
