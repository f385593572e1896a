package node

import (
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
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
