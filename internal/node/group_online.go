package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// online starts to keep up with the members, if that is not so already.
func (m *member) online(peers []string) error {
	if why := m.halted.Load(); why != nil {
		return *why
	}
	e, err := m.s.n.network()
	if err != nil {
		return err
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.s.ctx.Err() != nil {
		return fault.New(fault.Failed, "the groups are being closed")
	}
	if m.cancel == nil {
		ctx, cancel := context.WithCancel(m.s.ctx)
		m.cancel, m.since = cancel, time.Now()
		m.crowd = groupsync.NewPeerSet(groupsync.PeerSetOptions{Group: m.ID(), Vault: m, Client: m.client, Log: m.s.n.log, Pool: m.s.pool, Self: m.Device().Public(), Port: e.Port(), Ask: m.private(), May: m.mayHear, Who: groupnet.AnswerKey, Told: m.gave, Lost: m.turnedAway})
		m.loop(func() { m.crowd.Run(ctx) })
		m.loop(func() { m.keep(ctx, e) })
		m.loop(func() { m.attend(ctx) })
		if m.s.n.keeper != nil {
			m.loop(func() { m.mirror(ctx) })
		}
	}
	for _, a := range m.s.toCall(peers, m.Link().Hints) {
		m.crowd.Heard(a, true)
	}
	for _, a := range m.Settings().Peers {
		m.crowd.Heard(a, false)
	}
	return nil
}

// heard takes the address of a member who came by itself, with the port that it says.
func (m *member) heard(addr string) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || netguard.JudgeMember(at, at.Addr()) != nil {
		return
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.crowd != nil {
		m.crowd.Heard(addr, false)
	}
}

// offline ends what runs for a group, and waits for it.
func (m *member) offline() {
	m.s.mu.Lock()
	cancel := m.cancel
	m.s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	m.wg.Wait()
}

// connected are the machines that this one keeps up with now, or they with it, however many addresses each has. In a private group
// they are members' alone.
func (m *member) connected() map[signed.Key]bool {
	keys := m.s.server.Online(m.Device().Public())
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd != nil {
		for _, nb := range crowd.Neighbours() {
			if nb.Now {
				keys[nb.By] = true
			}
		}
	}
	delete(keys, signed.Key{})
	if m.private() {
		maps.DeleteFunc(keys, func(k signed.Key, _ bool) bool { st, _ := m.Standing(k); return st != access.Member })
	}
	return keys
}

// noHolder says why nothing comes of content that no member gives.
func (m *member) noHolder() string {
	if m.isOut() {
		return whatOut
	}
	switch n := len(m.connected()); n {
	case 0:
		return "no member is online"
	case 1:
		return "1 machine of a member is online, and it does not share this"
	default:
		return fmt.Sprintf("%d machines of members are online, and none shares this", n)
	}
}

// client reaches a member at an address, as this machine's device.
func (m *member) client(addr string) *http.Client {
	return m.clientAs(addr, m.identity(), func() {})
}

// clientAs reaches a member as somebody; answered is called when one has shown that it knows the group.
func (m *member) clientAs(addr string, as signed.SigningKey, answered func()) *http.Client {
	to := m.reach(addr, as)
	to.Accept = func(k signed.Key) error {
		if k == m.Device().Public() {
			return &groupsync.PeerError{Err: errors.New("it is this machine")}
		}
		answered()
		return m.note(addr, k)
	}
	return groupnet.Client(m.s.caller(addr), to)
}

// keep is at the meeting of the day, looks at those of its neighbours, and does what is to be done now and then.
func (m *member) keep(ctx context.Context, e *engine.Engine) {
	day := int64(-1)
	var meetings []*engine.Meeting
	leave := func() {
		for _, mt := range meetings {
			mt.Close()
		}
		meetings = nil
	}
	defer leave()
	defer m.savePeers()
	m.loop(func() { m.firstAnswer(ctx) })
	m.loop(func() { m.firstWord(ctx) })
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if today := signed.DayOf(time.Now()); today != day {
			leave()
			day = today
			meetings = m.meet(e, day, func(addr string) { m.crowd.Heard(addr, false) })
		}
		select {
		case <-ctx.Done():
			return
		case <-m.relink:
			day = -1
			continue
		case <-tick.C:
		}
		m.savePeers()
		if err := m.Settle(); err != nil {
			m.s.n.log.Warn("keeping logs that came early", "group", m.Name(), "error", err)
		}
		if err := m.Refresh(heartbeat); err != nil && !errors.Is(err, group.ErrNotAsked) {
			m.s.n.log.Warn("signing the head of a group anew", "group", m.Name(), "error", err)
		}
	}
}

// meet is at the places where the group's members are found on a day, and looks at those of its neighbours. Who was away
// comes to a place of an older link: there it is only waited for him.
func (m *member) meet(e *engine.Engine, day int64, found func(addr string)) (out []*engine.Meeting) {
	for i, l := range m.Links() {
		for d := day - 1; d <= day+1; d++ {
			if i == 0 || d == day {
				out = append(out, e.Meet(engine.MeetingOptions{Place: l.Rendezvous(d), Silent: d != day, Found: found}))
			}
		}
	}
	return out
}

// firstAnswer notes that somebody knows the group, and what it is called.
func (m *member) firstAnswer(ctx context.Context) {
	if m.crowd.UpToDate(ctx) != nil {
		return
	}
	if err := m.met(); err != nil {
		m.s.n.log.Warn("the settings of a group", "group", m.Name(), "error", err)
	}
}

