package groupsync

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// PeerSet keeps up with members: of all addresses that it hears of, some are neighbours, from whom news is waited for
// and to whom it is pushed. An address that fails is tried again, ever less often.
type PeerSet struct {
	o PeerSetOptions

	mu    sync.Mutex
	addrs map[string]*member
	wake  chan struct{}
	first chan struct{} // closed when one member was asked for everything and had given it
	once  sync.Once

	taken  chan struct{} // closed when a member said that our name is another's
	said   sync.Once
	pushed uint64        // the latest number of the vault that a member has all of
	passed chan struct{} // closed and made anew when it rises
}

// PeerSetOptions of a PeerSet.
type PeerSetOptions struct {
	Group signed.GroupID
	Vault Vault
	// Client makes a client that reaches a member at an address. It is closed with CloseIdleConnections.
	Client func(addr string) *http.Client
	Log    *slog.Logger
	// Pool is that of the machine's handlers; nil: none.
	Pool *Pool
	// Self is this machine's device, whose log members may refuse because its name is another's.
	Self signed.Key
	// Port is where this machine is reached. Members who are pushed to hear of it: whoever is met because it announced
	// itself has not heard of us yet. 0: nowhere.
	Port int
	// May says whether a member at an address, which has been spoken to, is handed what is new here; it is asked each time. nil:
	// any is.
	May func(addr string) bool
	// Who says by which key an answer came, as the handshake has proven it. nil: it is not known, and zero.
	Who func(*http.Response) (signed.Key, error)
	// Told is called each time a machine has given everything that it has. own is its head of the device Self that was news here
	// when it was shown, and zero if none was. May be nil.
	Told func(by signed.Key, own signed.Head)
	// Lost is called when a connection to an address has ended, or none came about. May be nil.
	Lost func(addr string, err error)
	// Visit is done at each member that is reached, instead of keeping up with it. May be nil.
	Visit func(ctx context.Context, p *Peer) error
	// Ask says that members tell each other of members.
	Ask bool
	// Stay is how long a member is a neighbour while others wait for the place; 0: 20 minutes.
	Stay time.Duration
}

// member is an address.
type member struct {
	addr   string
	trusty bool               // of a hint or the command line: kept when there are too many
	busy   bool               // a neighbour
	end    context.CancelFunc // of a neighbour
	anew   bool               // it is called again at once when it has ended
	fails  int
	next   time.Time // not before
	good   time.Time // of the last answer; zero: none yet
	met    bool      // a neighbour that has answered since it is one

	by    signed.Key    // whose the last answer was
	ahead time.Duration // of its clock before ours
	dated bool          // ahead is known
}

// Neighbour is a member that has answered.
type Neighbour struct {
	Addr string
	By   signed.Key // whose that was; zero: it is not known
	Seen time.Time  // of the last answer
	Now  bool       // it is a neighbour at the moment, and has answered as one
}

const (
	// retryFirst and retryMost are the pauses before an address that failed is tried again.
	retryFirst = 2 * time.Second
	retryMost  = 15 * time.Minute
	// badPause is the pause after a member did what it should not.
	badPause = 6 * time.Hour
)

// NewPeerSet makes a PeerSet that knows nobody.
func NewPeerSet(o PeerSetOptions) *PeerSet {
	if o.Stay == 0 {
		o.Stay = stay
	}
	return &PeerSet{o: o, addrs: map[string]*member{}, wake: make(chan struct{}, 1), first: make(chan struct{}), taken: make(chan struct{}), passed: make(chan struct{})}
}

