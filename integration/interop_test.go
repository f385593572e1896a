//go:build linux

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// row is one kind of torrent and connection in the matrix of clients.
type row struct {
	format string // v1, hybrid or v2
	tree   payload.Tree
	magnet bool
	way    string // of the connection; empty: plain TCP over IPv4
}

// The connections other than plain TCP.
const (
	encrypted = "forced encryption"
	ipv6      = "over IPv6"
	private   = "private"
)

func (r row) String() string {
	ref := ".torrent"
	if r.magnet {
		ref = "magnet"
	}
	s := fmt.Sprintf("%s, %s, %s", r.format, r.tree.Title, ref)
	if r.way != "" {
		s += ", " + r.way
	}
	return s
}

func rows() (all []row) {
	for _, format := range []string{"v1", "hybrid", "v2"} {
		for _, tree := range payload.Trees() {
			for _, magnet := range []bool{false, true} {
				all = append(all, row{format, tree, magnet, ""})
			}
		}
	}
	for _, way := range []string{encrypted, private, ipv6} {
		all = append(all, row{"v1", payload.OneFile, false, way})
	}
	return all
}

// peers returns the clients of the matrix, starting with those that every test run tries.
func (r row) peers() []client.Peer {
	w := client.Way{Encrypted: r.way == encrypted, IPv6: r.way == ipv6}
	return append(client.Peers(w), client.Others(w)...)
}

// cell is one cell of the matrix.
type cell struct {
	row
	peer  client.Peer
	serve bool // p2pshare serves and the peer fetches; else the reverse
}

func (c cell) String() string {
	way := c.peer.Name() + " to us"
	if c.serve {
		way = "us to " + c.peer.Name()
	}
	return strings.ReplaceAll(c.row.String(), ", ", "/") + "/" + way
}

// quick says whether every test run has time for the cell: with clients that start fast, and what they can do.
func (c cell) quick() bool {
	if c.way != "" {
		return false
	}
	switch c.peer.Name() {
	case "libtorrent":
		return true
	case "aria2", "transmission":
		return c.format != "v2"
	}
	return false
}

// limit is a limitation of another client.
type limit struct {
	says  string // for the table; empty: no limitation
	error string // expected in the failure, to tell it from others
}

// cannot returns the known limitation of a cell. All of them are the other client's, which has them with libtorrent's
// torrents and peers too.
func (c cell) cannot() limit {
	switch name := c.peer.Name(); {
	case c.format == "v2" && name == "aria2":
		return limit{"no: aria2 1.36 knows no v2", ""}
	case c.format == "hybrid" && name == "aria2":
		// It drops the empty key in the file tree of BEP 52, and computes a different infohash.
		return limit{"no: aria2 1.36 computes a wrong infohash", ""}
	case c.format == "v2" && name == "transmission":
		return limit{"no: Transmission 3.00 knows no v2", "transmission refuses it"}
	case c.format == "hybrid" && name == "transmission" && c.magnet && c.serve:
		return limit{"no: Transmission 3.00 cannot read the info", "waiting until transmission has all"}
	case c.format == "hybrid" && name == "transmission":
		// It takes the value of the empty key for the next key.
		return limit{"no: Transmission 3.00 cannot read the info", "transmission refuses it"}
	case c.tree.Name == payload.Unicode.Name && name == "transmission" && c.serve:
		return limit{"all but one empty file, which Transmission 3.00 does not make", `"a/empty too" is missing`}
	case c.format == "v2" && c.magnet && c.serve && name == "Deluge":
		return limit{"no: Deluge 2.0.3 takes no v2 magnets", "deluge refuses it"}
	case c.format == "v2" && name == "rtorrent":
		return limit{"no: rtorrent 0.9.8 knows no v2", ""}
	case c.format == "hybrid" && name == "rtorrent" && c.magnet && c.serve:
		return limit{"no: rtorrent 0.9.8 takes no magnet with two infohashes", "waiting until rtorrent has all"}
	case c.format == "hybrid" && name == "rtorrent" && c.tree.Name != payload.OneFile.Name && c.serve:
		return limit{"all, and the pads as files beside", "and should not be"}
	case c.format == "hybrid" && name == "rtorrent" && c.tree.Name != payload.OneFile.Name:
		return limit{"no: rtorrent 0.9.8 takes pads for files, which are not there", "waiting until rtorrent has all"}
	}
	return limit{}
}

