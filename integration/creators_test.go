//go:build linux

package integration_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// TestSameTorrentAsOtherCreators builds each tree with mktorrent, with libtorrent and with p2pshare: the same piece length has
// to give the same infohash, or two people who share the same folder would be in two swarms.
func TestSameTorrentAsOtherCreators(t *testing.T) {
	t.Parallel()
	const pieceLog = 15
	for _, tree := range payload.Trees() {
		for _, format := range []string{"v1", "v2", "hybrid"} {
			t.Run(tree.Title+" "+format, func(t *testing.T) {
				t.Parallel()
				ctx := within(t, time.Minute)
				path := made(t, tree)
				theirs := filepath.Join(t.TempDir(), "theirs.torrent")
				var err error
				if format == "v1" {
					err = client.Mktorrent(ctx, path, theirs, "", pieceLog)
				} else {
					err = client.LibtorrentCreate(ctx, path, theirs, format, "", 1<<pieceLog)
				}
				if err != nil {
					t.Fatal(err)
				}
				wantV1, wantV2 := hashesOf(t, theirs)
				out, err := us.Command(t, nil, "publish", "--no-seed", "--json", "--format", format, "--piece-length", "32KiB", path).Output()
				if err != nil {
					t.Fatal(err)
				}
				var got struct {
					Type       string
					Infohash   string
					InfohashV2 string `json:"infohash_v2"`
				}
				for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
					if err := json.Unmarshal(line, &got); err != nil {
						t.Fatalf("%v: %s", err, line)
					}
					if got.Type == "published" {
						break
					}
				}
				if format != "v2" && got.Infohash != wantV1 {
					t.Errorf("v1 infohash: got %s, want %s", got.Infohash, wantV1)
				}
				if format != "v1" && got.InfohashV2 != wantV2 {
					t.Errorf("v2 infohash: got %s, want %s", got.InfohashV2, wantV2)
				}
			})
		}
	}
}

// hashesOf returns the SHA-1 and the SHA-256 of the info exactly as stored in a .torrent file.
func hashesOf(t *testing.T, torrent string) (v1, v2 string) {
	t.Helper()
	b, err := os.ReadFile(torrent)
	if err != nil {
		t.Fatal(err)
	}
	// The top-level keys, up to info.
	i := 1
	for {
		end, err := skip(b, i)
		if err != nil {
			t.Fatal(err)
		}
		key := string(b[i:end])
		i = end
		if end, err = skip(b, i); err != nil {
			t.Fatal(err)
		}
		if key == "4:info" {
			one, two := sha1.Sum(b[i:end]), sha256.Sum256(b[i:end])
			return hex.EncodeToString(one[:]), hex.EncodeToString(two[:])
		}
		i = end
	}
}

// skip returns the end of the bencoded value at i.
func skip(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, fmt.Errorf("bencode ends at %d", i)
	}
	switch b[i] {
	case 'i':
		n := bytes.IndexByte(b[i:], 'e')
		return i + n + 1, nil
	case 'l', 'd':
		i++
		for i < len(b) && b[i] != 'e' {
			var err error
			if i, err = skip(b, i); err != nil {
				return 0, err
			}
		}
		return i + 1, nil
	}
	colon := bytes.IndexByte(b[i:], ':')
	if colon < 0 {
		return 0, fmt.Errorf("no bencode at %d", i)
	}
	n, err := strconv.Atoi(string(b[i : i+colon]))
	return i + colon + 1 + n, err
}
