package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	alog "github.com/anacrolix/log"
	"github.com/anacrolix/torrent"
	"golang.org/x/time/rate"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/state"
)

// dhtNode is our place in the DHT (BEP 5, BEP 32): one server a family.
type dhtNode struct {
	servers []*dht.Server
	first   *bootstrap
	known   *dhtKnown
	turns   *dhtTurns
	answers int // that one search takes
	file    string
	log     *slog.Logger
}

// dhtFile is what is kept of the DHT between runs.
type dhtFile struct {
	Nodes []savedNode `json:"nodes"`
}

type savedNode struct {
	ID   string `json:"id"` // 40 hex digits
	Addr string `json:"addr"`
}

const dhtFileVersion = 1

func startDHT(ctx context.Context, s Settings, conns []net.PacketConn) (*dhtNode, error) {
	n := &dhtNode{known: &dhtKnown{}, turns: newDHTTurns(time.Now()), answers: dhtMaxAnswers, file: s.DHTFile, log: s.Log}
	first := newBootstrap(ctx, s.DHTNodes, n.known.named)
	n.first = first
	quiet := alog.NewLogger("dht")
	quiet.SetHandlers(alog.DiscardHandler)
	for _, c := range conns {
		cfg := dht.NewDefaultServerConfig()
		cfg.Conn = guardedConn{c, n.known, &dhtPorts{now: time.Now}, rate.NewLimiter(dhtFindsEach, dhtFinds)}
		cfg.StartingNodes = first.nodes
		cfg.PeerStore = newPeerStore(time.Now)
		cfg.Store = newItemStore(time.Now)
		cfg.Exp = dhtItemLife
		// The library's default limiter is one for the whole process.
		cfg.SendLimiter = rate.NewLimiter(250, 50)
		cfg.Logger = quiet
		// find_node and get name their target in "target", and the library looks in "info_hash".
		cfg.OnQuery = func(q *krpc.Msg, _ net.Addr) bool {
			if q.A != nil && (q.Q == "find_node" || q.Q == "get") {
				q.A.InfoHash = q.A.Target
			}
			return true
		}
		srv, err := dht.NewServer(cfg)
		if err != nil {
			n.close()
			return nil, fmt.Errorf("starting the DHT on %v: %w", c.LocalAddr(), err)
		}
		n.servers = append(n.servers, srv)
		// It looks for the end only between its rounds, of up to a minute, and so is not waited for; it holds
		// nothing and sends nothing once its server is closed.
		go panics.Persist(ctx, srv.TableMaintainer, panics.Logged(s.Log, "the table of the DHT"))()
	}
	n.load()
	return n, nil
}

// announce tells the DHT that we have, or want, short, and hands every peer it hears of to found. It
// returns when the traversal is done.
func (n *dhtNode) announce(ctx context.Context, short [20]byte, port int, found func(addr string)) {
	families := panics.Group{Failed: panics.Logged(n.log, "announcing to the DHT")}
	defer families.Wait()
	for _, srv := range n.servers {
		families.Start(func() {
			var say []dht.AnnounceOpt
			if port > 0 {
				say = append(say, dht.AnnouncePeer(dht.AnnouncePeerOpts{Port: port}))
			}
			// The library would look up names where the table is empty, whatever becomes of ctx.
			known := srv.Stats().GoodNodes > 0 || n.first.wait(ctx)
			if ctx.Err() != nil || !known && srv.Stats().Nodes == 0 {
				return
			}
			a, err := srv.AnnounceTraversal(short, say...)
			if err != nil {
				n.log.Debug("announcing to the DHT", "err", err)
				return
			}
			defer a.Close()
			longest := time.NewTimer(dhtLongest)
			defer longest.Stop()
			for heard, answers := 0, 0; heard < dhtMaxHeard; {
				select {
				case <-longest.C:
					a.StopTraversing() // those that were found are told, and Peers closed
				case v, ok := <-a.Peers:
					if !ok {
						return
					}
					if answers++; answers == n.answers {
						a.StopTraversing()
					}
					from, _ := netip.AddrFromSlice(v.Addr.IP)
					for _, p := range v.Peers[:min(len(v.Peers), dhtMaxPeers)] {
						if ap, ok := peerAddr(p.IP, p.Port); ok && netguard.JudgePeer(ap, from) == nil {
							heard++
							found(ap.String())
						}
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

func (n *dhtNode) goodNodes() int {
	good := 0
	for _, s := range n.servers {
		good += s.Stats().GoodNodes
	}
	return good
}

func (n *dhtNode) close() error {
	err := n.save()
	for _, s := range n.servers {
		s.Close()
	}
	return err
}

// load adds the nodes of the last run. A file that cannot be read costs a slower start, no more.
func (n *dhtNode) load() {
	if n.file == "" {
		return
	}
	var f dhtFile
	if err := state.ReadVersioned(n.file, dhtFileVersion, &f); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			n.log.Warn("the saved DHT nodes cannot be used", "err", err)
		}
		return
	}
	for _, s := range f.Nodes {
		ap, err := netip.ParseAddrPort(s.Addr)
		id, err2 := hex.DecodeString(s.ID)
		if err != nil || err2 != nil || len(id) != 20 {
			continue
		}
		ni := krpc.NodeInfo{Addr: krpc.NodeAddr{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}}
		copy(ni.ID[:], id)
		n.known.met(ap)
		for _, srv := range n.servers {
			if sameFamily(srv.Addr(), ap.Addr()) {
				_ = srv.AddNode(ni) // a full bucket is no loss
			}
		}
	}
}

func (n *dhtNode) save() error {
	if n.file == "" {
		return nil
	}
	var f dhtFile
	for _, srv := range n.servers {
		for _, ni := range srv.Nodes() {
			ap, ok := peerAddr(ni.Addr.IP, ni.Addr.Port)
			if ok && len(f.Nodes) < dhtMaxSavedNodes {
				f.Nodes = append(f.Nodes, savedNode{hex.EncodeToString(ni.ID[:]), ap.String()})
			}
		}
	}
	if len(f.Nodes) == 0 {
		return nil // a run without network must not forget what an earlier one knew
	}
	return state.WriteVersioned(n.file, dhtFileVersion, f)
}

func sameFamily(local net.Addr, ip netip.Addr) bool {
	u, ok := local.(*net.UDPAddr)
	return ok && (u.IP.To4() != nil) == ip.Unmap().Is4()
}

// pingOnly is the part of our DHT that the client is shown: it answers PORT messages (BEP 5) with a
// ping. Announcing is our own loop's work.
type pingOnly struct{ *dht.Server }

func (p pingOnly) Stats() any { return p.Server.Stats() }

func (p pingOnly) Ping(a *net.UDPAddr) {
	if at := a.AddrPort(); netguard.JudgePeer(at, at.Addr()) != nil {
		return // the peer chose the port
	}
	p.PingQueryInput(a, dht.QueryInput{RateLimiting: dht.QueryRateLimiting{NoWaitFirst: true}})
}

func (p pingOnly) Announce([20]byte, int, bool) (torrent.DhtAnnounce, error) {
	return nil, errors.New("the DHT is announced to elsewhere")
}