// Heard adds an address, host:port. trusty says that the user or the link named it.
func (c *PeerSet) Heard(addr string, trusty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.addrs[addr]
	if m == nil {
		if len(c.addrs) >= maxAddrs && !c.forgetOne() {
			return
		}
		m = &member{addr: addr}
		c.addrs[addr] = m
	}
	m.trusty = m.trusty || trusty
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Again ends all connections, and calls every address anew at once: this machine is somebody else now, or is to be
// reached by another name.
func (c *PeerSet) Again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.addrs {
		m.next, m.fails = time.Time{}, 0
		if m.end != nil {
			m.anew = true
			m.end()
		}
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Drop ends the connections to addresses of which that is said; they are tried again as if they had failed.
func (c *PeerSet) Drop(which func(addr string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.addrs {
		if m.end != nil && which(m.addr) {
			m.end()
		}
	}
}

// forgetOne drops the address that is of least use. c.mu is held.
func (c *PeerSet) forgetOne() bool {
	var worst *member
	for _, m := range c.addrs {
		if m.busy || m.trusty {
			continue
		}
		if worst == nil || m.good.Before(worst.good) || m.good.Equal(worst.good) && m.fails > worst.fails {
			worst = m
		}
	}
	// One that has answered before is of more use than one that nobody has tried.
	if worst == nil || !worst.good.IsZero() {
		return false
	}
	delete(c.addrs, worst.addr)
	return true
}

// Neighbours are the members that have answered, the latest first.
func (c *PeerSet) Neighbours() []Neighbour {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Neighbour
	for _, m := range c.addrs {
		if !m.good.IsZero() {
			out = append(out, Neighbour{m.addr, m.by, m.good, m.met})
		}
	}
	slices.SortFunc(out, func(a, b Neighbour) int { return b.Seen.Compare(a.Seen) })
	return out
}

// Clocks are how far the clocks of those whose word counts are before ours, one for each IP address: whoever runs many members
// there has one voice, and of them the one that is nearest to us.
func (c *PeerSet) Clocks(counts func(by signed.Key) bool) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := map[string]time.Duration{}
	for _, m := range c.addrs {
		host, _, err := net.SplitHostPort(m.addr)
		if err != nil || !m.dated || !counts(m.by) {
			continue
		}
		if d, there := hosts[host]; !there || m.ahead.Abs() < d.Abs() {
			hosts[host] = m.ahead
		}
	}
	return slices.Collect(maps.Values(hosts))
}

// UpToDate returns when anybody who knows the group has been asked for everything and has given it, or with ctx's error.
func (c *PeerSet) UpToDate(ctx context.Context) error {
	select {
	case <-c.first:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-c.first: // both: who asks with a context that has ended wants to know how it stands
		return nil
	default:
		return ctx.Err()
	}
}

// Taken gives a channel that is closed when a member has refused this machine's device, because its name is another's.
func (c *PeerSet) Taken() <-chan struct{} { return c.taken }

// PassedOn returns when a member has everything that is here now, or with ctx's error.
func (c *PeerSet) PassedOn(ctx context.Context) error {
	_, now := c.o.Vault.Changed()
	for {
		c.mu.Lock()
		done, passed := c.pushed >= now, c.passed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run keeps up with members until ctx ends, and waits for what it started.
func (c *PeerSet) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	visits := panics.Group{Failed: func(bug *panics.Error) { bug.Log(c.o.Log, "the end of a visit"); cancel() }}
	defer visits.Wait()
	defer cancel() // a panic here is not to wait for them
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
		for {
			m, next := c.choose(time.Now())
			if m == nil {
				timer.Reset(next)
				break
			}
			visits.Start(func() {
				err := panics.Catch(func() error { return c.keepUp(ctx, m) })
				if bug := panics.In(err); bug != nil {
					bug.Log(c.o.Log, "a member", "address", m.addr)
				}
				if c.o.Lost != nil && ctx.Err() == nil {
					c.o.Lost(m.addr, err)
				}
				c.released(m, err)
				select {
				case c.wake <- struct{}{}:
				default:
				}
			})
		}
	}
}

// choose takes an address to make a neighbour of, at random among those that are due; nil if there is none, or are
// neighbours enough, and when to look again.
func (c *PeerSet) choose(now time.Time) (*member, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var due []*member
	busy, next := 0, time.Minute
	for _, m := range c.addrs {
		switch {
		case m.busy:
			busy++
		case !m.next.After(now):
			due = append(due, m)
		default:
			next = min(next, m.next.Sub(now))
		}
	}
	if busy >= maxNeighbours || len(due) == 0 {
		return nil, max(next, 10*time.Millisecond)
	}
	// Those that never failed go first: an old cache is full of addresses that are gone.
	slices.SortFunc(due, func(a, b *member) int { return a.fails - b.fails })
	same := slices.IndexFunc(due, func(m *member) bool { return m.fails > due[0].fails })
	if same < 0 {
		same = len(due)
	}
	m := due[rand.IntN(same)]
	m.busy = true
	return m, 0
}

// released puts an address back, with a pause that fits how it ended.
func (c *PeerSet) released(m *member, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.busy, m.met, m.end = false, false, nil
	if m.anew {
		m.anew, m.next = false, time.Time{}
		return
	}
	if errors.Is(err, errOthers) {
		m.next = time.Now().Add(c.o.Stay)
		return
	}
	m.fails++
	pause := min(retryFirst<<min(m.fails-1, 20), retryMost)
	if _, bad := errors.AsType[*PeerError](err); bad {
		pause = badPause
	}
	m.next = time.Now().Add(pause/2 + rand.N(pause))
}

// errOthers ends a neighbour's time: others wait for the place.
var errOthers = errors.New("others wait for the place")

// othersWait says whether the place of m is wanted. One that the user named stays.
func (c *PeerSet) othersWait(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	busy, waiting := 0, 0
	for _, o := range c.addrs {
		switch {
		case o.busy:
			busy++
		case o.fails == 0:
			waiting++
		}
	}
	return !m.trusty && busy >= maxNeighbours && waiting > 0
}
