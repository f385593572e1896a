package access

import (
	"errors"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
)

// Standing is what the key of a peer is to a private group.
type Standing int

const (
	Stranger Standing = iota
	Lobby             // it has the link: it may read roots and slots
	Login             // it has the key of an account or invite: it may read logs, and hand in its device's
	Member            // it is a device of an active account
)

// ErrStranger is for the audit: who is not let in hears nothing.
var ErrStranger = errors.New("it is neither a device of the group nor has its link")

// ErrNoRight is the answer to who asks for what is not for it, or is not here.
var ErrNoRight = errors.New("it may not have this")

// Connect judges a connection by one of groupnet's protocols.
func (s Standing) Connect(protocol string) error {
	switch {
	case s == Stranger:
		return ErrStranger
	case protocol == groupnet.Swarm && s != Member:
		return ErrNoRight
	}
	return nil
}

// Calls are what a peer may ask for. A public group is read by anyone, and takes what its signatures vouch for from anyone.
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

// Hears says whether a peer is handed what is new.
func (s Standing) Hears(private bool) bool { return !private || s == Member }
