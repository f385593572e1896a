package engine

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"

	"github.com/p2pshare/p2pshare/internal/netguard"
)

// Between two machines on one network the processors are the bound, and not the link: the blocks of 16 KiB that BitTorrent
// asks for, with their messages, locks and copies, cost twice what the bytes do. So peers of p2pshare that are near each
// other give whole pieces over HTTP, on the port they listen on, as long as there is only one to give to: what an only
// fetcher gets it cannot pass on. Who gives says so in its extension handshake (BEP 10), as a message nearExtension that
// is never sent; [Torrent.Near] is whom to ask, and nearserve.go answers.

// nearExtension is offered by who answers requests for whole pieces.
const nearExtension pp.ExtensionName = "ps_pieces"

// nearCounts are bytes of payload that went beside the engine.
type nearCounts struct{ got, sent atomic.Int64 }

// noteOffer remembers a peer that gives whole pieces, and where.
func (e *Engine) noteOffer(pc *torrent.PeerConn, d *pp.ExtendedHandshakeMessage) {
	addr := e.addrOf(pc)
	if d.M[nearExtension] == 0 || d.Port <= 0 || d.Port > 65535 || e.members != nil || !near(addr) {
		return
	}
	host, _, _ := net.SplitHostPort(addr) // near has read it
	if ip := ipOf(addr); netguard.JudgePeer(netip.AddrPortFrom(ip, uint16(d.Port)), ip) != nil {
		return // a request of HTTP is no less of a command than a handshake
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.offers[pc] = net.JoinHostPort(host, strconv.Itoa(d.Port))
}

// Near lists where whole pieces can be asked for, as URLs to which [NearPieces] is added: all connected peers, if they are
// near and offer it; else none. Whether they will give is for them to say.
func (t *Torrent) Near() []string {
	conns := t.t.PeerConns()
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	var urls []string
	for _, pc := range conns {
		at := t.e.offers[pc]
		if at == "" {
			return nil
		}
		urls = append(urls, fmt.Sprintf("http://%s%s%x/", strings.Replace(at, "%", "%25", 1), nearPath, t.shorts()[0]))
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}

// NearPieces is what asks for pieces begin to end, end not included, below a URL of Near.
func NearPieces(begin, end int) string { return fmt.Sprintf("%d-%d", begin, end) }

// HaveNear is Have for a piece that came from peers near us.
func (t *Torrent) HaveNear(piece int, bytes int64) {
	t.near.got.Add(bytes)
	t.keep(piece)
}
