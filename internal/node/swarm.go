package node

import (
	"context"
	"slices"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

// swarm is where a torrent moves: among everyone, or among the members of a private group alone.
type swarm struct {
	*engine.Engine
	in *member // the private group; nil: everyone
}

// swarmOf gives the swarm of a torrent that is told: that of the private group with an ID, or that of everyone. A torrent
// that was made for a private group never goes to everyone, whoever asks for it and however.
func (n *Node) swarmOf(ctx context.Context, m *metafile.Torrent, group string) (swarm, error) {
	if group == "" && !m.OfGroup {
		e, err := n.network()
		return swarm{Engine: e}, err
	}
	s, err := n.openGroups(ctx)
	if err != nil {
		return swarm{}, err
	}
	in, err := s.privateOf(m, group)
	if err != nil {
		return swarm{}, err
	}
	in.insiders.moves(m)
	e, err := in.insideClient()
	return swarm{e, in}, err
}

// listed finds the private group that lists a torrent, and what it is called there, as far as this process has groups open.
func (n *Node) listed(v1 *metainfo.Hash, v2 *[32]byte) (*member, string) {
	s := n.groups.Load()
	if s == nil {
		return nil, ""
	}
	for _, h := range shortHashes(&metafile.Torrent{V1: v1, V2: v2}) {
		for _, m := range s.list() {
			if !m.private() {
				continue
			}
			if list, err := m.entriesOf(h); err == nil && len(list) > 0 {
				return m, list[0].Ref()
			}
		}
	}
	return nil, ""
}

// spec is what the engine is told of a torrent whose info is known. Trackers of the command line are
// tiers of their own, so that they are announced to beside the torrent's. In a private group there are members, and
// nothing else.
func (w swarm) spec(ctx context.Context, n *Node, m *metafile.Torrent, peers, announce []string, on func(Event)) engine.Spec {
	s := engine.Spec{V1: m.V1, V2: m.V2, Name: m.Name, Info: m.Meta.InfoBytes, Judged: m.Info, PieceLayers: m.Meta.PieceLayers}
	s.Peers = resolvePeers(ctx, slices.Concat(peers, n.opts.Network.Peers), on)
	if w.in != nil {
		s.Peers = append(s.Peers, w.in.addresses()...)
		return s
	}
	s.Trackers = n.tiers(append(m.Meta.UpvertedAnnounceList(), single(announce)...))
	return s
}

// magnetFor is the link that brings a torrent to everyone; none where it is not for everyone.
func magnetFor(m *metafile.Torrent) string {
	if m.OfGroup {
		return ""
	}
	return m.Magnet(announceList(m), m.Meta.UrlList, nil)
}

// errNotIn is a torrent of a private group that this home is not in.
func errNotIn(m *metafile.Torrent) error {
	return fault.Hint(fault.New(fault.Denied, "%q was published in a private group, and this home is not in it", m.Name),
		"join the group and fetch it by its name: p2pshare group join LINK")
}
