package seeder_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/seeder"
)

// TestSalt checks that each salt gives a torrent another infohash, and that apart from the salt the torrent is the
// same as without one.
func TestSalt(t *testing.T) {
	folder := write(t, "release", 31, file{path: "a", size: 70_000}, file{path: "b/c", size: 3}, file{path: "empty", size: 0})
	single := write(t, "one", 32, file{path: "a", size: 70_000}) + "/a"
	for _, c := range []struct {
		name, path string
		format     seeder.Format
	}{
		{"v1 folder", folder, seeder.V1}, {"v1 file", single, seeder.V1},
		{"hybrid folder", folder, seeder.Hybrid}, {"hybrid file", single, seeder.Hybrid},
		{"v2 folder", folder, seeder.V2}, {"v2 file", single, seeder.V2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := seeder.Options{Path: c.path, Format: c.format, PieceLength: 16 << 10, Private: true}
			plain := build(t, o)
			o.Salt = bytes.Repeat([]byte{0xff}, seeder.SaltSize)
			salted := build(t, o)
			again := build(t, o)
			o.Salt = bytes.Repeat([]byte{1}, seeder.SaltSize)
			other := build(t, o)

			if !bytes.Equal(salted.Bytes, again.Bytes) {
				t.Error("with the same salt: got another torrent")
			}
			seen := map[string]bool{}
			for _, b := range []*seeder.Built{plain, salted, other} {
				var hashes []string
				if b.Torrent.V1 != nil {
					hashes = append(hashes, b.Torrent.V1.HexString())
				}
				if b.Torrent.V2 != nil {
					hashes = append(hashes, fmt.Sprintf("%x", *b.Torrent.V2))
				}
				for _, h := range hashes {
					if seen[h] {
						t.Errorf("infohash %s: got it twice", h)
					}
					seen[h] = true
				}
			}
			if !salted.Torrent.OfGroup || !salted.Torrent.Private || plain.Torrent.OfGroup {
				t.Errorf("of a group: got %v, and %v without a salt", salted.Torrent.OfGroup, plain.Torrent.OfGroup)
			}

			var meta struct {
				Info bencode.Bytes `bencode:"info"`
			}
			if err := bencode.Unmarshal(salted.Bytes, &meta); err != nil {
				t.Fatal(err)
			}
			if got, want := keysInOrder(t, meta.Info), slices.Sorted(slices.Values(keysInOrder(t, meta.Info))); !slices.Equal(got, want) || !slices.Contains(got, "salt") {
				t.Errorf("keys of the info: got %q, want the salt among them in order", got)
			}
			unsalted := bytes.Replace(meta.Info, append([]byte("4:salt32:"), bytes.Repeat([]byte{0xff}, 32)...), nil, 1)
			if err := bencode.Unmarshal(plain.Bytes, &meta); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(unsalted, meta.Info) {
				t.Errorf("without its salt: got\n%q, want\n%q", unsalted, meta.Info)
			}
		})
	}
}

// keysInOrder returns the keys of a bencoded dictionary in the order they are stored.
func keysInOrder(t *testing.T, b []byte) (out []string) {
	t.Helper()
	rest := b[1 : len(b)-1]
	for len(rest) > 0 {
		d := bencode.NewDecoder(bytes.NewReader(rest))
		var key string
		var value bencode.Bytes
		if err := d.Decode(&key); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		out = append(out, key)
		rest = rest[d.Offset:]
	}
	return out
}

func TestSaltRefuses(t *testing.T) {
	dir := write(t, "release", 33, file{path: "a", size: 1})
	good := bytes.Repeat([]byte{1}, seeder.SaltSize)
	for _, c := range []struct {
		name string
		o    seeder.Options
		want string
	}{
		{"too short", seeder.Options{Salt: good[:31], Private: true}, "31 bytes"},
		{"empty", seeder.Options{Salt: []byte{}, Private: true}, "0 bytes"},
		{"not private", seeder.Options{Salt: good}, "not private"},
		{"with a tracker", seeder.Options{Salt: good, Private: true, Trackers: [][]string{{}, {"http://a/announce"}}}, "only from its members"},
		{"with a web seed", seeder.Options{Salt: good, Private: true, WebSeeds: []string{"http://a/"}}, "only from its members"},
	} {
		c.o.Path = dir
		if _, err := seeder.Build(t.Context(), c.o); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it refused with %q", c.name, err, c.want)
		}
	}
	if _, err := seeder.Build(t.Context(), seeder.Options{Path: dir, Salt: good, Private: true, Trackers: [][]string{{}}}); err != nil {
		t.Errorf("an empty tier: got %v, want a torrent", err)
	}
}
