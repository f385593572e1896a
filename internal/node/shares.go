package node

import (
	"context"
	"errors"
)

var errUnbuilt = errors.New("the store is being built")

// Daemon says whether this is a daemon's node seen over its socket.
func (n *Node) Daemon() bool { return false }

// Status says how the node and its shares stand.
func (n *Node) Status(context.Context, StatusRequest) (*Status, error) { return nil, errUnbuilt }

// Change starts or stops shares.
func (n *Node) Change(context.Context, ChangeRequest) ([]Share, error) { return nil, errUnbuilt }

// Remove forgets shares.
func (n *Node) Remove(context.Context, RemoveRequest) ([]Share, error) { return nil, errUnbuilt }

// Limit changes rates and policies.
func (n *Node) Limit(context.Context, LimitRequest) (*Limited, error) { return nil, errUnbuilt }

// Doctor says why nothing moves.
func (n *Node) Doctor(context.Context, DoctorRequest, func(Event)) (*Diagnosis, error) {
	return nil, errUnbuilt
}
