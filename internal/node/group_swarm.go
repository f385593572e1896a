package node

import (
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// privateOf finds the private group of a torrent: by its ID, or, without one, the group whose catalog has the torrent.
func (s *groups) privateOf(m *metafile.Torrent, id string) (*member, error) {
	for _, in := range s.list() {
		if in.Link().Kind == signed.Private && in.ID().String() == id {
			return in, nil
		}
	}
	return nil, errNotIn(m)
}

// private is the torrent client for content of the group.
func (m *member) private() (*engine.Engine, error) {
	return nil, fault.New(fault.Denied, "%q is not a private group", m.Name())
}

// addresses are those of members.
func (m *member) addresses() (out []string) {
	for _, nb := range m.crowd.Neighbours() {
		out = append(out, nb.Addr)
	}
	return out
}

// privateGroup is the private group with an ID.
func (n *Node) privateGroup(id string) (*member, error) {
	if s := n.groups.Load(); s != nil {
		for _, m := range s.list() {
			if m.Link().Kind == signed.Private && m.ID().String() == id {
				return m, nil
			}
		}
	}
	return nil, fault.Hint(fault.New(fault.NotFound, "this home is not in the private group that the content is of"), "join it again with p2pshare group join LINK")
}

// contentKeys are what an entry's content opens with.
func (m *member) contentKeys(e *SignedEntry) ([]seal.Identity, error) {
	return nil, fault.New(fault.Denied, "%q is sealed to others", e.Ref)
}
