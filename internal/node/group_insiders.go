package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/store"
	"github.com/p2pshare/p2pshare/seeder"
)

// private says whether the group is one whose content moves between members alone.
func (m *member) private() bool { return m.Link().Kind == signed.Private }

// forMembers refuses what would show content of a private group to others.
func (r PublishRequest) forMembers() error {
	for _, x := range []struct {
		flag string
		set  bool
		why  string
	}{
		{"--webseed", len(r.WebSeeds) > 0, "a web server gives to everyone"},
		{"--tracker", len(r.Trackers) > 0 || len(r.Announce) > 0, "a tracker would learn who has it; members find each other"},
		{"-o", r.Output != "", "members get the torrent from the group, and others should not have it"},
		{"--seal with --no-seed", r.In.Seal && r.NoSeed, "nobody else has the encrypted file"},
	} {
		if x.set {
			return fault.Hint(fault.New(fault.Usage, "%s is not for a private group: %s", x.flag, x.why), "leave it out")
		}
	}
	return nil
}

// sealedSource is content that was encrypted before a torrent was made of it.
type sealedSource struct {
	to      group.Sealing
	listing *seeder.Listing
	path    string // what was encrypted
	box     string // the encrypted file
}

func (s *sealedSource) form() seal.Form {
	if s.listing.Dir {
		return seal.Tar
	}
	return seal.File
}

// sealSource encrypts what is to be published for those who may read it, into a file of the group's folder.
func (m *member) sealSource(ctx context.Context, r PublishRequest, on func(Event)) (_ *sealedSource, err error) {
	name, version, err := catalog.SplitName(r.In.As)
	if err != nil {
		return nil, err
	}
	l, err := seeder.List(ctx, seeder.Options{
		Path: r.Path, Name: r.Name, Exclude: r.Exclude, Portable: true, // it is opened under these names on every system
		Own: []string{m.s.n.home.Dir()}, Warn: func(text string) { warn(on, "%s", text) },
	})
	if err != nil {
		return nil, err
	}
	s := &sealedSource{listing: l, path: r.Path}
	if s.to, err = m.Audience((&catalog.Share{Name: name, Version: version}).Path(), r.In.For); err != nil {
		return nil, err
	}
	// Whoever reads the group from here on holds the key to what is encrypted now.
	if len(s.to.Grants) > 0 {
		if err := m.Append(s.to.Grants...); err != nil {
			return nil, err
		}
	}
	dir := m.s.n.sealedDir(m.ID().String())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	s.box = filepath.Join(dir, hex.EncodeToString(b[:])+sealedSuffix)
	file, err := os.OpenFile(s.box, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(s.box))
		}
	}()
	h := &hashing{on: on, phase: "encrypting", name: l.Name}
	err = seal.Write(ctx, file, s.form(), sealSources(l), s.to.Recipients, func(done int64) { h.progress(done, l.Size) })
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("encrypting %q: %w", l.Name, err)
	}
	return s, nil
}

func sealSources(l *seeder.Listing) []seal.Source {
	out := make([]seal.Source, 0, len(l.Files))
	for _, f := range l.Files {
		out = append(out, seal.Source{Path: f.Path, Size: f.Size, Exec: f.Exec, Open: f.Open})
	}
	return out
}

// sealedSuffix is how the name of an encrypted file ends.
const sealedSuffix = ".age"

// sealedRecords are what is signed of a share of a private group. With content that was encrypted before it has to be for
// those whom that is for.
func (m *member) sealedRecords(s *catalog.Share, with *sealedSource) ([]group.Record, error) {
	to, err := m.Audience(s.Path(), s.Read)
	if err != nil {
		return nil, err
	}
	if with != nil && (to.Audience != with.to.Audience || to.Epoch != with.to.Epoch) {
		return nil, fault.Hint(fault.New(fault.Failed, "who may read %q changed while it was encrypted", s.Ref()), "publish it again")
	}
	return append(to.Grants, to.Share(s)), nil
}

// contentKeys are what an entry's content opens with.
func (m *member) contentKeys(e *SignedEntry) ([]seal.Identity, error) {
	_, ref, _ := strings.Cut(e.Ref, "/")
	found, err := m.resolve(ref)
	if err != nil {
		return nil, err
	}
	if found.Info.String() != e.Info {
		return nil, fault.Hint(fault.New(fault.Failed, "%q was published anew while it was fetched", e.Ref), "fetch it again")
	}
	return m.ContentKeys(found)
}

// tidySealed removes encrypted files that no share of the home is of: a crash or a fetch without a daemon left them. The
// lock of the groups is held, so nobody is making one.
func (n *Node) tidySealed(m *member) error {
	dir := n.sealedDir(m.ID().String())
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := readHome(n.home, store.Read[record])
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, x := range h.named() {
		used[x.rec.Path] = true
	}
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		if !used[path] && strings.HasSuffix(e.Name(), sealedSuffix) {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("removing an encrypted file that is of no use: %w", err)
			}
		}
	}
	return nil
}
