package node

import (
	"context"
	"errors"
)

// Doctor says why nothing moves.
func (n *Node) Doctor(context.Context, DoctorRequest, func(Event)) (*Diagnosis, error) {
	return nil, errors.New("being built")
}
