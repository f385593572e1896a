package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/state"
)

// A backup keeps beside the content, in the folder it follows the group into, what is needed to bring the group back with
// nothing but that folder and an account's password.
const (
	backupDir      = ".p2pshare-group"
	backupArchive  = "group.p2pgroup"
	backupTorrents = "torrents"
)

// backUp brings the copy of the group beside a backup's content up to date.
func (m *member) backUp(dir string) {
	me, err := m.Account()
	if err != nil || me.Role != acl.Backup {
		return
	}
	if err := m.copyTo(filepath.Join(dir, backupDir)); err != nil {
		m.s.n.log.Error("a backup of a group could not be brought up to date", "group", m.Name(), "folder", dir, "error", err)
	}
}

func (m *member) copyTo(dir string) error {
	torrents := filepath.Join(dir, backupTorrents)
	if err := os.MkdirAll(torrents, 0o700); err != nil {
		return err
	}
	if _, _, err := m.WriteArchive(filepath.Join(dir, backupArchive), 0o600); err != nil {
		return err
	}
	return copyTorrents(filepath.Join(m.Dir(), backupTorrents), torrents)
}

// copyTorrents copies the files of a folder that another does not have yet. They are named by their hashes.
func copyTorrents(from, to string) error {
	list, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		at := filepath.Join(to, e.Name())
		if _, err := os.Lstat(at); err == nil || !e.Type().IsRegular() {
			continue
		}
		b, err := readLimited(filepath.Join(from, e.Name()), maxTorrentBytes)
		if err != nil {
			return err
		}
		if err := state.WriteFile(at, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// restore joins a group from what a backup keeps beside its content, with an account's password: no member need be there.
func (s *groups) restore(ctx context.Context, r GroupRequest, on func(Event)) (*GroupAnswer, error) {
	q, dir := *r.Restore, filepath.Join(r.Group, backupDir)
	archive := filepath.Join(dir, backupArchive)
	if _, err := os.Lstat(archive); err != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "there is no backup of a group in %q: %w", r.Group, err),
			"name the folder that a member of the role backup follows the group into; it holds a folder %s", backupDir)
	}
	_, err := s.join(ctx, GroupRequest{Group: archive, Offline: true, Join: &JoinGroup{
		As: q.As, User: q.User, Password: q.Password, Label: q.Label,
	}}, on)
	if err != nil {
		return nil, err
	}
	a, err := group.ReadArchive(archive)
	if err != nil {
		return nil, err
	}
	m, err := s.get(a.Group.String())
	if err != nil {
		return nil, err
	}
	to := filepath.Join(m.Dir(), backupTorrents)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	if err := copyTorrents(filepath.Join(dir, backupTorrents), to); err != nil {
		return nil, err
	}
	if q.Follow {
		if _, err := m.setFollow(Follow{Dir: r.Group}); err != nil {
			return nil, err
		}
	}
	return m.show()
}

// followed is what a daemon mirrors of the group. Backups and mirrors are there for nothing else.
func (m *member) followed() *group.Follow {
	if f := m.Settings().Follow; f != nil || !m.private() {
		return f
	}
	me, err := m.Account()
	if err != nil || me.Role != acl.Backup && me.Role != acl.Mirror {
		return nil
	}
	return &group.Follow{Dir: m.s.n.home.Path("mirror", m.Name())}
}
