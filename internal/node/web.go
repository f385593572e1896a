package node

import (
	"context"
	"net/http"
	"slices"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

// redirects makes a transport of a client, so that its judgement of redirects holds for web seeds too.
type redirects struct {
	client  *http.Client
	refused func(error) error // is shown every error
}

func (r redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.client.Do(req.Clone(req.Context()))
	return res, r.refused(err)
}

// peersOf is a torrent's swarm as web seeds see it.
type peersOf struct{ *engine.Torrent }

func (p peersOf) Look() webseed.View { return webseed.View(p.Standing()) }

// nearOf is peersOf where the pieces come from peers near us.
type nearOf struct{ peersOf }

func (p nearOf) Have(piece int, bytes int64) { p.HaveNear(piece, bytes) }

// limitOf is a torrent's limit on what it receives.
type limitOf struct{ t *engine.Torrent }

func (l limitOf) Most() int                             { return l.t.Most() }
func (l limitOf) Wait(ctx context.Context, n int) error { return l.t.Carry(ctx, n) }

// webSeeds are the URLs of the torrent, the reference and the flags. A private group has none: a web server gives to
// everyone.
func (f *fetch) webSeeds() []string {
	if f.w.in != nil {
		return nil
	}
	return slices.Concat([]string(f.meta.Meta.UrlList), f.ref.WebSeeds, f.r.WebSeeds)
}

// fromWeb fetches from web seeds until nothing is missing or ctx ends. An error is the disk's.
func (f *fetch) fromWeb(ctx context.Context, ranges []fetcher.Range) error {
	urls := f.webSeeds()
	if len(urls) == 0 {
		return nil
	}
	client := f.n.guard.Client()
	defer client.CloseIdleConnections()
	o := f.besides(ranges)
	o.URLs, o.Swarm, o.Outlook = urls, peersOf{f.t}, &f.web
	o.HTTP = redirects{client, f.n.refused}
	o.Tell = func(message string) { warn(f.on, "%s", message) }
	return webseed.Run(ctx, o)
}

// besides is what is the same for web seeds and peers near us.
func (f *fetch) besides(ranges []fetcher.Range) webseed.Options {
	o := webseed.Options{
		Torrent: f.meta, Layout: f.plan.Layout(), Store: f.stage.Whole(), Limit: limitOf{f.t},
		Agent: "p2pshare/" + f.n.opts.Version, Log: f.n.log,
	}
	for _, r := range ranges {
		o.Wanted = append(o.Wanted, [2]int{r.Begin, r.End})
	}
	return o
}
