package localapi

import (
	"context"

	"github.com/p2pshare/p2pshare/internal/node"
)

// Backend is what is served: a node. Client is one too.
type Backend interface {
	Transfers
	Shares
	Service
	Groups
}

// Transfers run until they are done; on hears what happens, from one goroutine at a time.
type Transfers interface {
	Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error
	Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error
	Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error
	Repair(ctx context.Context, r node.RepairRequest, on func(node.Event)) error
}

// Shares is what the home keeps.
type Shares interface {
	Status(ctx context.Context, r node.StatusRequest) (*node.Status, error)
	Change(ctx context.Context, r node.ChangeRequest) ([]node.Share, error)
	Remove(ctx context.Context, r node.RemoveRequest) ([]node.Share, error)
}

// Service is what else a node does.
type Service interface {
	Verify(ctx context.Context, r node.VerifyRequest, on func(node.Event)) (*node.Verified, error)
	Limit(ctx context.Context, r node.LimitRequest) (*node.Limited, error)
	Doctor(ctx context.Context, r node.DoctorRequest, on func(node.Event)) (*node.Diagnosis, error)
}

// Groups are the groups that the home has joined, and what they share.
type Groups interface {
	Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error)
	Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error)
}
