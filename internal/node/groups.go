package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

const (
	// groupsLock is held by who has the groups open.
	groupsLock = "groups"
	// groupsWait is how long a command waits for another to let go of them.
	groupsWait = 10 * time.Second
	// memberWait is how long a command waits for a member to be found: on a LAN it takes less than a second.
	memberWait = 5 * time.Second
	// aloneWait is how long one waits who has never met a member of the group, and one who has met none now.
	aloneWait = time.Second
	// passWait is how long a command waits until a member has what it signed.
	passWait = 5 * time.Second
	// heartbeat is how often an own head is signed anew, so that others see that it is fresh.
	heartbeat = 24 * time.Hour
	// keepEvery is how often days, heartbeats and peers are looked after.
	keepEvery = 10 * time.Minute
)

// groups are the groups of a home, and their connections.
type groups struct {
	n      *Node
	lock   *state.Lock
	server *groupnet.Server
	pool   *groupsync.Pool // what those who ask take, in all groups

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	entering sync.Mutex // from the choice of a name for a group to its place in all

	users sync.Map // addresses of members that the user named

	mu  sync.Mutex
	all map[signed.GroupID]*member
	bad map[string]error // folders that could not be opened

	hearing *opening // which of them are at work on what members sent
}

// member is this machine in one group.
type member struct {
	*group.Group
	s     *groups
	crowd *groupsync.PeerSet
	sync  *groupsync.Handler

	as       atomic.Pointer[signed.SigningKey] // who this machine is before it is a device: the key of an invite or account
	lobby    lobby
	at       keysAt
	relink   chan struct{} // says that the group is to be met elsewhere
	watch    []func()      // called when what somebody may has changed
	insiders insiders

	hearing  hearing
	visit    bool        // it was not joined: somebody fetches from it
	visitors int         // how many do; guarded by entering
	left     atomic.Bool // from then on nobody is answered

	cancel context.CancelFunc    // of what runs for it; nil: it is not online
	halted atomic.Pointer[error] // why it is online no more: a loop of it met a bug
	since  time.Time             // when it went online
	wg     sync.WaitGroup
	follow chan struct{} // says that what to mirror may have changed

	plan atomic.Pointer[mirrorPlan] // what the mirror is to hold; nil: it is none, or has not looked yet

	sounded map[string]bool // the alarms that were logged; of attend
	words   *words          // what others have said of our log
	out     out
}

