//go:build linux

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// cell is one square of the matrix of clients.
type cell struct {
	format string // v1 or hybrid
	tree   payload.Tree
	magnet bool
	peer   client.Peer
	serve  bool // p2pshare serves and the peer fetches; else the other way round
}

func (c cell) String() string {
	ref, way := "torrent", c.peer.Name()+" to us"
	if c.magnet {
		ref = "magnet"
	}
	if c.serve {
		way = "us to " + c.peer.Name()
	}
	return strings.Join([]string{c.format, c.tree.Title, ref, way}, "/")
}

// limit is what another client cannot do.
type limit struct {
	says  string // for the table; empty: there is none
	error string // what the failure has to say, so that another one is not taken for it
}

// cannot is the known limit of a cell. All of them are the other client's, which has them with
// libtorrent's torrents and peers as well.
func (c cell) cannot() limit {
	switch {
	case c.format == "hybrid" && c.peer.Name() == "aria2":
		// It loses the empty key in the file tree of BEP 52, and computes another infohash.
		return limit{"no: aria2 1.36 computes a wrong infohash", ""}
	case c.format == "hybrid" && c.peer.Name() == "transmission" && c.magnet && c.serve:
		return limit{"no: Transmission 3.00 cannot read the info", "waiting until transmission has all"}
	case c.format == "hybrid" && c.peer.Name() == "transmission":
		// It takes the value of the empty key for the next key.
		return limit{"no: Transmission 3.00 cannot read the info", "transmission refuses it"}
	case c.tree.Name == payload.Unicode.Name && c.peer.Name() == "transmission" && c.serve:
		return limit{"all but one empty file, which Transmission 3.00 does not make", `"a/empty too" is missing`}
	}
	return limit{}
}

// TestInterop moves every kind of torrent between p2pshare and every client, both ways, and compares
// the bytes. With P2PSHARE_INTEROP_OUT it writes the table there.
func TestInterop(t *testing.T) {
	var cells []cell
	for _, format := range []string{"v1", "hybrid"} {
		for _, tree := range payload.Trees() {
			for _, magnet := range []bool{false, true} {
				for _, peer := range client.Peers() {
					cells = append(cells, cell{format, tree, magnet, peer, true}, cell{format, tree, magnet, peer, false})
				}
			}
		}
	}
	results := make([]string, len(cells))
	// Clients wait most of the time: Transmission and aria2 begin to serve a peer up to ten seconds
	// after it connects. So more cells than cores.
	slots := make(chan struct{}, 8)
	t.Run("cells", func(t *testing.T) {
		for i, c := range cells {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				results[i] = runCell(t, c)
			})
		}
	})
	table := interopTable(cells, results)
	t.Log("\n" + table)
	if slices.Contains(results, "") {
		return // only some cells were asked for
	}
	if out := os.Getenv("P2PSHARE_INTEROP_OUT"); out != "" && !t.Failed() {
		if err := os.WriteFile(out, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// runCell is what the table says of a cell: "yes", or a limit that is known beforehand. Anything else
// fails the test.
func runCell(t *testing.T, c cell) string {
	known := c.cannot()
	patience := time.Minute
	if known.says != "" {
		patience = 20 * time.Second // twice what a transfer takes at most
	}
	err := transfer(within(t, patience), t, c)
	switch {
	case err != nil && known.says != "" && strings.Contains(err.Error(), known.error):
		return known.says
	case err != nil:
		t.Error(err)
		return "FAILED"
	case known.says != "":
		t.Errorf("works now, and is said not to: %s", known.says)
	}
	return "yes"
}

func transfer(ctx context.Context, t *testing.T, c cell) error {
	lab := newLab(t, 2)
	tr, announce := httpTracker(t, lab)
	dir, out := t.TempDir(), t.TempDir()
	path, err := c.tree.Make(dir)
	if err != nil {
		return err
	}
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	publish := []string{"--format", c.format, "--piece-length", "32KiB", "--tracker", announce, "-o", torrent}

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
	b.WriteString("machines (network namespaces) that meet at a tracker, and compares the bytes. \"to us\": the client has the content and\np2pshare fetches it.\n\n")
	b.WriteString("| torrent |")
	for _, p := range client.Peers() {
		fmt.Fprintf(&b, " us to %[1]s | %[1]s to us |", p.Name())
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", 2*len(client.Peers())) + "\n")
	columns := 2 * len(client.Peers())
	for i := 0; i < len(cells); i += columns {
		c := cells[i]
		ref := ".torrent"
		if c.magnet {
			ref = "magnet"
		}
		fmt.Fprintf(&b, "| %s, %s, %s |", c.format, c.tree.Title, ref)
		for _, r := range results[i : i+columns] {
			fmt.Fprintf(&b, " %s |", r)
		}
		b.WriteString("\n")
	}
	return b.String()
}
