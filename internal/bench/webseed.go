package bench

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// The parts of WebSeed.
const (
	WebSeedAlone  = "alone"  // one fetcher, no limit on the link
	WebSeedShaped = "shaped" // one fetcher, a limit
	WebSeedSwarm  = "swarm"  // several fetchers, which can help each other
)

// WebSeedParts returns all parts in order.
func WebSeedParts() []string { return []string{WebSeedAlone, WebSeedShaped, WebSeedSwarm} }

// WebSeedOptions of WebSeed.
type WebSeedOptions struct {
	Size  int64 // for one fetcher
	Rate  int64 // of the limited link, bytes per second
	Swarm Links // of the swarm
	Parts []string
	Kinds []string // nil: all that are installed
	Runs  int
}

// WebSeed measures fetches whose only origin is a web server: one fetcher compared with curl, and a swarm.
func WebSeed(ctx context.Context, e Env, o WebSeedOptions) (*Report, error) {
	for _, p := range o.Parts {
		if !slices.Contains(WebSeedParts(), p) {
			return nil, fault.Hint(fault.New(fault.Usage, "there is no part %q to measure", p), "the parts are %s", strings.Join(WebSeedParts(), ", "))
		}
	}
	if err := checkCounts(o.Swarm.Peers, o.Runs, min(o.Size, o.Swarm.Size)); err != nil {
		return nil, err
	}
	kinds, absent, err := e.choose(o.Kinds, anyClient, false)
	if err != nil {
		return nil, err
	}
	if what := e.missing(clientOf(kindHTTP)); what != "" {
		return nil, fault.Hint(fault.New(fault.NotFound, "%s, which the web seed needs, is not installed", what), "install it: apt-get install %s", clientOf(kindHTTP).install)
	}
	if err := e.needLab(); err != nil {
		return nil, err
	}
	b, err := begin(e, "webseed", "A web server as the only origin", max(3*o.Size, o.Swarm.Size*int64(o.Swarm.Peers+2)))
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.report.Absent = absent
	b.programs(ctx, kinds)
	parts := []struct {
		name, title string
		links       Links
	}{
		{WebSeedAlone, "one fetcher, " + Size(o.Size) + ", no limit on the link", Links{Peers: 1, Size: o.Size}},
		{WebSeedShaped, "one fetcher, " + Size(o.Size) + ", " + mbit(o.Rate), Links{Peers: 1, Size: o.Size, OriginUp: o.Rate, Up: o.Rate, Down: o.Rate}},
		{WebSeedSwarm, fmt.Sprintf("%s, %s, origin up %s, fetchers up %s, down %s", fetchers(o.Swarm.Peers), Size(o.Swarm.Size), mbit(o.Swarm.OriginUp), mbit(o.Swarm.Up), mbit(o.Swarm.Down)), o.Swarm},
	}
	for _, p := range parts {
		if !slices.Contains(o.Parts, p.name) {
			continue
		}
		if err := b.webseed(ctx, p.title, p.links, kinds, o.Runs); err != nil {
			return nil, err
		}
		if p.name == WebSeedSwarm {
			b.report.swarmTable(p.title, kinds, p.links, o.Runs)
			b.report.plot(p.title, "A web server as the only origin, "+p.title, kinds, p.links)
		} else {
			b.report.webseedTable(p.title, kinds, p.links, o.Runs)
		}
	}
	return b.report, nil
}

// webseed runs one part: a network with the given links, and every kind in turn.
func (b *bench) webseed(ctx context.Context, part string, links Links, kinds []string, runs int) error {
	name := fmt.Sprintf("payload-%d.bin", b.labs+1)
	t, err := b.swarm(ctx, links, name, func(path string) error { return noise(path, 1, links.Size) })
	if err != nil {
		return err
	}
	t.http, t.timeout = true, timeLimit(links.Bound(), 0, links.Peers)+unshapedLimit(links.Size)
	t.files = []string{name} // the payloads of other parts are in the same folder
	url := "http://" + net.JoinHostPort(b.lab.ip(origin), strconv.Itoa(httpPort)) + "/" + name
	if err := b.torrent(ctx, filepath.Join(t.source, name), t.torrent, linkPieceOf(links), "--webseed", url); err != nil {
		return err
	}
	return b.rounds(ctx, part, runs, kinds, func(kind string, round int) Run { return t.run(ctx, kind, round) })
}

// linkPieceOf returns the piece length: small for a swarm, which passes on complete pieces, and large for one fetcher.
func linkPieceOf(l Links) int {
	if l.Peers > 1 {
		return pieceLength
	}
	return linkPiece
}

func (r *Report) webseedTable(part string, kinds []string, links Links, runs int) {
	t := Table{
		Title:   fmt.Sprintf("%s: %s", part, turns(runs)),
		Columns: []string{"client", "s", "MB/s", "speed / curl's", "processor s per GB of the fetch", "memory, MB", "received / size", "whole"},
	}
	curl, size := r.median(part, kindHTTP, valueSeconds), float64(links.Size)
	for _, k := range kinds {
		s := r.median(part, k, valueSeconds)
		name := k
		if k == kindHTTP {
			name = "curl, which verifies nothing"
		}
		t.Rows = append(t.Rows, []string{name, number(s, 2), number(over(size/1e6, s), 1), number(over(curl, s), 2), number(r.median(part, k, valueCPU)/size*1e9, 2),
			number(r.median(part, k, valueRSS)/1e6, 0), number(r.median(part, k, valueMoved)/size, 2), r.wholes(part, k)})
	}
	r.Tables = append(r.Tables, t)
}
