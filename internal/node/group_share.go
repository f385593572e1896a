package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/seeder"
)

// mayPublish refuses a publish into a group that the group would not count, before anything is hashed.
func (n *Node) mayPublish(ctx context.Context, r PublishRequest, on func(Event)) (*member, error) {
	s, err := n.openGroups(ctx)
	if err != nil {
		return nil, err
	}
	m, err := s.get(r.In.Group)
	if err != nil {
		return nil, err
	}
	name, version, err := catalog.SplitName(r.In.As)
	if err != nil {
		return nil, err
	}
	switch {
	case version == catalog.Latest || version == catalog.Stable:
		return nil, fault.Hint(fault.New(fault.Usage, "--as %q: %q is not a version", r.In.As, version), "give a version such as 1.4.2")
	case m.private():
		err = r.forMembers()
	case r.In.Seal:
		err = fault.Hint(fault.New(fault.Usage, "%q is a public group, in which nothing is encrypted", m.Name()), "leave --seal out")
	case r.Private:
		err = fault.Hint(fault.New(fault.Usage, "--private and --group contradict each other"), "content of a public group is open to everyone")
	}
	if err != nil {
		return nil, err
	}
	if err := m.maySign(ctx, r.In.Offline, on); err != nil {
		return nil, err
	}
	path := (&catalog.Share{Name: name, Version: version}).Path()
	err = m.rightToPublish(r, path)
	if fault.KindOf(err) == fault.Denied && !r.In.Offline {
		// What is known here may be old: without a daemon nobody has kept it up to date.
		if _, ferr := m.refresh(ctx, r.Peers, memberWait); ferr != nil {
			return nil, ferr
		}
		err = m.rightToPublish(r, path)
	}
	if err != nil {
		return nil, err
	}
	if err := m.checkFor(ctx, r.In.For); err != nil {
		return nil, err
	}
	st, err := m.State()
	if err != nil {
		return nil, err
	}
	if err := st.CheckWho(r.In.For); err != nil {
		return nil, err
	}
	return m, nil
}

// rightToPublish refuses what the group would not count, as far as it is known here.
func (m *member) rightToPublish(r PublishRequest, path string) error {
	me, err := m.Account()
	if err != nil {
		return m.WhyNot("publish")
	}
	st, err := m.State()
	if err != nil {
		return err
	}
	d := st.Test(me.Name, acl.Publish, path, time.Now())
	if d.Allowed {
		return nil
	}
	why := d.Why
	hint := fmt.Sprintf("an admin can change that: p2pshare group rule add %s 'allow %s publish %s'", m.Name(), me.Name, path)
	if me.Role == acl.Member && d.Rule == nil {
		why = fmt.Sprintf("%s is a member of %s, and members do not publish", me.Name, m.Name())
		hint = fmt.Sprintf("an admin lets %s: p2pshare group user role %s %s publisher", me.Name, m.Name(), me.Name)
	}
	return fault.Hint(fault.New(fault.Denied, "%q may not publish %q in %q: %s", me.Name, r.In.As, m.Name(), why), "%s", hint)
}

// intoGroup signs a torrent into a group under its name, and gives how it is asked for.
func (n *Node) intoGroup(ctx context.Context, m *member, r PublishRequest, b *seeder.Built, with *sealedSource, on func(Event)) (string, error) {
	name, version, err := catalog.SplitName(r.In.As)
	if err != nil {
		return "", err
	}
	t := b.Torrent
	s := catalog.Share{
		ID: shareID(name, version), Name: name, Version: version, Content: t.Name, Time: time.Unix(time.Now().Unix(), 0).UTC(),
		Size: t.Size, Files: len(t.Files), V1: t.V1, Info: infoHash(t), Torrent: signed.HashOf(b.Bytes),
		Read: r.In.For, WebSeeds: r.WebSeeds, Note: r.In.Note,
	}
	if with != nil {
		l := with.listing
		s.Content, s.Size, s.Files, s.Sealed, s.SealedSize = l.Name, l.Size, len(l.Files), with.form(), t.Size
	}
	var sums []signed.Hash
	for _, sum := range b.Sums {
		sums = append(sums, signed.Hash(sum.SHA256))
	}
	if with == nil && len(sums) <= maxSignedSums {
		s.Sums = sums
	} else {
		all := catalog.SumOfSums(sums)
		s.AllSums = &all
	}
	if err := m.keepTorrent(b.Bytes); err != nil {
		return "", err
	}
	if err := m.signIndex(&s, r.index); err != nil {
		return "", err
	}
	records := []group.Record{s.Marshal}
	if m.private() {
		if records, err = m.sealedRecords(&s, with); err != nil {
			return "", err
		}
	}
	if err := m.Append(records...); err != nil {
		return "", err
	}
	m.passOn(ctx, on)
	return m.Name() + "/" + s.Ref(), nil
}

// maxSignedSums is how many files' sums a share lists.
const maxSignedSums = 10_000

