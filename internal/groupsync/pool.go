package groupsync

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Pool bounds what is held in memory for those who ask, and the signatures that are judged for them. One is for all groups
// of a machine. At worst it holds, whoever and how many call: bodies, 32 MiB for strangers and 96 MiB for members; answers,
// 32 MiB and 32 MiB; logs that are pulled, 128 MiB. Besides, a connection takes some 80 KiB, of groupnet's 400: 32 MiB; and a log
// that is handed to a neighbour, of the 12 of a group, 1 MiB.
//
// A body that finds no room takes that of the oldest one, of the same caller or of all of its kind: who lets his bodies
// drip keeps nobody out. An answer waits for room, and is written at no less than 32 KiB a second.
type Pool struct {
	mu     sync.Mutex
	bodies [2]place // of strangers, of members
	work   map[string]*rate.Limiter
	all    *rate.Limiter // the signatures of all strangers
	asked  map[string]*rate.Limiter
	asking *rate.Limiter // the slots that all strangers ask for

	answers [2]*semaphore.Weighted
	taking  map[string]int64 // what answers take, by caller
	reading *semaphore.Weighted
	pulls   *semaphore.Weighted // the long logs that are being pulled
}

// place is what bodies of one kind of callers take.
type place struct {
	each, total int64
	used        int64
	holds       []*hold // the oldest first
}

type hold struct {
	who   string
	bytes int64
	end   func()
}

// caller is who asks: a member by his key, others by their address.
type caller struct {
	who    string
	member bool
}

func (c caller) kind() int {
	if c.member {
		return 1
	}
	return 0
}

// NewPool makes a Pool.
func NewPool() *Pool {
	return &Pool{
		bodies:  [2]place{{each: strangerBody, total: strangerBodies}, {each: memberBody, total: memberBodies}},
		work:    map[string]*rate.Limiter{},
		all:     rate.NewLimiter(strangersWork, 10*strangersWork),
		asked:   map[string]*rate.Limiter{},
		asking:  rate.NewLimiter(rate.Every(slotsEvery), slotsBurst),
		answers: [2]*semaphore.Weighted{semaphore.NewWeighted(allAnswers), semaphore.NewWeighted(allAnswers)},
		taking:  map[string]int64{},
		reading: semaphore.NewWeighted(1),
		pulls:   semaphore.NewWeighted(maxPulls),
	}
}

// addressOf is whom an address counts for: a household has a /64 of IPv6.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// body makes room for n bytes of a body, or says that it is larger than a caller's may be. end is called, once at most and
// from another goroutine, when the room goes to somebody else.
func (p *Pool) body(c caller, n int64, end func()) (done func(), ok bool) {
	p.mu.Lock()
	at := &p.bodies[c.kind()]
	if n > at.each {
		p.mu.Unlock()
		return nil, false
	}
	var out []*hold
	evict := func(of func(*hold) bool) {
		i := slices.IndexFunc(at.holds, of)
		out = append(out, at.holds[i])
		at.remove(at.holds[i])
	}
	own := int64(0)
	for _, h := range at.holds {
		if h.who == c.who {
			own += h.bytes
		}
	}
	for own+n > at.each {
		before := at.used
		evict(func(h *hold) bool { return h.who == c.who })
		own -= before - at.used
	}
	for at.used+n > at.total {
		evict(func(*hold) bool { return true })
	}
	h := &hold{c.who, n, end}
	at.holds = append(at.holds, h)
	at.used += n
	p.mu.Unlock()
	for _, h := range out {
		h.end()
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		at.remove(h)
	}, true
}

// remove takes a hold out, if it is in.
func (at *place) remove(h *hold) {
	if i := slices.Index(at.holds, h); i >= 0 {
		at.holds = slices.Delete(at.holds, i, i+1)
		at.used -= h.bytes
	}
}

// answer waits for room for n bytes of an answer; false: there is none in time, or the caller has taken its share.
func (p *Pool) answer(ctx context.Context, c caller, n int64) (done func(), ok bool) {
	n = min(n, allAnswers)
	p.mu.Lock()
	own := p.taking[c.who]
	if own > 0 && own+n > callerAnswers {
		p.mu.Unlock()
		return nil, false
	}
	p.taking[c.who] += n
	p.mu.Unlock()
	free := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.taking[c.who] -= n; p.taking[c.who] <= 0 {
			delete(p.taking, c.who)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if p.answers[c.kind()].Acquire(ctx, n) != nil {
		free()
		return nil, false
	}
	return func() {
		p.answers[c.kind()].Release(n)
		free()
	}, true
}

// limiter is that of a caller in a table, made where it is the first time that it calls. p.mu is held.
func limiter(table map[string]*rate.Limiter, who string, each rate.Limit, burst int) *rate.Limiter {
	if len(table) >= maxCallers {
		clear(table)
	}
	if table[who] == nil {
		table[who] = rate.NewLimiter(each, burst)
	}
	return table[who]
}

// judge says whether n more signatures are judged for a caller now.
func (p *Pool) judge(c caller, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	each := rate.Limit(strangerWork)
	if c.member {
		each = memberWork
	}
	now := time.Now()
	return limiter(p.work, c.who, each, 20*int(each)).AllowN(now, n) && (c.member || p.all.AllowN(now, n))
}

// guess says whether a caller may ask for a password slot now. A member may: it has them all.
func (p *Pool) guess(c caller) bool {
	if c.member {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return limiter(p.asked, c.who, rate.Every(slotEvery), slotBurst).Allow() && p.asking.Allow()
}
