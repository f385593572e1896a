package gate_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const groupName = "0123456789abcdef0123456789abcdef"

var errStranger = errors.New("no member")

// club is a group for tests: who is in it, and who may have what.
type club struct {
	mu      sync.Mutex
	members map[signed.Key]string
	denied  map[string]bool // account and infohash

	strangers atomic.Int64 // that came to a port
}

// helloFor is a BitTorrent handshake.
func helloFor(hash [20]byte) []byte {
	b := append([]byte("\x13BitTorrent protocol"), make([]byte, 48)...)
	copy(b[28:], hash[:])
	copy(b[48:], "-XX0000-abcdefghijkl")
	return b
}

func newClub() *club { return &club{members: map[signed.Key]string{}, denied: map[string]bool{}} }

func (c *club) judge(peer signed.Key, hash [20]byte) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, ok := c.members[peer]
	switch {
	case !ok:
		return "", errStranger
	case c.denied[name+string(hash[:])]:
		return name, errors.New("it may not read this")
	}
	return name, nil
}

func (c *club) deny(name string, hash [20]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied[name+string(hash[:])] = true
}

func (c *club) remove(key signed.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, key)
}

// machine is a member's: a port for the group, a gate, a torrent client.
type machine struct {
	t      testing.TB
	name   string
	secret signed.SigningKey
	addr   string
	gate   *gate.Gate
	engine *engine.Engine // of the group
	parent *engine.Engine

	mu    sync.Mutex
	notes []gate.Note
	news  chan struct{} // a note came
}

func (c *club) join(t testing.TB, name string) *machine {
	t.Helper()
	m := c.port(t, name)
	m.parent = openEngine(t)
	var err error
	if m.engine, err = m.parent.Private(m.gate); err != nil {
		t.Fatal(err)
	}
	return m
}

// port starts a machine without a torrent client.
func (c *club) port(t testing.TB, name string) *machine {
	t.Helper()
	secret, err := signed.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, name: name, secret: secret, news: make(chan struct{}, 1)}
	c.mu.Lock()
	c.members[secret.Public()] = name
	c.mu.Unlock()
	m.gate = gate.New(gate.Options{
		Judge: c.judge,
		Dial:  m.dial,
		Note:  m.note,
		Log:   slog.New(slog.DiscardHandler),
	})
	group := &groupnet.Group{
		Identity: secret,
		Admit: func(key signed.Key, _ string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.members[key] == "" {
				c.strangers.Add(1)
				return errStranger
			}
			return nil
		},
		Sync:  http.NotFoundHandler(),
		Swarm: m.gate.Take,
	}
	s := groupnet.NewServer(func(n string) *groupnet.Group {
		if n != groupName {
			return nil
		}
		return group
	}, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		<-served
		m.gate.Close()
		s.Close()
	})
	return m
}

func (m *machine) dial(ctx context.Context, addr string) (net.Conn, signed.Key, error) {
	return groupnet.Dial(ctx, &net.Dialer{}, groupnet.Member{Addr: addr, ServerName: groupName, Identity: m.secret}, groupnet.Swarm)
}

func (m *machine) note(n gate.Note) {
	m.mu.Lock()
	m.notes = append(m.notes, n)
	m.mu.Unlock()
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// waitNote waits for a note of a kind.
func (m *machine) waitNote(what string) gate.Note {
	m.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		m.mu.Lock()
		i := slices.IndexFunc(m.notes, func(n gate.Note) bool { return n.What == what })
		var n gate.Note
		if i >= 0 {
			n = m.notes[i]
		}
		m.mu.Unlock()
		if i >= 0 {
			return n
		}
		select {
		case <-m.news:
		case <-timeout:
			m.t.Fatalf("%s has no note %q", m.name, what)
		}
	}
}

// content is one file as a private torrent.
type content struct {
	data   []byte
	info   []byte
	hash   metainfo.Hash
	pieces int
	length int
}

