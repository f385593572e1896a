//go:build linux

package integration_test

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// roguePeer runs a hostile peer on a host's port 6881.
func roguePeer(t testing.TB, h *netlab.Host, p *rogue.Peer) {
	t.Helper()
	l := listenAt(t, h, h.IP+":6881")
	done := make(chan struct{})
	go func() { defer close(done); p.Serve(l) }()
	t.Cleanup(func() { l.Close(); <-done })
}

// TestGarbageFromOneOfThreePeers checks that a fetch ends with the right bytes if one of three peers sends garbage.
func TestGarbageFromOneOfThreePeers(t *testing.T) {
	t.Parallel()
	for _, tree := range []payload.Tree{payload.OneFile, payload.Folder} {
		t.Run(tree.Title, func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 4, tree, "--piece-length", "32KiB", "--max-up", "512KiB")
			// The second good peer seeds the same folder.
			published(t, s.lab.Host(2), s.path, append([]string{"--piece-length", "32KiB", "--max-up", "512KiB"}, nothing...)...)
			bad := &rogue.Peer{Pieces: 92, Block: rogue.Garbage}
			if tree.Name == payload.Folder.Name {
				bad.Pieces = pieces(t, s.path, 32<<10)
			}
			roguePeer(t, s.lab.Host(3), bad)
			var flags []string
			for i := 1; i <= 3; i++ {
				flags = append(flags, peerFlag(s.lab.Host(i))...)
			}
			fetched(within(t, 90*time.Second), t, s.lab.Host(4), s.ref, s.path, append(flags, nothing...)...)
			if bad.BlocksSent.Load() == 0 {
				t.Error("the hostile peer was never asked for a block: the test proves nothing")
			}
		})
	}
}

// TestGarbageAlone checks that with only a peer that sends garbage the fetch never completes, and no wrong byte reaches the
// target.
func TestGarbageAlone(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.OneFile)
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	if out, err := us.With(nothing...).Command(t, nil, "publish", "--no-seed", "--piece-length", "32KiB", "-o", torrent, path).CombinedOutput(); err != nil {
		t.Fatalf("publish: %v: %s", err, out)
	}
	bad := &rogue.Peer{Pieces: 92, Block: rogue.Garbage}
	roguePeer(t, lab.Host(1), bad)
	out := t.TempDir()
	flags := append(append([]string{"--timeout", "8s"}, peerFlag(lab.Host(1))...), nothing...)
	refused(t, client.Start(t, us.With(flags...).Command(t, lab.Host(2), "fetch", "-o", out, torrent)), 14)
	nothingIn(t, out)
	if bad.BlocksSent.Load() == 0 {
		t.Error("the hostile peer was never asked for a block: the test proves nothing")
	}
}

// pieces returns the number of pieces of a folder's content.
func pieces(t testing.TB, path string, length int64) int {
	t.Helper()
	var size int64
	err := filepath.Walk(path, func(_ string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			size += i.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return int((size + length - 1) / length)
}

// TestForgedMetadata has a peer send an info that is not the magnet's. Alone it cannot make a fetch accept it; together with
// an honest peer it cannot keep the fetch from the right one. The infos are well-formed and would be accepted under their own
// names; btih magnets were once fooled with the v2 one.
func TestForgedMetadata(t *testing.T) {
	t.Parallel()
	root := sha256.Sum256([]byte("0123456789"))
	forged := []struct {
		name string
		info string
	}{
		{"another torrent's", rogue.Encode(rogue.File(rogue.Dict{"name": "evil.bin"}))},
		{"a v2 one", rogue.Encode(rogue.Dict{"name": "evil.bin", "piece length": 16384, "meta version": 2,
			"file tree": rogue.Dict{"evil.bin": rogue.Dict{"": rogue.Dict{"length": 10, "pieces root": string(root[:])}}}})},
		{"noise", string(payload.Bytes(900, 1))},
		{"deep bencode", strings.Repeat("l", 100_000)},
	}
	for _, tc := range forged {
		t.Run(tc.name+" alone", func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 2)
			liar := &rogue.Peer{Metadata: []byte(tc.info)}
			roguePeer(t, lab.Host(1), liar)
			out := t.TempDir()
			flags := append(append([]string{"--timeout", "5s"}, peerFlag(lab.Host(1))...), nothing...)
			p := client.Start(t, us.With(flags...).Command(t, lab.Host(2), "fetch", "-o", out, "magnet:?xt=urn:btih:"+strings.Repeat("ab", 20)))
			refused(t, p, 14)
			if left, err := filepath.Glob(filepath.Join(out, "*")); err != nil || len(left) != 0 {
				t.Errorf("the target contains %v, %v, want nothing", left, err)
			}
			if liar.MetadataSent.Load() == 0 {
				t.Error("the liar was never asked: the test proves nothing")
			}
		})
		t.Run(tc.name+" with an honest peer", func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 3, payload.Folder)
			roguePeer(t, s.lab.Host(2), &rogue.Peer{Metadata: []byte(tc.info)})
			flags := append(append(peerFlag(s.lab.Host(2)), peerFlag(s.lab.Host(1))...), nothing...)
			fetched(within(t, time.Minute), t, s.lab.Host(3), s.ref, s.path, flags...)
		})
	}
}