// TestInterop transfers every kind of torrent between p2pshare and clients, both ways, and compares the bytes. With
// P2PSHARE_INTEROP_OUT it tests every client, and writes the table to that file. Passed cells are recorded in
// P2PSHARE_INTEROP_NOTE, so that the table can be made in parts, with -run.
func TestInterop(t *testing.T) {
	out, noted := os.Getenv("P2PSHARE_INTEROP_OUT"), notes{path: os.Getenv("P2PSHARE_INTEROP_NOTE")}
	var cells []cell
	for _, r := range rows() {
		for _, peer := range r.peers() {
			cells = append(cells, cell{r, peer, true}, cell{r, peer, false})
		}
	}
	results := make([]string, len(cells))
	// Clients wait most of the time: Transmission and aria2 start to serve a peer up to ten seconds
	// after it connects. So run more cells than there are cores.
	slots := make(chan struct{}, 8)
	t.Run("cells", func(t *testing.T) {
		for i, c := range cells {
			if out == "" && !c.quick() {
				continue
			}
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				results[i] = runCell(t, c)
				noted.add(t, c, results[i])
			})
		}
	})
	before := noted.read(t)
	for i, c := range cells {
		if results[i] == "" {
			results[i] = before[c.String()]
		}
	}
	if out == "" || t.Failed() || slices.Contains(results, "") {
		return // only some cells were selected
	}
	table := interopTable(cells, results)
	t.Log("\n" + table)
	if err := os.WriteFile(out, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
}

// notes records results of passed cells, one per line.
type notes struct {
	path string // empty: nothing is recorded
	mu   sync.Mutex
}

func (n *notes) add(t *testing.T, c cell, result string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.path == "" || t.Failed() {
		return
	}
	f, err := os.OpenFile(n.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s\t%s\n", c, result); err != nil {
		t.Fatal(err)
	}
}

func (n *notes) read(t *testing.T) map[string]string {
	out := map[string]string{}
	if n.path == "" {
		return out
	}
	b, err := os.ReadFile(n.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, result, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			out[name] = result
		}
	}
	return out
}

// runCell returns the table's entry for a cell: "yes", or a known limitation. Anything else fails the test.
func runCell(t *testing.T, c cell) string {
	known := c.cannot()
	patience := time.Minute
	if !c.quick() {
		patience = 5 * time.Minute // Deluge's console takes seconds to start
	}
	err := transfer(within(t, patience), t, c)
	switch {
	case err != nil && known.says != "" && strings.Contains(err.Error(), known.error):
		return known.says
	case err != nil:
		t.Error(err)
		return "FAILED"
	case known.says != "":
		t.Errorf("works now, but is listed as: %s", known.says)
	}
	return "yes"
}

func transfer(ctx context.Context, t *testing.T, c cell) error {
	lab := newLab(t, 2)
	tr, announce := httpTracker(t, lab)
	if c.way == ipv6 {
		hub, err := lab.IPv6()
		if err != nil {
			return err
		}
		announce = serveAt(t, lab.Hub(), "["+hub+"]:0", tr) + "/announce"
	}
	dir, out := t.TempDir(), t.TempDir()
	path, err := c.tree.Make(dir)
	if err != nil {
		return err
	}
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	publish := []string{"--format", c.format, "--piece-length", "32KiB", "--tracker", announce, "-o", torrent}
	if c.way == private {
		publish = append(publish, "--private")
	}

	var ref string
	var seeder, fetcher *client.Process
	var fetch client.Peer = c.peer
	if c.serve {
		seeder, ref, err = us.Quiet().Publish(ctx, t, lab.Host(1), path, publish...)
	} else {
		fetch = us.Quiet()
		var magnet []byte
		magnet, err = us.Command(t, nil, "publish", append(publish, "--no-seed", path)...).Output()
		ref = strings.TrimSpace(string(magnet))
		if err == nil {
			seeder, err = c.peer.Seed(ctx, t, lab.Host(1), torrent, dir)
		}
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("publish: %w: %s", err, exit.Stderr)
		}
		return err
	}
	if !c.magnet {
		ref = torrent
	}
	if err := seeder.Until(ctx, "the tracker knows the seeder", func() bool { return tr.Announced() > 0 }); err != nil {
		return err
	}
	if known := c.cannot(); known.says != "" && (known.error == "" || strings.HasPrefix(known.error, "waiting until ")) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 20*time.Second) // in vain: twice what a transfer takes
		defer cancel()
	}
	fetcher, err = fetch.Fetch(ctx, t, lab.Host(2), ref, out)
	if err != nil {
		return err
	}
	if err := fetcher.Finished(ctx); err != nil {
		return err
	}
	return payload.Same(path, filepath.Join(out, c.tree.Name))
}

func interopTable(cells []cell, results []string) string {
	var b strings.Builder
	b.WriteString("# What works with which client\n\n")
	b.WriteString("Written by `make interop`, which moves each torrent between p2pshare and each client in both directions, on two\n")
	b.WriteString("machines (network namespaces) that meet at a tracker, and compares the bytes. \"to us\": the client has the content and\np2pshare fetches it. What is \"no\" is so between libtorrent and that client, too.\n\n")
	b.WriteString("| torrent |")
	columns := 0
	for _, p := range cells[0].peers() {
		fmt.Fprintf(&b, " us to %[1]s | %[1]s to us |", p.Name())
		columns += 2
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", columns) + "\n")
	for i := 0; i < len(cells); i += columns {
		fmt.Fprintf(&b, "| %s |", cells[i].row)
		for _, r := range results[i : i+columns] {
			fmt.Fprintf(&b, " %s |", r)
		}
		b.WriteString("\n")
	}
	return b.String()
}
