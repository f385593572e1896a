package engine

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime"

	"github.com/anacrolix/torrent"
	"golang.org/x/time/rate"
)

// Settings are fixed for the life of an Engine.
type Settings struct {
	// ListenHost is an IP address; empty: all addresses of both families.
	ListenHost string
	Port       int // TCP and UDP; 0: a free one

	NoDHT    bool
	DHTNodes []string // host:port to start from instead of the public ones
	// DHTFile keeps good nodes from one run to the next; empty: they are forgotten.
	DHTFile string

	NoLAN  bool
	NoUPnP bool
	UTP    bool

	MaxUp, MaxDown int64 // bytes a second; 0: no limit

	// Descriptors is how many files and connections the process may have open, by which places are given; 0: as many as
	// the system says.
	Descriptors uint64

	SuperSeed SuperSeed // of torrents that are complete here

	// Trackers asks HTTP trackers, and Judge is asked before a packet goes to ip, to which the host of addr,
	// a UDP tracker's host:port, resolved. They are where requests that a stranger's torrent asks for are kept off
	// private networks. Both are required.
	Trackers TrackerClient
	Judge    func(addr string, ip netip.Addr) error

	// TLS, if not nil, is given the connections to the port that begin with a TLS handshake. It returns at once, and
	// closes them some time.
	TLS func(net.Conn)

	Version string // of p2pshare, for the extension handshake
	Log     *slog.Logger
}

const (
	// peerIDPrefix is BEP 20's form. "Ps" is not in any list of clients.
	peerIDPrefix = "-Ps0100-"
)

// clientConfig turns off what the engine has of its own for finding peers (trackers, DHT, LAN): ours
// announce oftener at the start, try failed addresses again and can be closed.
func (e *Engine) clientConfig() *torrent.ClientConfig {
	s := e.settings
	c := torrent.NewDefaultClientConfig()
	c.ListenPort = e.port.number
	// Connections come from listeners and dialers of ours; see conns.go.
	c.DisableTCP = true
	c.DisableUTP = true
	c.DialForPeerConns = false
	// Without Seed a finished torrent neither dials nor accepts.
	c.Seed = true
	// Obfuscation is done beneath the client; see obfuscated.go.
	c.HeaderObfuscationPolicy = torrent.HeaderObfuscationPolicy{Preferred: false, RequirePreferred: true}
	c.NoDHT = true
	c.DisableTrackers = true
	c.PeriodicallyAnnounceTorrentsToDht = false
	c.LocalServiceDiscovery = nil
	c.NoDefaultPortForwarding = s.NoUPnP
	c.UpnpID = "p2pshare"
	c.DisableWebtorrent = true
	c.DisableWebseeds = true     // internal/webseed does it
	c.DefaultStorage = emptied{} // its own default would make files in the working folder

	// Rates are held in the connections; see shaper.go.
	c.UploadRateLimiter = rate.NewLimiter(rate.Inf, 0)
	c.DownloadRateLimiter = nil
	// A fetch on a LAN finds its peers at once and should not wait for a token to dial them.
	c.DialRateLimiter = rate.NewLimiter(50, 50)
	// A hundred fetchers that meet at one origin are all served; each costs some 300 KB.
	c.EstablishedConnsPerTorrent = torrentConns
	// With a limit the client looks at no more than that many bytes of pieces in the order it wants them, those that
	// nobody has first, and asks a peer that has none of them for nothing: a fetch of 400 MB from a super-seeding
	// origin took thirty times as long with one of 32 MiB.
	c.MaxUnverifiedBytes = 0
	c.PieceHashersPerTorrent = max(2, runtime.NumCPU())
	c.MaxAllocPeerRequestDataPerConn = readyBytes

	// The client would drop a peer that has everything the moment we have too, with the word that we do unsent: who counts
	// copies would never hear of it. See dropSeeds.
	c.DropMutuallyCompletePeers = false

	// A block that was asked for is not asked of another at once: without this a fifth of all blocks came twice in a
	// swarm whose links are full.
	c.StealRequestGrace = stealGrace
	c.ExtendedHandshakeClientVersion = "p2pshare " + s.Version
	c.Bep20 = peerIDPrefix
	c.Slogger = s.Log
	c.Callbacks.CompletedHandshake = e.onHandshake
	c.Callbacks.ReadMessage = e.onMessage
	c.Callbacks.PeerConnAdded = append(c.Callbacks.PeerConnAdded, e.offer)
	c.Callbacks.ReadExtendedHandshake = e.onExtendedHandshake
	c.Callbacks.PeerConnClosed = e.onClosed
	return c
}
