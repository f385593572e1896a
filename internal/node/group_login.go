package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// slotWait is how long other members are asked after one gave a slot that the password does not open, or did not let
	// us in: they may know a newer one.
	slotWait = 3 * time.Second
	// maxSlots bounds the slots that are tried: who has the link alone can give wrong ones.
	maxSlots = 64
	// helloWait is how long a newcomer waits until a member has taken its device.
	helloWait = 20 * time.Second
)

// passwordWork is what passwords are made with.
func (n *Node) passwordWork() int {
	if n.opts.PasswordWork > 0 {
		return n.opts.PasswordWork
	}
	return seal.MaxWork
}

// check refuses a group that cannot be made.
func (c *CreateGroup) check(name string) error {
	private := c.Kind == string(signed.Private)
	switch {
	case !private && c.Kind != string(signed.Public):
		return fault.Hint(fault.New(fault.Usage, "a group of the kind %q cannot be made", c.Kind), "public and private groups can")
	case !private && (c.Strict || c.NoJoin || c.Password != ""):
		return fault.Hint(fault.New(fault.Usage, "a public group is open to everyone"), "leave --strict, --no-join and passwords out, or make it --private")
	case c.NoJoin && private && c.Open:
		return fault.Hint(fault.New(fault.Usage, "--open is for who joins by a password of the group, and with --no-join nobody does"), "leave one of them out; p2pshare group user add says of each account what it may do")
	case c.NoJoin && c.Password != "":
		return fault.New(fault.Usage, "a group that nobody joins by himself has no password to join")
	case private && c.User == group.JoinInvite:
		return fault.New(fault.Usage, "%q is what people join by, and nobody's name", c.User)
	case c.Password != "":
		return seal.CheckPassword(string(c.Password), name)
	}
	return nil
}

// password is what people will join with; empty: they do not.
func (c *CreateGroup) password() (string, error) {
	if c.Kind != string(signed.Private) || c.NoJoin || c.Password != "" {
		return string(c.Password), nil
	}
	return seal.Password()
}

// tellCreated says what its maker should know of a new private group.
func (a *GroupAnswer) tellCreated(name string, c CreateGroup, password string) {
	if c.Password == "" {
		a.Password = Secret(password)
	}
	a.Notes = []string{
		"give the link and the password to people by different ways: who has both is in",
		"the owner's key is in " + a.Wrote + ": without it and without a copy nobody can name another admin; p2pshare group owner export makes one",
		"you administer it from this machine only; p2pshare group passwd " + name + " makes a password for your other machines",
	}
	if c.NoJoin {
		a.Notes[0] = "nobody joins with the link alone: p2pshare group user add makes an account with a password"
	}
}

// joinPrivate joins a private group with its password, or logs in as an account; again, if that is so already.
func (s *groups) joinPrivate(ctx context.Context, r GroupRequest, link signed.Link, archive *group.Archive, on func(Event)) (*GroupAnswer, error) {
	j := *r.Join
	switch {
	case j.Key != "" || j.DeviceKey != "":
		return nil, fault.Hint(fault.New(fault.Usage, "key files are for public groups"), "join with a password; --user NAME logs in as an account")
	case j.User != "" && j.Account != "":
		return nil, fault.New(fault.Usage, "--user logs in as an account that is there, --account names a new one")
	case j.User == group.JoinInvite:
		return nil, fault.Hint(fault.New(fault.Usage, "%q is what people join by, and nobody's account", j.User), "leave --user out")
	case j.Password == "":
		return nil, fault.Hint(fault.New(fault.Usage, "a private group is joined with a password"), "it comes from a prompt, --password-file or the keyring")
	}
	if err := checkAccountName(j.Account); err != nil {
		return nil, err
	}
	if m, err := s.get(link.Group.String()); err == nil && !m.visit {
		if m.Begun() && m.HasLog() {
			return m.logInAgain(ctx, r, on)
		}
		if err := s.leave(m); err != nil { // a crash has left it so
			return nil, err
		}
	}
	m, err := s.enter(link, group.Joined{Name: j.As, Hints: s.callable(link.Hints)})
	if err != nil {
		return nil, err
	}
	account, err := m.logIn(ctx, j, archive, on)
	if err != nil {
		if j.User == "" && errors.Is(err, seal.ErrPassword) {
			err = seal.WrongGroupPassword()
		}
		return nil, errors.Join(err, s.leave(m)) // as if it had never been asked
	}
	a, err := m.show()
	if err != nil {
		return nil, err
	}
	a.User = account
	if n := s.n.backInGroup(m); n > 0 {
		a.Notes = append(a.Notes, plural(n, "share")+" of the group, which rested since it was left, started again")
	}
	if asked := accountName(j.Account); j.User == "" && account != asked {
		a.Notes = append(a.Notes, fmt.Sprintf("%q is taken in %s, so you are %s; if that was you, an admin can remove it (p2pshare group user remove %s %s), or give it a password to log in with", asked, m.Name(), account, m.Name(), asked))
	}
	if j.User == "" {
		a.Notes = append(a.Notes, "you are "+account+" on this machine; p2pshare group passwd "+m.Name()+" makes a password for your other machines")
	}
	return a, nil
}

