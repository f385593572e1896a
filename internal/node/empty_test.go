package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/store"
)

// Torrents of nothing but empty files, and of nothing but pads (BEP 47).
const (
	padsAlone = "d4:infod5:filesld4:attr1:p6:lengthi4e4:pathl4:.pad1:4eee4:name4:pads12:piece lengthi16384e6:pieces20:" +
		"\x90\x69\xca\x78\xe7\x45\x0a\x28\x51\x73\x43\x1b\x3e\x52\xc5\xc2\x52\x99\xe4\x73ee" // SHA-1 of four zeros
	v2Nothing = "d4:infod9:file treed1:fd0:d6:lengthi0eeee12:meta versioni2e4:name4:none12:piece lengthi16384eee"
)

// TestWithoutBytes takes torrents without bytes through everything that a share goes through.
func TestWithoutBytes(t *testing.T) {
	nothing := folder(t, "nothing", map[string]string{"a": "", "sub/b": "", "sub/deep/c": ""})
	single := filepath.Join(t.TempDir(), "single")
	if err := os.WriteFile(single, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, format string
		files              int
	}{
		{"v1 folder", nothing, "v1", 3}, {"v2 folder", nothing, "v2", 3}, {"hybrid folder", nothing, "hybrid", 3},
		{"v1 file", single, "v1", 1}, {"v2 file", single, "v2", 1}, {"hybrid file", single, "hybrid", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _ := daemon(t, t.TempDir(), nil)
			file := filepath.Join(t.TempDir(), "x.torrent")
			last, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
				return n.Publish(ctx, node.PublishRequest{Path: c.path, Format: c.format, Output: file, Sums: filepath.Join(t.TempDir(), "sums")}, on)
			}, func(e node.Event) bool { return e.Published != nil })
			if err != nil {
				t.Fatal(err)
			}
			pub := last.Published
			if pub.Size != 0 || pub.Files != c.files || (c.format != "v2") != (pub.Infohash != "") || (c.format != "v1") != (pub.InfohashV2 != "") {
				t.Errorf("published: got %+v, want %d files of 0 bytes with the infohashes of %s", pub, c.files, c.format)
			}
			fetchFrom(t, n, pub.Magnet, c.path)
			fetchWithoutBytes(t, file, filepath.Base(c.path), c.files, n, pub.Magnet)
		})
	}
	for _, c := range []struct {
		name, torrent string
		files         int
	}{{"pads", padsAlone, 0}, {"none", v2Nothing, 1}} {
		t.Run("another's "+c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.torrent")
			if err := os.WriteFile(file, []byte(c.torrent), 0o644); err != nil {
				t.Fatal(err)
			}
			fetchWithoutBytes(t, file, c.name, c.files, nil, "")
		})
	}
}

// fetchWithoutBytes fetches a torrent of empty files into a daemon, seeds it through a restart, checks it, and has somebody
// else fetch it by magnet. from is a daemon that has it too; nil: there is none.
func fetchWithoutBytes(t *testing.T, file, name string, files int, from *node.Node, magnet string) {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	n, end := daemon(t, home, nil)
	r := node.FetchRequest{Ref: file, Dir: dir, Seed: true}
	if from != nil {
		r.Ref, r.Peers = magnet, []string{addrOf(t, from)}
	}
	last, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) },
		func(e node.Event) bool { return e.Seeding != nil })
	if err != nil {
		t.Fatalf("%v (%s)", err, fault.HintOf(err))
	}
	if f := last.Fetched; f.Size != 0 || f.Files != files || f.Path != filepath.Join(dir, name) || !f.Verified {
		t.Errorf("fetched: got %+v", f)
	}
	if _, err := os.Stat(filepath.Join(dir, ".p2pshare")); err == nil {
		t.Error("the staging folder is left behind")
	}
	end()
	n, _ = daemon(t, home, nil)
	s := shareIn(t, n, name, in(node.StateSeeding))
	if s.Size != 0 || s.Files != files || s.Ratio != 0 {
		t.Errorf("status: got %+v", s)
	}
	v, err := n.Verify(t.Context(), node.VerifyRequest{Torrent: file, Data: filepath.Join(dir, name)}, func(node.Event) {})
	if err != nil || !v.OK {
		t.Errorf("verify: got %+v, %v", v, err)
	}
	fetchFrom(t, n, s.Magnet, filepath.Join(dir, name))
	// The target is there already.
	again, err := fetch(t, 0, node.FetchRequest{Ref: file, Dir: dir})
	if err != nil || again.Files != files {
		t.Errorf("fetching it again: got %+v, %v", again, err)
	}
	if files > 0 {
		only := "**"
		if files == 1 {
			only = name
			if name == "none" {
				only = "f"
			}
		}
		part, err := fetch(t, 0, node.FetchRequest{Ref: file, Dir: t.TempDir(), Only: []string{only}})
		if err != nil || part.Files != files {
			t.Errorf("--only %s: got %+v, %v", only, part, err)
		}
	}
	if _, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{name}, Data: true}); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		t.Error("remove --data left the content")
	}
}

