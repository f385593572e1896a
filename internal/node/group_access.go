package node

import (
	"fmt"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// policy is what the group's rights are judged by now.
func (m *member) policy() (access.Policy, error) {
	st, err := m.State()
	if err != nil {
		return access.Policy{}, err
	}
	p := access.Policy{Group: m.ID(), State: st, Now: time.Now()}
	if me, err := st.Admit(m.Device().Public(), p.Now); err == nil {
		p.Self = me.Role
	}
	return p, nil
}

// policyFor is the policy with the account of a device, which has to be a member's.
func (m *member) policyFor(k signed.Key) (access.Policy, acl.Account, error) {
	p, err := m.policy()
	if err != nil {
		return p, acl.Account{}, err
	}
	a, err := p.State.Admit(k, p.Now)
	return p, a, err
}

// moves remembers a torrent of the group that is fetched or served here: members are judged by what it is, not by what is
// said of its infohash.
func (in *insiders) moves(t *metafile.Torrent) {
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if in.moving == nil {
		in.moving = map[[20]byte]access.Torrent{}
	}
	for _, short := range shortHashes(t) {
		in.moving[short] = access.Of(t)
	}
	in.judged = nil
}

// maxFilesKnown bounds what is remembered of .torrents; with more, all are read again.
const maxFilesKnown = 10_000

// maxAbsent bounds what is remembered of .torrents that are not here: entries name any.
const maxAbsent = 300_000

// torrentHere reads what a .torrent is that this machine has.
func (m *member) torrentHere(h signed.Hash) (access.Torrent, bool) {
	in := &m.insiders
	in.indexMu.Lock()
	t, ok := in.files[h]
	gone, at := in.absent[h], in.kept
	in.indexMu.Unlock()
	if ok || gone {
		return t, ok
	}
	meta, err := metafile.Decode(m.torrentFile(h))
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if err != nil {
		if in.absent == nil || len(in.absent) >= maxAbsent {
			in.absent = map[signed.Hash]bool{}
		}
		in.absent[h] = in.kept == at // else it may have come since
		return t, false
	}
	t = access.Of(meta)
	if in.files == nil || len(in.files) >= maxFilesKnown {
		in.files = map[signed.Hash]access.Torrent{}
	}
	in.files[h] = t
	return t, true
}

// mayRead refuses an entry that the rules keep from this machine's account. In a public group there are no such.
func (m *member) mayRead(st *acl.State, e *catalog.Entry) error {
	if !m.private() {
		return nil
	}
	p := access.Policy{Group: m.ID(), State: st, Now: time.Now()}
	me, err := st.Admit(m.Device().Public(), p.Now)
	if err != nil {
		return m.WhyNot("read " + e.Ref())
	}
	if d := p.Reads(me.Name, e); !d.Allowed {
		return fault.Hint(fault.New(fault.Denied, "%q may not read %s/%s: %s", me.Name, m.Name(), e.Ref(), d.Why), "an admin can change that: p2pshare group rule add")
	}
	return nil
}

// agree refuses a torrent that is not what the entry says, or not its author's.
func (f *fetch) agree() error {
	e := f.r.Entry
	if err := e.agree(f.meta); err != nil || e.Group == "" {
		return err
	}
	in, err := f.n.privateGroup(e.Group)
	if err != nil {
		return err
	}
	return in.vouched(e, f.meta)
}

// newSalt draws the salt of a torrent that this machine's account publishes.
func (m *member) newSalt() ([]byte, error) {
	me, err := m.Account()
	if err != nil {
		return nil, err
	}
	return access.NewSalt(m.ID(), me.First)
}

// vouched refuses a torrent of the group for an entry of an author who did not make it: whoever fetched it would hand it on
// as his.
func (m *member) vouched(e *SignedEntry, t *metafile.Torrent) error {
	p, err := m.policy()
	if err != nil {
		return err
	}
	if err := p.Vouches(e.Account, e.N, access.Of(t)); err != nil {
		return fault.Hint(fmt.Errorf("%q: %w", e.Ref, err), "%q can publish the content itself; an admin can drop the entry: p2pshare drop %s", e.Account, e.Ref)
	}
	return nil
}
