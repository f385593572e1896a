package groupsync

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http/httptrace"
	"net/netip"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Torrent asks for the .torrent with a hash, and gives it if it has that hash.
func (p *Peer) Torrent(ctx context.Context, hash signed.Hash, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*answerTime)
	defer cancel()
	b, err := p.fetch(ctx, "/v1/torrent/"+hash.String(), limit)
	if err != nil {
		return nil, err
	}
	if signed.HashOf(b) != hash {
		return nil, &PeerError{errors.New("a torrent with another hash than was asked for")}
	}
	return b, nil
}

// Have asks of which torrents the peer holds content that we may have.
func (p *Peer) Have(ctx context.Context) ([][20]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var out [][20]byte
	err := p.list(ctx, "/v1/have", "have", maxHave, 1024, nil, func(s string) error {
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != 20 {
			return &PeerError{fmt.Errorf("%.50q is no infohash", s)}
		}
		out = append(out, [20]byte(b))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Peers asks at which addresses the peer has met members, and gives those that it may name.
func (p *Peer) Peers(ctx context.Context) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	// What a member may name goes by where it is, not by the name it was called by.
	var from netip.Addr
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(i.Conn.RemoteAddr().String()); err == nil {
			from = at.Addr()
		}
	}})
	var in peersAnswer
	if err := p.get(ctx, "/v1/peers", maxPeersBody, &in); err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, 0, len(in.Peers))
	for _, s := range in.Peers[:min(len(in.Peers), maxPeersTold)] {
		a, err := netip.ParseAddrPort(s)
		if err != nil || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
			return nil, &PeerError{fmt.Errorf("%.50q is no address of a member", s)}
		}
		if netguard.JudgeMember(a, from) == nil {
			out = append(out, a)
		}
	}
	return out, nil
}

// Slot asks for the password slot of a tag. What comes may be anything: the password tells.
func (p *Peer) Slot(ctx context.Context, tag signed.Key) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return p.fetch(ctx, "/v1/slot/"+tag.String(), maxSlot)
}

// Roots takes the roots that are new at the peer.
func (p *Peer) Roots(ctx context.Context) error {
	_, err := p.pullRoots(ctx)
	return err
}