// TestBadWebSeeds uses a misbehaving web seed together with a good peer, where the fetch has to succeed,
// and alone, where it has to end.
func TestBadWebSeeds(t *testing.T) {
	t.Parallel()
	faults := []struct {
		name  string
		fault rogue.Fault
		works bool // it can be fetched from it all the same
	}{
		{"none", rogue.NoFault, true},
		{"ignores Range", rogue.IgnoreRange, true},
		{"redirects to loopback", rogue.Redirect, false},
		{"403", rogue.Forbidden, false},
		{"404", rogue.NotFound, false},
		{"500", rogue.ServerError, false},
		{"slow", rogue.Slow, false},
		{"wrong bytes", rogue.WrongBytes, false},
		{"never answers", rogue.Hang, false},
	}
	for _, tc := range faults {
		for _, alone := range []bool{false, true} {
			name := tc.name + " beside a good peer"
			if alone {
				name = tc.name + " alone"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				lab := newLab(t, 3)
				path := made(t, payload.OneFile)
				web := &rogue.WebSeed{Root: filepath.Dir(path), Fault: tc.fault, Target: "http://127.0.0.1:8099"}
				url := serveHTTP(t, lab.Host(1), web) + "/" + payload.OneFile.Name
				// The fetcher's loopback has a server that must not be reached.
				inside := &rogue.WebSeed{Root: filepath.Dir(path)}
				serveAt(t, lab.Host(3), "127.0.0.1:8099", inside)

				torrent := filepath.Join(t.TempDir(), "t.torrent")
				flags := append([]string{"--piece-length", "64KiB", "--webseed", url, "-o", torrent, "--max-up", "2MiB"}, nothing...)
				get := append([]string{"--allow-private"}, nothing...)
				if alone {
					if out, err := us.With(flags...).Command(t, nil, "publish", "--no-seed", path).CombinedOutput(); err != nil {
						t.Fatalf("publish: %v: %s", err, out)
					}
				} else {
					published(t, lab.Host(2), path, flags...)
					get = append(get, peerFlag(lab.Host(2))...)
				}
				switch {
				case !alone || tc.works:
					fetched(within(t, time.Minute), t, lab.Host(3), torrent, path, get...)
				default:
					badWebSeedAlone(within(t, time.Minute), t, lab.Host(3), torrent, path, tc.fault, get)
				}
				if (alone || tc.fault == rogue.Redirect) && web.Requests.Load() == 0 {
					t.Error("the web seed was never asked: the test proves nothing")
				}
				if n := inside.Requests.Load(); n != 0 {
					t.Errorf("%d requests reached the loopback address that the web seed redirects to, want none", n)
				}
			})
		}
	}
}