func newContent(t testing.TB, size, pieceLength int, open bool) content {
	t.Helper()
	c := content{data: make([]byte, size), length: pieceLength}
	rand.Read(c.data)
	yes := true
	info := metainfo.Info{Name: "payload", PieceLength: int64(pieceLength), Length: int64(size)}
	if !open {
		info.Private = &yes
	}
	for b := range slices.Chunk(c.data, pieceLength) {
		sum := sha1.Sum(b)
		info.Pieces = append(info.Pieces, sum[:]...)
		c.pieces++
	}
	var err error
	if c.info, err = bencode.Marshal(info); err != nil {
		t.Fatal(err)
	}
	c.hash = metainfo.HashBytes(c.info)
	return c
}

func (c content) add(t testing.TB, e *engine.Engine, m *memory, peers ...string) *engine.Torrent {
	t.Helper()
	s := engine.Spec{V1: &c.hash, Info: c.info, Storage: m, Peers: peers}
	if !m.full {
		s.Total = int64(len(c.data))
	}
	tt, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tt.Close)
	return tt
}

func (c content) seed(t testing.TB, e *engine.Engine, peers ...string) *engine.Torrent {
	return c.add(t, e, &memory{data: c.data, full: true}, peers...)
}

func (c content) begin(t testing.TB, e *engine.Engine, peers ...string) (*engine.Torrent, *memory) {
	m := &memory{data: make([]byte, len(c.data)), done: make([]bool, c.pieces)}
	tt := c.add(t, e, m, peers...)
	tt.Want(0, c.pieces)
	return tt, m
}

func (c content) wait(t testing.TB, tt *engine.Torrent, m *memory) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := tt.Wait(ctx, [][2]int{{0, c.pieces}}); err != nil {
		t.Fatalf("fetching: %v, after %+v", err, tt.Stats())
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !bytes.Equal(m.data, c.data) {
		t.Error("what was fetched is not what was seeded")
	}
}

// memory is a storage of one buffer.
type memory struct {
	mu   sync.RWMutex
	data []byte
	full bool
	done []bool
}

func (m *memory) OpenTorrent(context.Context, *metainfo.Info, metainfo.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{Piece: func(p metainfo.Piece) storage.PieceImpl { return memoryPiece{m, p.Index(), p.Offset()} }}, nil
}

type memoryPiece struct {
	m     *memory
	index int
	off   int64
}

func (p memoryPiece) ReadAt(b []byte, off int64) (int, error) {
	p.m.mu.RLock()
	defer p.m.mu.RUnlock()
	n := copy(b, p.m.data[p.off+off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p memoryPiece) WriteAt(b []byte, off int64) (int, error) {
	p.m.mu.RLock() // the client writes no byte twice at a time
	defer p.m.mu.RUnlock()
	return copy(p.m.data[p.off+off:], b), nil
}

func (p memoryPiece) MarkComplete() error    { return p.mark(true) }
func (p memoryPiece) MarkNotComplete() error { return p.mark(false) }

func (p memoryPiece) mark(done bool) error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.done[p.index] = done
	return nil
}

func (p memoryPiece) Completion() storage.Completion {
	p.m.mu.RLock()
	defer p.m.mu.RUnlock()
	return storage.Completion{Ok: true, Complete: p.m.full || p.m.done[p.index]}
}

func TestMembersExchange(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 4<<20, 64<<10, false)
	p.seed(t, a.engine)
	tt, m := p.begin(t, b.engine, a.addr)
	p.wait(t, tt, m)
	if s := tt.Stats(); s.FromPeers != int64(len(p.data)) || s.Copies != 1 {
		t.Errorf("got %d bytes from peers and %d copies, want %d and 1", s.FromPeers, s.Copies, len(p.data))
	}
	n := a.waitNote(gate.Admitted)
	if n.Account != "ben" || n.Device != b.secret.Public() || n.From != "127.0.0.1" || n.Infohash != p.hash {
		t.Errorf("got %+v, want ben's machine admitted", n)
	}
	if got := a.gate.Traffic()["ben"]; got.Sent < int64(len(p.data)) || got.Bad != 0 {
		t.Errorf("ben was sent %+v, want all", got)
	}
	tt.Close()
	n = a.waitNote(gate.Served)
	if n.Account != "ben" || n.Sent < int64(len(p.data)) || n.Times != 1 {
		t.Errorf("got %+v, want what ben was served", n)
	}
}
