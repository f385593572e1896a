package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/node"
)

// halves are two files that share a piece in a v1 torrent.
var halves = map[string]string{"a.bin": strings.Repeat("left", 50_001), "b.bin": strings.Repeat("right", 40_003)}

// fetchPart has a daemon fetch some files of a torrent into dir, and waits until it shares them.
func fetchPart(t *testing.T, n *node.Node, magnet, dir, peer string, only ...string) *node.Fetched {
	t.Helper()
	got, err := fetchNamed(t, n, node.FetchRequest{Ref: magnet, Dir: dir, Only: only, Peers: []string{peer}})
	must(t, err)
	shareIn(t, n, "halves", in(node.StateSeeding))
	return got
}

// Two who have fetched different files of a torrent give a third the whole, with nobody else there, also after their daemons
// have ended and begun.
func TestTwoPartsMakeAWhole(t *testing.T) {
	for _, format := range []string{"v1", "v2"} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, again %v", format, again), func(t *testing.T) {
				origin, _ := daemon(t, t.TempDir(), nil)
				dir := folder(t, "halves", halves)
				pub := publishAsFormat(t, origin, dir, format)
				var peers []string
				for _, half := range []string{"a.bin", "b.bin"} {
					home := t.TempDir()
					n, end := daemon(t, home, nil)
					if got := fetchPart(t, n, pub.Magnet, t.TempDir(), addrOf(t, origin), half); got.Files != 1 || !got.Seeding {
						t.Fatalf("got %+v, want one file, which is seeded", got)
					}
					if again {
						end()
						n, _ = daemon(t, home, nil)
						stateOf(t, n, node.StateChecking, node.StateSeeding)
					}
					peers = append(peers, addrOf(t, n))
				}
				_, err := origin.Remove(t.Context(), node.RemoveRequest{Refs: []string{"halves"}})
				must(t, err)
				third, _ := daemon(t, t.TempDir(), nil)
				got, err := fetchNamed(t, third, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: peers})
				must(t, err)
				same(t, got.Path, dir)
			})
		}
	}
}

// The same without daemons, whose seeding ends with them and leaves nothing.
func TestTwoPartsWithoutDaemons(t *testing.T) {
	origin, _ := daemon(t, t.TempDir(), nil)
	dir := folder(t, "halves", halves)
	pub := publishAsFormat(t, origin, dir, "v1")
	var peers, homes []string
	var ends []func()
	for _, half := range []string{"a.bin", "b.bin"} {
		home := t.TempDir()
		n, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		seeding, ended := make(chan int, 1000), make(chan error, 1)
		go func() {
			ended <- n.Fetch(ctx, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Only: []string{half}, Seed: true, Peers: []string{addrOf(t, origin)}}, func(e node.Event) {
				if e.Seeding != nil {
					seeding <- e.Seeding.Port
				}
			})
		}()
		peers, homes = append(peers, fmt.Sprintf("127.0.0.1:%d", <-seeding)), append(homes, home)
		ends = append(ends, func() {
			stop()
			must(t, <-ended)
			must(t, n.Close())
		})
	}
	_, err := origin.Remove(t.Context(), node.RemoveRequest{Refs: []string{"halves"}})
	must(t, err)
	third, _ := daemon(t, t.TempDir(), nil)
	got, err := fetchNamed(t, third, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: peers})
	must(t, err)
	same(t, got.Path, dir)
	for i, end := range ends {
		end()
		if left, _ := filepath.Glob(filepath.Join(homes[i], "edges*")); len(left) > 0 {
			t.Errorf("%v is left in the home", left)
		}
	}
}