// TestPoisonedRecord: a record with a hash of zeros costs its share alone.
func TestPoisonedRecord(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	pub := publishIn(t, n, folder(t, "bad", map[string]string{"f": "1"}))
	publishIn(t, n, folder(t, "good", map[string]string{"f": "2"}))
	id := shareIn(t, n, "bad", in(node.StateSeeding)).ID
	end()
	shares, items, _, err := store.Open[map[string]any](filepath.Join(home, "shares"), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.ID == id && i.Value["infohash"] == pub.Infohash {
			i.Value["infohash"] = strings.Repeat("0", 40)
			err = shares.Put(id, i.Value)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	n, _ = daemon(t, home, nil)
	shareIn(t, n, "good", in(node.StateSeeding))
	if s := shareIn(t, n, id, in(node.StateDamaged)); !strings.Contains(s.Reason, "all zeros") || s.Hint == "" {
		t.Errorf("got %q, %q, want a reason and a hint", s.Reason, s.Hint)
	}
	if _, err := n.Remove(t.Context(), node.RemoveRequest{Refs: []string{id}}); err != nil {
		t.Errorf("remove: %v", err)
	}
}

// TestHashesThatCannotBe: a request, a record of the home and an entry of a group with a hash of zeros are refused where they
// come in, and the daemon goes on.
func TestHashesThatCannotBe(t *testing.T) {
	zero, zero2 := strings.Repeat("0", 40), strings.Repeat("0", 64)
	good, good2 := strings.Repeat("1", 40), strings.Repeat("1", 64)
	n, _ := daemon(t, t.TempDir(), nil)
	entry := func(v1, info, torrent string) *node.SignedEntry {
		return &node.SignedEntry{Ref: "g/x", Account: "ann", Content: "x", Files: 1, Infohash: v1, Info: info, Torrent: torrent}
	}
	for _, c := range []struct {
		name string
		r    node.FetchRequest
	}{
		{"digits", node.FetchRequest{Ref: zero}},
		{"v2 digits", node.FetchRequest{Ref: zero2}},
		{"a magnet", node.FetchRequest{Ref: "magnet:?xt=urn:btih:" + zero}},
		{"an entry's infohash", node.FetchRequest{Ref: "magnet:?xt=urn:btih:" + good, Entry: entry(zero, good2, good2)}},
		{"an entry's info", node.FetchRequest{Ref: "magnet:?xt=urn:btih:" + good, Entry: entry(good, zero2, good2)}},
		{"an entry's torrent", node.FetchRequest{Ref: "magnet:?xt=urn:btih:" + good, Entry: entry(good, good2, zero2)}},
		{"an entry's info of another length", node.FetchRequest{Ref: "magnet:?xt=urn:btih:" + good, Entry: entry(good, good, good2)}},
	} {
		c.r.Dir = t.TempDir()
		if _, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, c.r, on) }, nil); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want it refused as malformed", c.name, err)
		}
	}
	if s, err := n.Status(t.Context(), node.StatusRequest{}); err != nil || len(s.Shares) != 0 {
		t.Errorf("shares: got %+v, %v, want none", s, err)
	}
}
