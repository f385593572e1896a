package main

import (
	"context"
	"os"
	"sync"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/localapi"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// here is the node of this process, where no daemon runs. The groups of a home are one process's at a time. A command that shares or fetches
// may hold them for hours, and then serves on a socket of its own what other commands ask of them.
type here struct {
	*node.Node
	settings cli.Settings

	mu      sync.Mutex
	holds   bool // the groups
	long    bool // something is under way that holds them
	serving chan struct{}
	stop    context.CancelFunc // of what serves; nil: nothing does
}

func openHere(ctx context.Context, s cli.Settings) (*here, error) {
	h := &here{settings: s}
	n, err := openNode(ctx, s, func() { h.change(func() { h.holds = true }) })
	h.Node = n
	if err != nil {
		return nil, err
	}
	return h, nil
}

// groupsElsewhere is the process that serves the groups of a home; 0: none.
func groupsElsewhere(ctx context.Context, s cli.Settings) int {
	c, err := localapi.DialGroups(ctx, s.Home, s.Version)
	if err != nil || c.About().PID == os.Getpid() {
		return 0
	}
	return c.About().PID
}

// Group is carried out by the process that holds the groups, if there is one.
func (h *here) Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error) {
	if c := h.holder(ctx); c != nil {
		return c.Group(ctx, r, on)
	}
	return h.Node.Group(ctx, r, on)
}

// Catalog is as Group.
func (h *here) Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error) {
	if c := h.holder(ctx); c != nil {
		return c.Catalog(ctx, r, on)
	}
	return h.Node.Catalog(ctx, r, on)
}

func (h *here) holder(ctx context.Context) *localapi.Client {
	h.mu.Lock()
	holds := h.holds
	h.mu.Unlock()
	if holds || h.settings.Alone {
		return nil
	}
	c, err := localapi.DialGroups(ctx, h.settings.Home, h.settings.Version)
	if err != nil {
		return nil // what is wrong then is told by who wants the lock
	}
	return c
}

// Publish serves the groups while it lasts.
func (h *here) Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error {
	defer h.serve()()
	return h.Node.Publish(ctx, r, on)
}

// Fetch is as Publish.
func (h *here) Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error {
	defer h.serve()()
	return h.Node.Fetch(ctx, r, on)
}

// Seed is as Publish.
func (h *here) Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error {
	defer h.serve()()
	return h.Node.Seed(ctx, r, on)
}

// serve has the groups served as soon as this process holds them, until end is called.
func (h *here) serve() (end func()) {
	h.change(func() { h.long = true })
	return func() {
		h.mu.Lock()
		h.long = false
		stop, serving := h.stop, h.serving
		h.stop = nil
		h.mu.Unlock()
		if stop != nil {
			stop()
			<-serving
		}
	}
}

// change notes something, and begins to serve when all is there that it takes.
func (h *here) change(note func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	note()
	if !h.holds || !h.long || h.stop != nil {
		return
	}
	log := h.settings.Log
	socket, err := localapi.ListenGroups(h.settings.Home, os.Getenv("XDG_RUNTIME_DIR"))
	if err != nil {
		log.Warn("other commands cannot ask this process of its groups", "error", err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	server := localapi.NewServer(localapi.Options{Backend: h.Node, Home: h.settings.Home, Version: h.settings.Version, Log: log, GroupsAlone: true})
	serving := make(chan struct{})
	h.stop, h.serving = stop, serving
	go panics.Guard(func() { // until stop
		defer close(serving)
		if err := server.Serve(ctx, socket); err != nil {
			log.Warn("other commands cannot ask this process of its groups any more", "error", err)
		}
	}, panics.Logged(log, "serving what is asked of groups"))()
}
