package node

import (
	"errors"
	"net/http"
	"sync"
	"time"

	limits "golang.org/x/time/rate"

	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// errLobbyFull is who has the link alone and asks for more than people do who join.
var errLobbyFull = errors.New("too many came with the link alone from there")

// door is what the server knows of the group.
func (m *member) door() *groupnet.Group {
	g := &groupnet.Group{Identity: m.Device(), Sync: m.sync, Admit: func(signed.Key, string) error { return m.gone() }}
	if m.private() {
		g.Admit, g.Room, g.Refused, g.Swarm = m.admit, m.lobby.room(m), m.noteRefused, m.takeSwarm
	}
	return g
}

// errLeft is a group that this home has left, while a connection of it was still open.
var errLeft = errors.New("the group was left")

func (m *member) gone() error {
	if m.left.Load() {
		return errLeft
	}
	return nil
}

// admit judges a connection to a private group by the key of its other end.
func (m *member) admit(k signed.Key, protocol string) error {
	if err := m.gone(); err != nil {
		return err
	}
	st, _ := m.Standing(k)
	return st.Connect(protocol)
}

// rights is what a caller may, at the moment of the call.
func (m *member) rights(r *http.Request) groupsync.Rights {
	st := access.Stranger
	if k, err := groupnet.PeerKey(r); err == nil && m.private() {
		st, _ = m.Standing(k)
	}
	return st.Calls(m.private())
}

// proven says whether a caller has shown the key of a member's device, and which.
func (m *member) proven(r *http.Request) (string, bool) {
	k, err := groupnet.PeerKey(r)
	if err != nil {
		return "", false
	}
	if m.private() {
		st, _ := m.Standing(k)
		return k.String(), st == access.Member
	}
	s, err := m.State()
	if err != nil {
		return "", false
	}
	_, err = s.Admit(k, time.Now())
	return k.String(), err == nil
}

// keysAt are whom this machine has met at which address.
type keysAt struct {
	mu   sync.Mutex
	keys map[string]signed.Key
}

// errPutOut is a member whom this machine does not call any more.
var errPutOut = errors.New("it was removed from the group")

// note takes the key that answered at an address, and refuses one that was removed. One that is not known may have joined
// while this machine was away: it is listened to, and told nothing.
func (m *member) note(addr string, k signed.Key) error {
	if !m.private() {
		return nil
	}
	m.at.mu.Lock()
	defer m.at.mu.Unlock()
	if m.at.keys == nil || len(m.at.keys) >= maxLobbyHosts {
		m.at.keys = map[string]signed.Key{}
	}
	m.at.keys[addr] = k
	if m.removed(k) {
		return errPutOut
	}
	return nil
}

// removed says whether a key is of somebody who once was in the group, and is not any more.
func (m *member) removed(k signed.Key) bool {
	s, err := m.State()
	if err != nil {
		return false
	}
	if _, known := s.Device(k); !known {
		return false
	}
	_, err = s.Admit(k, time.Now())
	return err != nil
}

// mayHear says whether who is at an address is handed what is new here: in a private group members alone.
func (m *member) mayHear(addr string) bool {
	if !m.private() {
		return true
	}
	m.at.mu.Lock()
	k, met := m.at.keys[addr]
	m.at.mu.Unlock()
	st, _ := m.Standing(k)
	return met && st.Hears(true)
}

// torrentFor gives a .torrent to who may have its content.
func (m *member) torrentFor(r *http.Request, h signed.Hash) []byte {
	if m.private() {
		k, err := groupnet.PeerKey(r)
		if err != nil || !m.mayTake(k, h) {
			return nil
		}
	}
	return m.torrentFile(h)
}

// lobby bounds what comes from an address with the link alone: who joins comes once, who guesses at names comes often.
type lobby struct {
	mu    sync.Mutex
	hosts map[string]*limits.Limiter
}

const (
	// lobbyBurst and lobbyEvery let an office of people join at once through one router, and one every second after.
	lobbyBurst = 60
	lobbyEvery = time.Second
	// maxLobbyHosts bounds the addresses that are counted: with more, all begin anew.
	maxLobbyHosts = 4096
)

func (l *lobby) room(m *member) func(signed.Key, string) error {
	return func(k signed.Key, host string) error {
		if st, _ := m.Standing(k); st != access.Lobby {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.hosts == nil || len(l.hosts) >= maxLobbyHosts {
			l.hosts = map[string]*limits.Limiter{}
		}
		if l.hosts[host] == nil {
			l.hosts[host] = limits.NewLimiter(limits.Every(lobbyEvery), lobbyBurst)
		}
		if !l.hosts[host].Allow() {
			return errLobbyFull
		}
		return nil
	}
}

// identity is whom this machine shows itself as to members.
func (m *member) identity() signed.SigningKey {
	if s := m.as.Load(); s != nil {
		return *s
	}
	return m.Device()
}

// maxNames is by how many links a member is asked: one that has been away knows those before alone.
const maxNames = 3

// reach is how to reach a member at an address.
func (m *member) reach(addr string, as signed.SigningKey) groupnet.Member {
	day := signed.DayOf(time.Now())
	links := m.Links()
	out := groupnet.Member{Addr: addr, Identity: as, ServerName: m.Link().ServerName(day)}
	for i, l := range links[:min(len(links), maxNames)] {
		if i > 0 {
			out.Also = append(out.Also, l.ServerName(day))
		}
	}
	return out
}

// halfJoined says whether a crash has left a private group without an account: nothing can be done with it.
func halfJoined(g *group.Group) bool {
	return g.Link().Kind == signed.Private && !g.HasLog() && !g.Begun()
}

// resting is why this machine neither lets anybody in nor joins through what it knows; nil: it does.
func (m *member) resting() error {
	if err := m.Shut(); err != nil && fault.KindOf(err) == fault.Denied {
		return err
	}
	return nil
}