// What is done to the files of a part is found out as for any share, whether a daemon runs meanwhile or not.
func TestAPartThatChanges(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(t *testing.T, dir, home string)
		wrong string // what is said of it; empty: it goes on
	}{
		{"another mode", func(t *testing.T, dir, _ string) { must(t, os.Chmod(filepath.Join(dir, "a.bin"), 0o600)) }, ""},
		{"its first byte", func(t *testing.T, dir, _ string) { rewrite(t, filepath.Join(dir, "a.bin")) }, `"a.bin": 1 of 3 pieces differ`},
		{"its last byte, in the piece that reaches into the other file", func(t *testing.T, dir, _ string) {
			f, err := os.OpenFile(filepath.Join(dir, "a.bin"), os.O_RDWR, 0)
			must(t, err)
			defer f.Close()
			_, err = f.WriteAt([]byte("x"), int64(len(halves["a.bin"])-1))
			must(t, err)
		}, `"a.bin": the piece that it shares with others differs`},
		{"the other file, which was not fetched", func(t *testing.T, dir, _ string) {
			must(t, os.WriteFile(filepath.Join(dir, "b.bin"), []byte("my own"), 0o600))
		}, ""},
	} {
		for _, runs := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, daemon %v", c.name, runs), func(t *testing.T) {
				origin, _ := daemon(t, t.TempDir(), nil)
				pub := publishAsFormat(t, origin, folder(t, "halves", halves), "v1")
				home, out := t.TempDir(), t.TempDir()
				n, end := daemon(t, home, nil)
				got := fetchPart(t, n, pub.Magnet, out, addrOf(t, origin), "a.bin")
				if _, err := os.Stat(filepath.Join(out, ".p2pshare")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("looking for the staging folder: %v, want none", err)
				}
				if !runs {
					end()
				}
				c.do(t, got.Path, home)
				if !runs {
					n, _ = daemon(t, home, nil)
				}
				never, want := "", node.StateSeeding
				if c.wrong != "" {
					never, want = node.StateSeeding, node.StateFailed
				}
				if sh := stateOf(t, n, never, want); !strings.Contains(sh.Reason, c.wrong) {
					t.Errorf("the reason is %q, want %q in it", sh.Reason, c.wrong)
				}
				v, err := n.Verify(t.Context(), node.VerifyRequest{Ref: "halves"}, func(node.Event) {})
				if err != nil || v.OK != (c.wrong == "") || v.Files != 1 || v.Size != int64(len(halves["a.bin"])) {
					t.Errorf("verify: got %+v, %v, want one file, OK: %v", v, err, c.wrong == "")
				}
			})
		}
	}
}

// Without the pieces that reach into other files, or with wrong ones, the others are shared.
func TestAPartWithoutItsEdges(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(name string) error
	}{
		{"gone", os.Remove},
		{"cut off", func(name string) error { return os.Truncate(name, 1000) }},
		{"another byte", func(name string) error {
			b, err := os.ReadFile(name)
			b[len(b)-1] ^= 1
			return errors.Join(err, os.WriteFile(name, b, 0o600))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin, _ := daemon(t, t.TempDir(), nil)
			dir := folder(t, "halves", map[string]string{"a.bin": strings.Repeat("left", 50_001), "aa.bin": "the end of the piece", "b.bin": strings.Repeat("right", 40_003)})
			pub := publishAsFormat(t, origin, dir, "v1")
			home := t.TempDir()
			n, end := daemon(t, home, nil)
			fetchPart(t, n, pub.Magnet, t.TempDir(), addrOf(t, origin), "b.bin")
			end()
			kept, err := filepath.Glob(filepath.Join(home, "shares", "*", "edges"))
			if err != nil || len(kept) != 1 {
				t.Fatalf("got %v, %v, want one file", kept, err)
			}
			must(t, c.do(kept[0]))
			n, _ = daemon(t, home, nil)
			stateOf(t, n, node.StateChecking, node.StateSeeding)
			// Who wants the other file alone needs the piece, and gets it nowhere: only who has the whole gives it.
			third, _ := daemon(t, t.TempDir(), nil)
			got, err := fetchNamed(t, third, node.FetchRequest{Ref: pub.Magnet, Dir: t.TempDir(), Peers: []string{addrOf(t, n), addrOf(t, origin)}})
			must(t, err)
			same(t, got.Path, dir)
			if bad := shareIn(t, third, "halves", in(node.StateSeeding)).BadPieces; bad != 0 {
				t.Errorf("%d wrong pieces were sent, want none", bad)
			}
		})
	}
}