// openGroups opens the groups of the home, once. It waits a little for another process that has them.
func (n *Node) openGroups(ctx context.Context) (*groups, error) {
	n.groupsMu.Lock()
	defer n.groupsMu.Unlock()
	if s := n.groups.Load(); s != nil {
		return s, nil
	}
	lock, err := n.lockGroups(ctx)
	if err != nil {
		return nil, err
	}
	if n.opts.GroupsHere != nil {
		n.opts.GroupsHere()
	}
	s := &groups{n: n, lock: lock, pool: groupsync.NewPool(), all: map[signed.GroupID]*member{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.server = groupnet.NewServer(s.find, n.log)
	list, heard, bad, err := n.openFolders()
	if err == nil {
		err = n.endVisits()
	}
	if err != nil {
		s.cancel()
		return nil, errors.Join(err, s.server.Close(), lock.Unlock())
	}
	s.bad, s.hearing = bad, heard
	for dir, err := range bad {
		n.log.Error("a group cannot be opened", "folder", dir, "error", err)
	}
	for _, g := range list {
		if halfJoined(g) {
			if err := g.Leave(); err != nil {
				n.log.Error("removing a group that was joined by half", "folder", g.Dir(), "error", err)
			}
			continue
		}
		m := s.add(g, false)
		if err := n.tidySealed(m); err != nil {
			n.log.Warn("the encrypted files of a group", "group", m.Name(), "error", err)
		}
	}
	n.groups.Store(s)
	return s, nil
}

// visitPrefix begins the folder in the home of a group that is read without being joined.
const visitPrefix = ".visit-"

// endVisits removes what visits left that did not end.
func (n *Node) endVisits() error {
	list, err := os.ReadDir(n.home.Dir())
	for _, e := range list {
		if strings.HasPrefix(e.Name(), visitPrefix) {
			err = errors.Join(err, os.RemoveAll(n.home.Path(e.Name())))
		}
	}
	return err
}

// groupsElsewhere is the process that holds the groups for longer than a command takes; 0: none is known.
func (n *Node) groupsElsewhere(ctx context.Context) int {
	if n.opts.GroupsElsewhere == nil {
		return 0
	}
	return n.opts.GroupsElsewhere(ctx)
}

func (n *Node) lockGroups(ctx context.Context) (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, groupsWait)
	defer cancel()
	for {
		lock, err := n.home.TryLock(groupsLock)
		if fault.KindOf(err) != fault.InUse {
			return lock, err
		}
		if pid := n.groupsElsewhere(ctx); pid != 0 {
			return nil, fault.Hint(fault.New(fault.InUse, "a p2pshare in another terminal (process %d) shares from the groups of this home", pid),
				"p2pshare daemon --detach lets many commands run at once: end that one, start the daemon, and run both again")
		}
		timer := time.NewTimer(100 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fault.Hint(err, "p2pshare daemon --detach lets many commands run at once: end what runs in the other terminal, start the daemon, and run both again")
		}
	}
}

// startGroups has a daemon keep up with every group of its home.
func (n *Node) startGroups(ctx context.Context) error {
	s, err := n.openGroups(ctx)
	if err != nil {
		return err
	}
	for _, m := range s.list() {
		if err := m.online(nil); err != nil {
			return err
		}
	}
	return nil
}

// close ends what runs for the groups.
func (s *groups) close() error {
	s.mu.Lock()
	s.cancel() // from now on nothing is begun for any of them
	all := make([]*member, 0, len(s.all))
	for _, m := range s.all {
		all = append(all, m)
	}
	s.mu.Unlock()
	var errs []error
	for _, m := range all {
		m.offline()
		errs = append(errs, m.endPrivate())
	}
	s.wg.Wait()
	s.hearing.close()
	return errors.Join(append(errs, s.server.Close(), s.lock.Unlock())...)
}

func (s *groups) add(g *group.Group, visit bool) *member {
	m := &member{Group: g, s: s, visit: visit, follow: make(chan struct{}, 1), insiders: insiders{having: make(chan struct{}, 1)}, words: newWords(), relink: make(chan struct{}, 1)}
	m.watch = []func(){m.recheck}
	g.OnClaim = m.claimed
	m.sync = groupsync.NewHandler(groupsync.Options{
		Group: g.ID(), Vault: m,
		Pool: s.pool, Member: m.proven,
		Rights: m.rights, Slot: g.Slot, Torrent: m.torrentFor, Have: m.haveFor, Peers: m.peersMet,
		// Members whom nobody can dial come to us: what they have of our log they say then.
		Self:  g.Device().Public(),
		Told:  m.told,
		Heard: func(addr string) { m.heard(addr) },
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[g.ID()] = m
	return m
}

// get finds a group by its local name, ID or link.
func (s *groups) get(name string) (*member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		if m.Name() == name || m.ID().String() == name {
			return m, nil
		}
	}
	if link, err := signed.ParseLink(name); err == nil {
		if m := s.all[link.Group]; m != nil {
			return m, nil
		}
	}
	for dir, err := range s.bad {
		if dir == name {
			if errors.Is(err, errGroupStopped) {
				return nil, err
			}
			return nil, fault.Hint(fmt.Errorf("the group %q cannot be read: %w", dir, err),
				"restore its folder groups/%s in the home from a backup, or leave the group and join it again", dir)
		}
	}
	err := fault.New(fault.NotFound, "this home is in no group called %q", name)
	if len(s.bad) > 0 {
		return nil, fault.Hint(err, "%d groups of this home cannot be read: p2pshare group list shows them", len(s.bad))
	}
	return nil, fault.Hint(err, "p2pshare group list shows those it is in; group join LINK joins one")
}

// list gives all groups that were joined by name.
func (s *groups) list() []*member {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*member, 0, len(s.all))
	for _, m := range s.all {
		if !m.visit {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *member) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

// freeName refuses a local name that another group has.
func (s *groups) freeName(name string) error {
	if err := signed.CheckName(name); err != nil {
		return fault.New(fault.Usage, "the name of a group: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		if m.Name() == name {
			return fault.Hint(fault.New(fault.Usage, "another group is called %q here", name), "give this one a local name with --as NAME")
		}
	}
	return nil
}

// find gives the server the group of a name of yesterday, today or tomorrow.
func (s *groups) find(serverName string) *groupnet.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	day := signed.DayOf(time.Now())
	for _, m := range s.all {
		for _, l := range m.Links() {
			for d := day - 1; d <= day+1; d++ {
				if l.ServerName(d) == serverName {
					return m.door()
				}
			}
		}
	}
	return nil
}

// takeTLS is given the connections to the engine's port.
func (n *Node) takeTLS(c net.Conn) {
	s := n.groups.Load()
	if s == nil {
		c.Close()
		return
	}
	s.server.Take(s.ctx, c)
}