func checkAccountName(name string) error {
	if name == "" {
		return nil
	}
	if err := acl.CheckNew(name, acl.Member); err != nil {
		return fault.Hint(fault.New(fault.Usage, "%q cannot be an account's name: %w", name, err), "use a to z, digits, dot, dash and underscore, up to 32")
	}
	return nil
}

// logIn makes this machine a device of an account, and gives its name.
func (m *member) logIn(ctx context.Context, j JoinGroup, archive *group.Archive, on func(Event)) (string, error) {
	account := j.User
	if account == "" {
		account = group.JoinInvite
	}
	if archive != nil {
		return m.logInFrom(ctx, j, account, archive, on)
	}
	limited := ctx
	if j.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, j.Timeout)
		defer cancel()
	}
	l, err := m.knock(limited, account, string(j.Password), j.Peers, on)
	if err != nil {
		return "", m.notFound(ctx, err, j)
	}
	// The logs are read with the key that the password has opened.
	m.as.Store(&l.Key)
	defer m.as.Store(nil)
	if err := m.online(j.Peers); err != nil {
		return "", err
	}
	if err := m.crowd.UpToDate(limited); err != nil {
		return "", m.notFound(ctx, err, j)
	}
	if err := m.met(); err != nil {
		return "", err
	}
	// The device is new: nobody has anything of it.
	if err := m.NobodyToAsk(); err != nil {
		return "", err
	}
	if err := m.resting(); err != nil {
		return "", err
	}
	if err := m.clockOff(); err != nil {
		return "", fault.Hint(err, "set this machine's clock")
	}
	name := account
	if j.User != "" {
		err = m.LogIn(l, hostLabel(j.Label))
	} else {
		name, err = m.JoinBy(l, accountName(j.Account), hostLabel(j.Label))
	}
	if err != nil {
		return "", err
	}
	if err := m.taken(ctx); err != nil {
		return "", err
	}
	m.as.Store(nil)
	m.crowd.Again() // as a device from now on
	return name, m.upToDateAs(name)
}

// logInFrom makes this machine a device of an account from an archive and the account's password alone.
func (m *member) logInFrom(ctx context.Context, j JoinGroup, account string, archive *group.Archive, on func(Event)) (string, error) {
	if _, err := archive.Into(ctx, m.Group); err != nil {
		return "", err
	}
	if err := m.callByTitle(); err != nil {
		return "", err
	}
	l, err := m.Login(account, string(j.Password), m.s.n.passwordWork())
	if err != nil {
		return "", err
	}
	// The device is new: nobody has anything of it.
	if err := m.NobodyToAsk(); err != nil {
		return "", err
	}
	name := account
	if j.User != "" {
		err = m.LogIn(l, hostLabel(j.Label))
	} else {
		name, err = m.JoinBy(l, accountName(j.Account), hostLabel(j.Label))
	}
	if err != nil {
		return "", err
	}
	if err := m.upToDateAs(name); err != nil {
		return "", err
	}
	m.as.Store(&l.Key)
	defer m.as.Store(nil)
	if err := m.online(j.Peers); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	if m.crowd.PassedOn(limited) != nil {
		tell(on, "no member of %s is online; this machine is heard of when one is", m.Name())
	}
	m.as.Store(nil)
	m.crowd.Again()
	return name, nil
}

// upToDateAs makes sure that the group knows this machine: somebody may have taken the name a moment before.
func (m *member) upToDateAs(name string) error {
	a, err := m.Account()
	if err != nil || a.Name != name {
		return m.errTaken()
	}
	return nil
}

// notFound is what to tell when nobody was found who lets this machine in.
func (m *member) notFound(ctx context.Context, err error, j JoinGroup) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Hint(fault.New(fault.Timeout, "no member of the group was found within %v", j.Timeout),
			"see that one is online, or name its address with --peer HOST:PORT")
	}
	return err
}

// errNotLetIn is a member that does not let in who has this link.
var errNotLetIn = fault.Hint(fault.New(fault.Denied, "the members that were found do not let in who comes with this link"),
	"the group has a new link since somebody was removed, or this machine's clock is days off: ask for the new one")

// errAskedTooOften is a member that has heard too many wrong passwords.
var errAskedTooOften = fault.Hint(fault.New(fault.Denied, "too many passwords were tried from this address, or at this group"),
	"wait a minute, check the password letter by letter, and join again")

