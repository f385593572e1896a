package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// hand is a member whose records are written by the test itself.
type hand struct {
	*group.Group
	t *testing.T
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joinByHand joins a group without a node, and takes what a daemon has of it.
func joinByHand(t *testing.T, link string, from *node.Node) *hand {
	t.Helper()
	l, err := signed.ParseLink(link)
	must(t, err)
	g, err := group.Join(t.TempDir(), l, group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	h := &hand{g, t}
	h.pull(from)
	must(t, g.Asked(1))
	return h
}

// client reaches a node as this member.
func (h *hand) client(n *node.Node) *http.Client {
	h.t.Helper()
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{
		Addr: addrOf(h.t, n), ServerName: h.Link().ServerName(signed.DayOf(time.Now())), Identity: h.Device(),
	})
	h.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (h *hand) pull(n *node.Node) {
	h.t.Helper()
	_, err := groupsync.NewPeer(h.client(n), h.ID(), h).Pull(h.t.Context(), 0)
	must(h.t, err)
}

func (h *hand) push(n *node.Node) error {
	return groupsync.NewPeer(h.client(n), h.ID(), h).Push(h.t.Context())
}

// post hands in bytes, and gives the status and the words of the answer.
func (h *hand) post(n *node.Node, path string, body []byte) (int, string) {
	h.t.Helper()
	resp, err := h.client(n).Post("https://member"+path, "", bytes.NewReader(body))
	must(h.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(h.t, err)
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// written are the records of this member's own log, each with its newline, and the head over them.
func (h *hand) written() (lines []string, head string) {
	h.t.Helper()
	me := h.Device().Public()
	b, err := h.Records(me, 0, 1<<20)
	must(h.t, err)
	for line := range strings.Lines(string(b)) {
		lines = append(lines, line)
	}
	for _, x := range h.AllHeads() {
		if x.Device == me {
			head = string(x.Raw)
		}
	}
	return lines, head
}

func (h *hand) share(s catalog.Share) error {
	s.Time = time.Unix(time.Now().Unix(), 0).UTC()
	if s.ID == "" {
		s.ID = fmt.Sprintf("%x", sha256.Sum256([]byte(s.Ref())))[:24]
	}
	return h.Append(s.Marshal)
}

func invented(name, version string) catalog.Share {
	return catalog.Share{Name: name, Version: version, Content: name, Size: 1, Files: 1, Info: signed.HashOf([]byte(name)), Torrent: signed.HashOf([]byte(version))}
}

// publisher has an admin add an account, whose device the hand becomes.
func publisher(t *testing.T, owner *node.Node, link, name string) *hand {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".key")
	askGroup(t, owner, node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: name, Role: "publisher", Key: path}})
	h := joinByHand(t, link, owner)
	key, err := group.ReadKey(path, group.KeyAccount)
	must(t, err)
	must(t, h.BecomeDevice(key, "a hand"))
	must(t, h.push(owner))
	return h
}

func show(t *testing.T, n *node.Node) node.Group {
	t.Helper()
	return askGroup(t, n, node.GroupRequest{Group: "acme", Show: &struct{}{}}).Groups[0]
}

// waitWarning waits until a node shows a warning of the group.
func waitWarning(t *testing.T, n *node.Node, want string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got = show(t, n).Warnings
		if strings.Contains(strings.Join(got, "\n"), want) {
			return
		}
	}
	t.Fatalf("warnings: got %q, want one with %q", got, want)
}

// log is a head over records, and what is posted of both.
func logBody(t *testing.T, g signed.GroupID, by signed.SigningKey, records ...string) []byte {
	t.Helper()
	return logAt(t, g, by, time.Now(), records...)
}

func logAt(t *testing.T, g signed.GroupID, by signed.SigningKey, at time.Time, records ...string) []byte {
	t.Helper()
	var tree signed.Tree
	for _, r := range records {
		tree.Append([]byte(r))
	}
	h, err := signed.SignHead(g, by, tree.Size(), tree.Root(), at)
	must(t, err)
	body := bytes.Clone(h.Raw)
	for _, r := range records {
		body = append(append(body, r...), '\n')
	}
	return body
}

// serve answers calls with what this member has, by a clock that is ahead, until the test ends. It gives the address.
func (h *hand) serve(ahead time.Duration) string {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(h.t, err)
	handler := groupsync.NewHandler(groupsync.Options{Group: h.ID(), Vault: h, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Root: true, Read: true, Push: true}
	}})
	dated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		handler.ServeHTTP(w, r)
	})
	server := groupnet.NewServer(func(string) *groupnet.Group {
		return &groupnet.Group{Identity: h.Device(), Admit: func(signed.Key, string) error { return nil }, Sync: dated}
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	h.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, server.Close()); err != nil {
			h.t.Error(err)
		}
	})
	return l.Addr().String()
}
