//go:build linux

package integration_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// release is a payload that a host seeds, with its .torrent and index of chunks, and an older copy of it in another
// folder: bytes are missing in the middle of its files.
type release struct {
	swarm
	torrent string
	old     string
}

func newRelease(t *testing.T) *release {
	t.Helper()
	r := &release{swarm: swarm{lab: newLab(t, 2), path: made(t, payload.Large)}, torrent: filepath.Join(t.TempDir(), "x.torrent")}
	published(t, r.lab.Host(1), r.path, append([]string{"--chunks", "on", "-o", r.torrent}, nothing...)...)
	r.old = filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(r.old, os.DirFS(r.path)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.bin", "b/c.bin"} {
		b := r.read(t, name)
		cut := len(b) / 3
		if err := os.WriteFile(filepath.Join(r.old, name), slices.Concat(b[:cut], b[cut+5000:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *release) read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.path, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch gets it with the older copy at hand, and checks every byte.
func (r *release) fetch(t testing.TB, flags ...string) *client.Process {
	t.Helper()
	out := t.TempDir()
	args := slices.Concat(flags, peerFlag(r.lab.Host(1)), nothing, []string{"--json", "--reuse", r.old, "-o", out, r.torrent})
	p := client.Start(t, us.Command(t, r.lab.Host(2), "fetch", args...))
	if err := p.Finished(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(r.path, filepath.Join(out, filepath.Base(r.path))); err != nil {
		t.Error(err)
	}
	return p
}

// The older copy is written to, cut off, emptied and made again all the while it is read: that costs what is fetched instead,
// and never a wrong byte.
func TestReuseSourceChangesAllTheTime(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	path := filepath.Join(r.old, "a.bin")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(6, 6))
		noise := payload.Bytes(200_000, 9)
		done <- func() error {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return os.WriteFile(path, good, 0o644)
				default:
				}
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
				if err != nil {
					return err
				}
				switch i % 40 {
				case 10:
					err = f.Truncate(random.Int64N(int64(len(good))))
				case 20:
					_, err = f.WriteAt(good, 0)
				case 30:
					err = os.Remove(path)
				default:
					_, err = f.WriteAt(noise, random.Int64N(int64(len(good))))
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err != nil {
					return err
				}
			}
		}()
	}()
	for range 3 {
		r.fetch(t)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Left alone, it is of use.
	if got := reusedBytes(t, r.fetch(t)); got < 35_000_000 {
		t.Errorf("reused %d bytes of a file that nobody writes to, want nearly all", got)
	}
}

// reusedBytes is what the answer of a fetch says.
func reusedBytes(t testing.TB, p *client.Process) int64 {
	t.Helper()
	var n int64
	out := p.Stdout.String()
	i := strings.LastIndex(out, `"reused":`)
	if i < 0 {
		t.Fatalf("no word of reuse in %q", out)
	}
	for _, c := range out[i+len(`"reused":`):] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// sumsIn are where the sums of an index of chunks are (internal/chunk/SPEC.md).
func sumsIn(t testing.TB, index []byte) (at []int) {
	t.Helper()
	pos := 16 + 4 + 32 + 4 + 4
	number := func() int64 {
		v, n := binary.Uvarint(index[pos:])
		if n <= 0 {
			t.Fatalf("no number at %d of the index", pos)
		}
		pos += n
		return int64(v)
	}
	for range binary.BigEndian.Uint32(index[56:]) {
		for left := number(); left > 0; {
			left -= number()
			at = append(at, pos)
			pos += 16
		}
	}
	if pos != len(index) {
		t.Fatalf("%d bytes of the index are unread", len(index)-pos)
	}
	return at
}

// An index that lies costs time, and never a wrong byte.
func TestChunkIndexThatLies(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	index, err := os.ReadFile(strings.TrimSuffix(r.torrent, ".torrent") + ".chunks")
	if err != nil {
		t.Fatal(err)
	}
	sums := sumsIn(t, index)
	for _, c := range []struct {
		name  string
		lie   func(b []byte) []byte
		least int64  // bytes reused in spite of it: what is at its place
		says  string // where it is not used at all
	}{
		{"the truth", func(b []byte) []byte { return b }, 35_000_000, ""},
		{"every sum is another's", func(b []byte) []byte {
			for _, at := range sums {
				from := rand.New(rand.NewPCG(uint64(at), 1)).IntN(len(sums))
				copy(b[at:at+16], index[sums[from]:])
			}
			return b
		}, 1_000_000, ""},
		{"one sum for all", func(b []byte) []byte {
			for _, at := range sums {
				copy(b[at:at+16], index[sums[0]:])
			}
			return b
		}, 1_000_000, ""},
		{"sums of nothing", func(b []byte) []byte {
			for _, at := range sums {
				copy(b[at:at+16], bytes.Repeat([]byte{byte(at)}, 16))
			}
			return b
		}, 1_000_000, ""},
		{"larger chunks", func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[52:], 64<<10)
			return b
		}, 1_000_000, "only what has not moved"},
		{"cut off", func(b []byte) []byte { return b[:len(b)/2] }, 1_000_000, "only what has not moved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			beside := filepath.Join(t.TempDir(), "x.torrent")
			torrent, err := os.ReadFile(r.torrent)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(beside, torrent, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(strings.TrimSuffix(beside, ".torrent")+".chunks", c.lie(bytes.Clone(index)), 0o644); err != nil {
				t.Fatal(err)
			}
			at := *r
			at.torrent = beside
			p := at.fetch(t)
			if got := reusedBytes(t, p); got < c.least {
				t.Errorf("reused %d bytes, want at least %d", got, c.least)
			}
			if said := p.Stdout.String() + p.Stderr.String(); !strings.Contains(said, c.says) {
				t.Errorf("said %q, want %q", said, c.says)
			}
		})
	}
}
