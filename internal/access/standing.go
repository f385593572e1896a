package access

import (
	"errors"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
)

// Standing is the relation of a peer's key to a private group.
type Standing int

const (
	Stranger Standing = iota
	Lobby             // has the link: may read roots and slots
	Login             // has the key of an account or invite: may read logs, and submit its device's
	Member            // a device of an active account
)

// ErrStranger is only for the audit: a stranger gets no answer.
var ErrStranger = errors.New("it is not a device of the group and does not have its link")

// ErrNoRight is returned for a request that the peer has no right to, or for something that is not here.
var ErrNoRight = errors.New("it has no right to this")

// Connect decides whether a peer may connect by one of groupnet's protocols.
func (s Standing) Connect(protocol string) error {
	switch {
	case s == Stranger:
		return ErrStranger
	case protocol == groupnet.Swarm && s != Member:
		return ErrNoRight
	}
	return nil
}

// Calls returns what a peer may ask for. Anyone may read a public group, and hand in what is signed correctly.
func (s Standing) Calls(private bool) groupsync.Rights {
	if !private {
		return groupsync.Rights{Root: true, Read: true, Push: true, Content: true}
	}
	return groupsync.Rights{
		Root: s >= Lobby, Slot: s >= Lobby,
		Read: s >= Login, Push: s >= Login,
		Content: s == Member,
	}
}

// Hears reports whether a peer is sent new records.
func (s Standing) Hears(private bool) bool { return !private || s == Member }