// Other files of a torrent of which a part is shared are fetched beside it, and all of them are shared then.
func TestMoreOfAPart(t *testing.T) {
	for _, c := range []struct {
		name  string
		only  []string
		files int
	}{
		{"the other file", []string{"b.bin"}, 2},
		{"all", nil, 2},
		{"the same", []string{"a.bin"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin, _ := daemon(t, t.TempDir(), nil)
			pub := publishAsFormat(t, origin, folder(t, "halves", halves), "v1")
			home, out := t.TempDir(), t.TempDir()
			n, end := daemon(t, home, nil)
			fetchPart(t, n, pub.Magnet, out, addrOf(t, origin), "a.bin")
			got := fetchPart(t, n, pub.Magnet, out, addrOf(t, origin), c.only...)
			if got.Files != c.files {
				t.Errorf("got %d files, want %d", got.Files, c.files)
			}
			end()
			n, _ = daemon(t, home, nil)
			stateOf(t, n, node.StateChecking, node.StateSeeding)
			v, err := n.Verify(t.Context(), node.VerifyRequest{Ref: "halves"}, func(node.Event) {})
			if err != nil || !v.OK || v.Files != c.files {
				t.Errorf("verify: got %+v, %v, want %d files that are right", v, err, c.files)
			}
		})
	}
}

// Removing a part with its data leaves what was not fetched.
func TestRemoveAPart(t *testing.T) {
	origin, _ := daemon(t, t.TempDir(), nil)
	pub := publishAsFormat(t, origin, folder(t, "halves", halves), "v1")
	home, out := t.TempDir(), t.TempDir()
	n, _ := daemon(t, home, nil)
	got := fetchPart(t, n, pub.Magnet, out, addrOf(t, origin), "a.bin")
	own := filepath.Join(got.Path, "b.bin")
	must(t, os.WriteFile(own, []byte("my own"), 0o600))
	_, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{"halves"}, Data: true})
	must(t, err)
	waitGone(t, filepath.Join(got.Path, "a.bin"))
	if _, err := os.Stat(own); err != nil {
		t.Errorf("what was not fetched: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "shares", "*")); len(left) > 0 {
		t.Errorf("%v is left in the home", left)
	}
}

func publishAsFormat(t *testing.T, n *node.Node, path, format string) *node.Published {
	t.Helper()
	e, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path, Format: format}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	must(t, err)
	return e.Published
}

// TestRepairAPart: a part whose bytes are wrong is fetched again, that part alone.
func TestRepairAPart(t *testing.T) {
	origin, _ := daemon(t, t.TempDir(), nil)
	pub := publishAsFormat(t, origin, folder(t, "halves", halves), "v1")
	n, _ := daemon(t, t.TempDir(), nil)
	got := fetchPart(t, n, pub.Magnet, t.TempDir(), addrOf(t, origin), "a.bin")
	rewrite(t, filepath.Join(got.Path, "a.bin"))
	stateOf(t, n, node.StateSeeding, node.StateFailed)
	repaired, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Repair(ctx, node.RepairRequest{Ref: "halves", Peers: []string{addrOf(t, origin)}}, on)
	}, func(e node.Event) bool { return e.Fetched != nil })
	must(t, err)
	if repaired.Fetched == nil || repaired.Fetched.Files != 1 {
		t.Errorf("got %+v, want one file", repaired.Fetched)
	}
	shareIn(t, n, "halves", in(node.StateSeeding))
	v, err := n.Verify(t.Context(), node.VerifyRequest{Ref: "halves"}, func(node.Event) {})
	if err != nil || !v.OK || v.Files != 1 {
		t.Errorf("verify: got %+v, %v, want one file that is right", v, err)
	}
	if _, err := os.Stat(filepath.Join(got.Path, "b.bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was not wanted: %v, want that it is not there", err)
	}
}