// firstWord notes what the first word that counts means: from then on this machine may sign.
func (m *member) firstWord(ctx context.Context) {
	if m.heardOut(ctx) != nil {
		return
	}
	if err := m.asked(); err != nil {
		m.s.n.log.Warn("this machine cannot sign in a group", "group", m.Name(), "error", err)
	}
	if err := m.Refresh(heartbeat); err != nil {
		m.s.n.log.Debug("signing the head of a group anew", "group", m.Name(), "error", err)
	}
}

// met notes that others may have what this machine has signed.
func (m *member) met() error {
	s, err := m.State()
	if err != nil {
		return err
	}
	// A group that was joined by its link alone is called what its owners call it, if nobody else is.
	title := strings.ToLower(s.Root().Name)
	named := m.Name() != m.ID().String() || m.s.freeName(title) != nil
	if !m.Settings().Met || !named {
		err = m.Change(func(c *group.Settings) {
			if c.Met = true; !named {
				c.Name = title
			}
		})
	}
	return err
}

// asked notes that somebody whose word counts has said what it has of this machine's log.
func (m *member) asked() error {
	if err := m.met(); err != nil {
		return err
	}
	return m.Asked(1)
}

func (m *member) savePeers() {
	var addrs []string
	for _, p := range m.crowd.Neighbours() {
		addrs = append(addrs, p.Addr)
	}
	if len(addrs) == 0 {
		return
	}
	heard := m.heardAt().Unix()
	if err := m.Change(func(c *group.Settings) { c.Peers, c.Heard = addrs, heard }); err != nil && !errors.Is(err, os.ErrNotExist) {
		m.s.n.log.Warn("keeping the addresses of members", "group", m.Name(), "error", err)
	}
}

// heardAt is when a member gave all that it has last, as far as it is known; zero: never.
func (m *member) heardAt() (at time.Time) {
	if s := m.Settings().Heard; s > 0 {
		at = time.Unix(s, 0)
	}
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd == nil {
		return at
	}
	if list := crowd.Neighbours(); len(list) > 0 && list[0].Seen.After(at) { // the latest is first
		return list[0].Seen
	}
	return at
}

// refresh brings a group up to date with its members, for a while; what is here already is used if none is found. It
// says whether one was.
func (m *member) refresh(ctx context.Context, peers []string, wait time.Duration) (bool, error) {
	return m.within(ctx, peers, wait, func(ctx context.Context) error { return m.crowd.UpToDate(ctx) })
}

// within goes online, and says whether something comes in time.
func (m *member) within(ctx context.Context, peers []string, wait time.Duration, comes func(context.Context) error) (bool, error) {
	if err := m.online(peers); err != nil {
		return false, err
	}
	m.s.mu.Lock()
	until := m.since.Add(wait)
	m.s.mu.Unlock()
	if len(peers) > 0 {
		until = time.Now().Add(wait)
	}
	// Who has been online for longer than that has looked in vain.
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := comes(limited)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil, nil
}

// maySign makes sure that this machine may sign: somebody whose word counts was asked, or nobody was ever met, or the user says
// so. Its clock has to be theirs, or what it signs is not believed.
func (m *member) maySign(ctx context.Context, offline bool, on func(Event)) error {
	wait := memberWait
	switch {
	case offline:
		wait = 0 // what is known by now is what there is
	case !m.Settings().Met:
		wait = aloneWait
	}
	found, err := m.within(ctx, nil, wait, m.heardOut)
	if err != nil {
		return err
	}
	if err := m.clockOff(); err != nil && !offline {
		return fault.Hint(fmt.Errorf("nothing is signed: %w", err), "set this machine's clock; if the others' clocks are wrong, --offline signs all the same")
	}
	switch {
	case m.MaySign():
		return nil
	case found:
		return m.asked()
	case offline || !m.Settings().Met:
		return m.NobodyToAsk()
	}
	warn(on, "no confirmed member of %s was found within %v", m.Name(), wait)
	return group.ErrNotAsked
}

// clockOff is why this machine's clock is not believed by the members that are met.
func (m *member) clockOff() error {
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd == nil {
		return nil
	}
	now := time.Now()
	var theirs []time.Time
	for _, ahead := range crowd.Clocks(m.counts) {
		theirs = append(theirs, now.Add(ahead))
	}
	_, err := signed.Skew(now, theirs)
	return err
}

// passOn waits until a member has what was signed here, and says if none is there to have it.
func (m *member) passOn(ctx context.Context, on func(Event)) {
	if m.s.n.keeper != nil {
		return // it goes out by itself
	}
	wait := passWait
	if len(m.crowd.Neighbours()) == 0 {
		wait = aloneWait
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if m.crowd.PassedOn(limited) == nil {
		return
	}
	tell(on, "no member of %s is online; it goes out when this machine and another are (p2pshare daemon keeps this one there)", m.Name())
}

// torrentFile gives a .torrent, or an index of chunks, that was published or fetched here.
func (m *member) torrentFile(h signed.Hash) []byte {
	b, err := os.ReadFile(m.torrentPath(h))
	if err != nil || signed.HashOf(b) != h {
		return m.indexFile(h)
	}
	return b
}

func (m *member) torrentPath(h signed.Hash) string {
	return fmt.Sprintf("%s/torrents/%v.torrent", m.Dir(), h)
}

func (m *member) keepTorrent(b []byte) error {
	if err := os.MkdirAll(m.Dir()+"/torrents", 0o700); err != nil {
		return err
	}
	err := state.WriteFile(m.torrentPath(signed.HashOf(b)), b, 0o600)
	in := &m.insiders
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	in.absent = nil
	in.kept++
	return err
}