// shareID is the same for every publish of a name and version, so that the later takes the place of the earlier.
func shareID(name, version string) string {
	h := sha256.Sum256([]byte(name + "\x00" + version))
	return fmt.Sprintf("%x", h[:12])
}

func infoHash(t *metafile.Torrent) signed.Hash {
	if t.V2 != nil {
		return signed.Hash(*t.V2)
	}
	return signed.HashOf(t.Meta.InfoBytes)
}

// named turns a fetch by name into one by infohash, with what the torrent has to agree with.
func (n *Node) named(ctx context.Context, r FetchRequest, ref catalog.Ref, on func(Event)) (FetchRequest, error) {
	s, err := n.openGroups(ctx)
	if err != nil {
		return r, err
	}
	m, done, err := s.forFetch(ref, r.Receipt != "")
	if err != nil {
		return r, err
	}
	defer done()
	found, err := m.refresh(ctx, r.Peers, memberWait)
	if err != nil {
		return r, err
	}
	if !found && m.Ready() {
		warn(on, "no member of %s was found within %v: this is what is known here", m.Name(), memberWait)
	}
	ix, err := m.Index()
	if err != nil {
		return r, err
	}
	e, err := ix.Resolve(ref.Name, ref.Version)
	if err != nil {
		return r, err
	}
	st, err := m.State()
	if err != nil {
		return r, err
	}
	for _, w := range m.warnings(st) {
		warn(on, "%s: %s", m.Name(), w)
	}
	if err := m.mayRead(st, e); err != nil {
		return r, err
	}
	full, _, err := m.Share(e)
	if err != nil {
		return r, err
	}
	if m.private() && r.Receipt != "" {
		return r, fault.Hint(fault.New(fault.Usage, "--receipt is for public groups"), "what a private group signs is sealed to its members, and would prove nothing to others")
	}
	torrent, err := m.torrentSoon(ctx, e)
	if err != nil && (m.private() || !errors.Is(err, errNoTorrent)) {
		return r, noTorrent(m, e, err)
	}
	tell(on, "%s/%s, signed by %s on %s", m.Name(), e.Ref(), e.Account, e.Published().Local().Format(time.DateOnly))
	m.tellNewer(ix, ref, e, on)
	r.Ref = magnetOf(e, full.WebSeeds)
	r.Entry = m.signedEntry(e, full)
	r.hints.add(m.hintsOf(ctx, r, full))
	if m.private() {
		return m.fromHolders(ctx, r, torrent, on)
	}
	// Members listen for both on one port.
	m.neighbours(&r)
	return r, nil
}

// tellNewer says of a fetch that names no version what it passes over, or that it takes what is no release.
func (m *member) tellNewer(ix *catalog.Index, ref catalog.Ref, e *catalog.Entry, on func(Event)) {
	if ref.Version != "" {
		return
	}
	latest, err := ix.Resolve(ref.Name, catalog.Latest)
	switch {
	case err != nil:
	case latest != e && latest.Class() == catalog.PreRelease:
		tell(on, "there is a newer pre-release: %s/%s", m.Name(), latest.Ref())
	case e.Class() == catalog.PreRelease:
		tell(on, "%s has pre-releases alone, and this is the latest of them", e.Name)
	}
}

// fromHolders has a fetch from a private group begin with the members who have all of it.
func (m *member) fromHolders(ctx context.Context, r FetchRequest, torrent []byte, on func(Event)) (FetchRequest, error) {
	t, err := metafile.Decode(torrent)
	if err != nil {
		return r, err
	}
	if err := m.vouched(r.Entry, t); err != nil {
		return r, err
	}
	holders := m.holders(ctx, t)
	if len(holders) == 0 {
		tell(on, "no member that is online has all of it; it comes when one is")
	}
	r.Peers = append(r.Peers, holders...)
	return r, nil
}

// forFetch finds the group of a reference. One that is named by its link and not joined is joined for the moment.
func (s *groups) forFetch(ref catalog.Ref, receipt bool) (m *member, done func(), err error) {
	if ref.Link == nil {
		m, err = s.get(ref.Group)
		return m, func() {}, err
	}
	if receipt {
		return nil, nil, fault.Hint(fault.New(fault.Usage, "--receipt needs the group's log, and a group that is named by its link is only visited"),
			"p2pshare group join LINK joins it; then fetch GROUP/NAME")
	}
	if ref.Link.Kind != signed.Public {
		return nil, nil, fault.New(fault.Usage, "the link is of a private group, which this version cannot join")
	}
	s.entering.Lock()
	defer s.entering.Unlock()
	if m, err = s.get(ref.Link.String()); err != nil {
		dir, err := os.MkdirTemp(s.n.home.Dir(), visitPrefix)
		if err != nil {
			return nil, nil, err
		}
		g, err := group.Join(dir, *ref.Link, group.Joined{Hints: s.callable(ref.Link.Hints)}, time.Now)
		if err != nil {
			return nil, nil, errors.Join(err, os.RemoveAll(dir))
		}
		m = s.add(g, true)
	}
	if !m.visit {
		return m, func() {}, nil
	}
	m.visitors++
	return m, func() { s.endVisit(m) }, nil
}