// badWebSeedAlone checks that the fetch ends: with the content, if the fault can be tolerated, or with a timeout or an
// error, and then without a file.
func badWebSeedAlone(ctx context.Context, t *testing.T, h *netlab.Host, torrent, path string, fault rogue.Fault, flags []string) {
	t.Helper()
	out := t.TempDir()
	p := client.Start(t, us.With(append(flags, "--timeout", "10s")...).Command(t, h, "fetch", "-o", out, torrent))
	code, err := p.Exit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case code == 0 && fault == rogue.IgnoreRange:
		// The whole file came in answer to a range: it may be used if it is right.
		if err := payload.Same(path, filepath.Join(out, payload.OneFile.Name)); err != nil {
			t.Error(err)
		}
	case code == 14 || code == 1 || code == 13:
		if strings.TrimSpace(p.Stderr.String()) == "" {
			t.Error("no message about what went wrong")
		}
		nothingIn(t, out)
	default:
		t.Errorf("exit code: got %d, want 14, 1 or 13", code)
	}
}

// TestPrivateWebSeedIsNotAsked checks that without --allow-private a torrent's web seed at a private address is not contacted.
func TestPrivateWebSeedIsNotAsked(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	path := made(t, payload.OneFile)
	web := &rogue.WebSeed{Root: filepath.Dir(path)}
	url := serveHTTP(t, lab.Host(1), web) + "/" + payload.OneFile.Name
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	if out, err := us.With(nothing...).Command(t, nil, "publish", "--no-seed", "--webseed", url, "-o", torrent, path).CombinedOutput(); err != nil {
		t.Fatalf("publish: %v: %s", err, out)
	}
	out := t.TempDir()
	p := client.Start(t, us.With(append([]string{"--timeout", "5s"}, nothing...)...).Command(t, lab.Host(2), "fetch", "-o", out, torrent))
	refused(t, p, 14, lab.Host(1).IP, "--allow-private")
	if n := web.Requests.Load(); n != 0 {
		t.Errorf("%d requests reached it, want none", n)
	}
	nothingIn(t, out)
}

// TestHostileDHT sends messages that have crashed DHT nodes to a publisher, unsolicited and as answers to its own
// queries. The publisher survives, and its content can still be found and fetched.
func TestHostileDHT(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	c, err := lab.Host(2).ListenPacket("udp4", lab.Host(2).IP+":6881")
	if err != nil {
		t.Fatal(err)
	}
	var node rogue.DHTNode
	done := make(chan struct{})
	go func() { defer close(done); node.Serve(c) }()
	t.Cleanup(func() { c.Close(); <-done })

	path := made(t, payload.Folder)
	flags := append([]string{"--dht-node", lab.Host(2).IP + ":6881"}, onlyDHT...)
	p, magnet := published(t, lab.Host(1), path, flags...)
	ctx := within(t, time.Minute)
	if err := p.Until(ctx, "the hostile node was asked something", func() bool { return node.Answered.Load() > 0 }); err != nil {
		t.Fatal(err)
	}
	conn, err := lab.Host(3).Dial(ctx, "udp4", lab.Host(1).IP+":6881")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ping := "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:pp1:y1:qe"
	for name, packet := range rogue.Packets() {
		if _, err := io.WriteString(conn, packet); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// It is alive if it answers a valid query after the bad packet.
		if err := answers(conn, ping); err != nil {
			t.Fatalf("after %q no answer to a ping: %v", name, err)
		}
	}
	if !p.Running() {
		t.Fatal("the publisher has exited")
	}
	fetched(ctx, t, lab.Host(3), infohash(t, magnet), path, append(peerFlag(lab.Host(1)), nothing...)...)
}

// answers sends a query until an answer to it comes back.
func answers(conn io.ReadWriter, query string) error {
	type deadline interface{ SetReadDeadline(time.Time) error }
	buf := make([]byte, 4096)
	var last error
	for range 10 {
		if _, err := io.WriteString(conn, query); err != nil {
			return err
		}
		if err := conn.(deadline).SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				last = err
				break
			}
			if strings.Contains(string(buf[:n]), "1:t2:pp") {
				return nil
			}
		}
	}
	return last
}