// knock asks members for a password slot, as who has nothing but the link, and opens it at home. What it asks by is all of
// the password that leaves this machine: with it each guess costs the same work as with the slot.
func (m *member) knock(ctx context.Context, account, password string, peers []string, on func(Event)) (seal.Login, error) {
	e, err := m.s.n.network()
	if err != nil {
		return seal.Login{}, err
	}
	pass, err := seal.Stretch(m.ID(), account, password, m.s.n.passwordWork())
	if err != nil {
		return seal.Login{}, err
	}
	found := m.lookingFor(on)
	defer found()
	ctx, cancel := context.WithCancelCause(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel(nil)
	slots, refused := make(chan []byte), make(chan error, 1)
	var answered atomic.Bool // somebody knows the group by this link's name
	lobby := m.Link().Lobby()
	crowd := groupsync.NewPeerSet(groupsync.PeerSetOptions{
		Group: m.ID(), Vault: m, Log: m.s.n.log,
		Client: func(addr string) *http.Client {
			return m.clientAs(addr, lobby, func() { answered.Store(true); found() })
		},
		Visit: func(ctx context.Context, p *groupsync.Peer) error {
			err := p.Roots(ctx)
			var slot []byte
			if err == nil {
				slot, err = p.Slot(ctx, pass.Tag())
			}
			if err != nil && answered.Load() {
				why := errNotLetIn
				if errors.Is(err, groupsync.ErrBusy) {
					why = errAskedTooOften
				}
				select {
				case refused <- why:
				default:
				}
			}
			if err != nil {
				return err
			}
			select {
			case slots <- slot:
			case <-ctx.Done():
			}
			return nil
		},
	})
	asking.Go(panics.Guard(func() { crowd.Run(ctx) }, func(bug *panics.Error) { cancel(bug) })) // nothing comes any more
	for _, mt := range m.meet(e, signed.DayOf(time.Now()), func(addr string) { crowd.Heard(addr, false) }) {
		defer mt.Close()
	}
	for _, a := range m.s.toCall(peers, m.Link().Hints) {
		crowd.Heard(a, true)
	}
	l, err := m.openOne(ctx, pass, slots, refused)
	if err != nil && panics.In(context.Cause(ctx)) != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		// Who was reached is tried first from now on.
		var addrs []string
		for _, nb := range crowd.Neighbours() {
			addrs = append(addrs, nb.Addr)
		}
		err = m.Change(func(c *group.Settings) { c.Peers = append(addrs, c.Peers...) })
	}
	return l, err
}

// openOne tries the password on the slots that come, until one opens or enough do not.
func (m *member) openOne(ctx context.Context, pass seal.Pass, slots <-chan []byte, refused <-chan error) (seal.Login, error) {
	var why error
	var enough <-chan time.Time
	seen := map[[32]byte]bool{}
	for {
		select {
		case slot := <-slots:
			id := sha256.Sum256(slot)
			if seen[id] {
				continue
			}
			seen[id] = true
			l, err := pass.Open(slot)
			if err == nil {
				return l, nil
			}
			if why == nil || errors.Is(err, seal.ErrPassword) || !errors.Is(why, seal.ErrPassword) {
				why = err
			}
			if len(seen) >= maxSlots {
				return seal.Login{}, why
			}
		case err := <-refused:
			if why == nil {
				why = err
			}
		case <-enough:
			return seal.Login{}, why
		case <-ctx.Done():
			if why != nil {
				return seal.Login{}, why
			}
			return seal.Login{}, ctx.Err()
		}
		if enough == nil {
			enough = time.After(slotWait)
		}
	}
}

// logInAgain takes the account's new identity after its password was changed on another machine.
func (m *member) logInAgain(ctx context.Context, r GroupRequest, on func(Event)) (*GroupAnswer, error) {
	j := *r.Join
	name := m.OwnName()
	if m.isOut() {
		return nil, fault.Hint(m.errOut(), "ask an admin to let you in again, and for the new link; then p2pshare group leave %s, and p2pshare group join LINK", m.Name())
	}
	if j.User == "" && j.Account == "" || j.User != "" && j.User != name || j.Account != "" {
		return nil, fault.Hint(fault.New(fault.Usage, "this home is in the group already, as %q", name),
			"p2pshare group join %s logs in again after a change of the password; to be somebody else, p2pshare group leave %s first", m.Name(), m.Name())
	}
	if !r.Offline {
		if found, err := m.refresh(ctx, j.Peers, memberWait); err != nil {
			return nil, err
		} else if !found {
			warn(on, "no member of %s was found within %v: a password that was changed since is not known here", m.Name(), memberWait)
		}
	}
	l, err := m.Login(name, string(j.Password), m.s.n.passwordWork())
	if err != nil {
		return nil, err
	}
	if err := m.LogIn(l, hostLabel(j.Label)); err != nil {
		return nil, err
	}
	a, err := m.show()
	if err == nil {
		a.User = name
	}
	return a, err
}

// accountName makes an account's name of the one that was asked for, or of the system's user.
func accountName(asked string) string {
	if asked != "" {
		return asked
	}
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	name = name[strings.LastIndexAny(name, `\/`)+1:] // DOMAIN\user
	name = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		case c == ' ':
			return '-'
		}
		return -1
	}, name)
	name = name[:min(len(name), signed.MaxName)]
	if acl.CheckNew(name, acl.Member) != nil {
		return "guest"
	}
	return name
}