// endVisit forgets a group that was not joined when nobody fetches from it any more.
func (s *groups) endVisit(m *member) {
	s.entering.Lock()
	defer s.entering.Unlock()
	if m.visitors--; m.visitors > 0 {
		return
	}
	if err := errors.Join(s.leave(m), os.RemoveAll(filepath.Dir(m.Dir()))); err != nil {
		s.n.log.Warn("leaving a group that was only visited", "error", err)
	}
}

// askTorrent asks one member for the .torrent with a hash.
func (m *member) askTorrent(ctx context.Context, addr string, h signed.Hash) ([]byte, error) {
	c := m.client(addr)
	defer c.CloseIdleConnections()
	return groupsync.NewPeer(c, m.ID(), m).Torrent(ctx, h, maxTorrentBytes)
}

// maxTorrentBytes is metafile's limit of a .torrent.
const maxTorrentBytes = 64 << 20

// signedTorrent is the .torrent of a signed entry, if a group of this home has it.
func (n *Node) signedTorrent(e *SignedEntry) *metafile.Torrent {
	s := n.groups.Load()
	h, err := signed.ParseHash(e.Torrent)
	if s == nil || err != nil {
		return nil
	}
	for _, m := range s.list() {
		if b := m.torrentFile(h); b != nil {
			if t, err := metafile.Decode(b); err == nil {
				return t
			}
		}
	}
	return nil
}

// check refuses hashes that no content has.
func (e *SignedEntry) check() error {
	err := errors.Join(infohash.CheckV2(e.Info), infohash.CheckV2(e.Torrent))
	if e.Infohash != "" {
		err = errors.Join(err, infohash.CheckV1(e.Infohash))
	}
	for _, h := range []string{e.Chunks, e.Sums} {
		if h != "" {
			err = errors.Join(err, infohash.CheckV2(h))
		}
	}
	if err != nil {
		return fault.New(fault.Usage, "a hash of the entry %q: %w", e.Ref, err)
	}
	return nil
}

// agree refuses a torrent that is not what was signed.
func (e *SignedEntry) agree(t *metafile.Torrent) error {
	if e.Held {
		if t.Size != e.Size || t.Dir {
			return fault.New(fault.Unverified, "a torrent for mirrors is another than was signed: %d bytes, not %d", t.Size, e.Size)
		}
		return nil // it was asked for by its hash, and nothing more is known of it
	}
	name, version, _ := strings.Cut(e.Ref, "@")
	s := catalog.Share{Name: name, Version: version, Content: e.Content, Size: e.Size, Files: e.Files}
	var err error
	if s.Info, err = signed.ParseHash(e.Info); err != nil {
		return fault.New(fault.Usage, "the entry's hash is malformed: %w", err)
	}
	if e.Infohash != "" {
		s.V1 = new(metainfo.Hash)
		if err := s.V1.FromHexString(e.Infohash); err != nil {
			return fault.New(fault.Usage, "the entry's infohash is malformed: %w", err)
		}
	}
	s.Sealed, s.SealedSize = seal.Form(e.Sealed), e.SealedSize
	return s.CheckTorrent(e.Account, catalog.Facts{Name: t.Name, Size: t.Size, Files: len(t.Files), V1: t.V1, Info: infoHash(t)})
}

// setFollow settles what a daemon mirrors of a group.
func (m *member) setFollow(f Follow) (*GroupAnswer, error) {
	if f.Keep < 0 || f.Space < 0 {
		return nil, fault.New(fault.Usage, "--keep and --space are not negative")
	}
	for _, g := range f.Match {
		if !validGlob(g) {
			return nil, fault.New(fault.Usage, "--match %q is no pattern", g)
		}
	}
	var next *group.Follow
	if me, err := m.Account(); f.Stop && err == nil && (me.Role == acl.Backup || me.Role == acl.Mirror) {
		return nil, fault.Hint(fault.New(fault.Usage, "%q has the role %s in %q, which is to follow it", me.Name, me.Role, m.Name()),
			"p2pshare group leave ends that; group follow -o DIR moves it")
	}
	if !f.Stop {
		if f.Dir == "" {
			return nil, fault.Hint(fault.New(fault.Usage, "a mirror needs a folder"), "-o DIR names it")
		}
		if err := m.s.freeFolder(m, f.Dir); err != nil {
			return nil, err
		}
		next = &group.Follow{Keep: f.Keep, Space: f.Space, Match: slices.Clone(f.Match), Dir: f.Dir}
	}
	var notes []string
	if next != nil {
		notes = m.moves(m.followed(), next.Dir)
	}
	if err := m.Change(func(c *group.Settings) { c.Follow, c.Skip, c.Old = next, nil, nil }); err != nil {
		return nil, err
	}
	m.plan.Store(nil)
	m.refollow()
	return &GroupAnswer{Groups: []Group{m.info()}, Notes: notes}, nil
}
