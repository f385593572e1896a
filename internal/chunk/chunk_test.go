package chunk_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

const average = 16 << 10

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b) // it never fails
	return b
}

func cut(t testing.TB, b []byte, workers int) []chunk.Chunk {
	t.Helper()
	c, err := chunk.NewCutter(average, workers)
	if err != nil {
		t.Fatal(err)
	}
	c.SetSegment(256 << 10)
	chunks, err := c.File(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return chunks
}

// TestCut checks that the chunks cover a file, that each is within the bounds, and that many cores give the same as one.
func TestCut(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":              {},
		"a byte":               {1},
		"below the minimum":    noise(1, average/4-1),
		"the minimum":          noise(1, average/4),
		"noise":                noise(2, 1<<20),
		"zeros, without a cut": make([]byte, 1<<20),
		"several segments":     noise(3, 3<<20+5),
		"segments of zeros":    slices.Concat(noise(4, 300<<10), make([]byte, 700<<10), noise(5, 100)),
	} {
		t.Run(name, func(t *testing.T) {
			one, many := cut(t, b, 1), cut(t, b, 3)
			if !slices.Equal(one, many) {
				t.Errorf("three cores cut into %d chunks, one into %d others", len(many), len(one))
			}
			at := 0
			for i, c := range one {
				if c.Length <= 0 || c.Length > 4*average || c.Length < average/4 && i < len(one)-1 {
					t.Fatalf("chunk %d has %d bytes, want %d to %d", i, c.Length, average/4, 4*average)
				}
				if got := chunk.SumOf(b[at : at+int(c.Length)]); got != c.Sum {
					t.Fatalf("chunk %d: its sum is %x, want %x", i, c.Sum, got)
				}
				at += int(c.Length)
			}
			if at != len(b) {
				t.Errorf("the chunks have %d bytes, want %d", at, len(b))
			}
		})
	}
}

// TestCutLikeOneRun checks that joined parallel cuts equal a single cut from the beginning.
func TestCutLikeOneRun(t *testing.T) {
	b := noise(6, 2<<20)
	c, err := chunk.NewCutter(average, 1) // with its own segments, larger than the file
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.File(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if got := cut(t, b, 2); !slices.Equal(got, want) {
		t.Errorf("in segments it is cut into %d chunks, in one run into %d others", len(got), len(want))
	}
}

// TestInsertion checks that an insertion changes only the chunks around it.
func TestInsertion(t *testing.T) {
	old := noise(7, 8<<20)
	fresh := slices.Concat(old[:3<<20], noise(8, 1000), old[3<<20:])
	known := map[chunk.Sum]bool{}
	for _, c := range cut(t, old, 1) {
		known[c.Sum] = true
	}
	news := 0
	for _, c := range cut(t, fresh, 1) {
		if !known[c.Sum] {
			news += int(c.Length)
		}
	}
	if news < 1000 || news > 10*average {
		t.Errorf("%d bytes are in new chunks after 1,000 were inserted, want at most %d", news, 10*average)
	}
}

// TestGoldenCuts checks that the cuts of version 1 of the index do not change with the library.
func TestGoldenCuts(t *testing.T) {
	var b bytes.Buffer
	for _, c := range cut(t, noise(9, 400<<10), 1) {
		b.Write(c.Sum[:2])
	}
	const want = "d7570dfe8239127b4346fc40dc44446ca52e843a27c7b5513a359008742a43c92a8c39ebfa83a7305cbc41cabae37fe7"
	if got := hex.EncodeToString(b.Bytes()); got != want {
		t.Errorf("the cuts changed: got %s, want %s", got, want)
	}
}

type failing struct{ io.ReaderAt }

var errDisk = errors.New("the disk is broken")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 200<<10 {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestCutErrors(t *testing.T) {
	b := noise(10, 1<<20)
	c, err := chunk.NewCutter(average, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.File(t.Context(), bytes.NewReader(b), 2<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file shorter than it was: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := c.File(t.Context(), failing{bytes.NewReader(b)}, 1<<20); !errors.Is(err, errDisk) {
		t.Errorf("a disk that fails: got %v, want %v", err, errDisk)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.File(ctx, bytes.NewReader(b), 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
	for _, bad := range []int{0, 1, average - 1, average + 1, 32 << 20, -average} {
		if _, err := chunk.NewCutter(bad, 1); err == nil {
			t.Errorf("NewCutter(%d): got no error", bad)
		}
	}
}

func TestAverageFor(t *testing.T) {
	for _, c := range []struct {
		size int64
		want int
	}{{0, 16 << 10}, {8 << 30, 16 << 10}, {9 << 30, 32 << 10}, {1 << 40, 2 << 20}, {1 << 50, 16 << 20}} {
		if got := chunk.AverageFor(c.size); got != c.want {
			t.Errorf("AverageFor(%d): got %d, want %d", c.size, got, c.want)
		}
	}
}

// release makes a torrent as Make expects it, with its files on disk.
func release(t *testing.T, files map[string][]byte) (*metafile.Torrent, content.Located) {
	t.Helper()
	m := &metafile.Torrent{Name: "release", Dir: true, V2: &[32]byte{7}}
	l := content.Located{Root: t.TempDir()}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := filepath.Join(l.Root, name)
		if err := os.WriteFile(p, files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		stamp := content.StampOf(f, fi)
		f.Close()
		m.Files = append(m.Files, metafile.File{Path: []string{name}, Length: fi.Size()})
		m.Size += fi.Size()
		l.Paths, l.Stamps = append(l.Paths, name), append(l.Stamps, stamp)
	}
	return m, l
}

func TestMake(t *testing.T) {
	files := map[string][]byte{"a": noise(11, 3<<20), "b": {}, "c": noise(12, 100), "large": noise(13, 65<<20)}
	m, l := release(t, files)
	var last int64
	x, err := chunk.Make(t.Context(), m, l, chunk.Options{Workers: 2, Progress: func(done, total int64) {
		if done < last || total != m.Size {
			t.Errorf("progress %d of %d after %d, want it to rise, and %d in all", done, total, last, m.Size)
		}
		last = done
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last != m.Size {
		t.Errorf("progress ended at %d, want %d", last, m.Size)
	}
	if err := x.Fits(m); err != nil {
		t.Error(err)
	}
	for i, name := range []string{"a", "b", "c", "large"} {
		if want := cut(t, files[name], 1); !slices.Equal(x.Files[i].Chunks, want) {
			t.Errorf("%s: got %d chunks, want %d", name, len(x.Files[i].Chunks), len(want))
		}
	}
	b := x.Encode()
	if int64(len(b))*chunk.MostShare > m.Size {
		t.Errorf("the index has %d bytes for %d, want at most a %dth", len(b), m.Size, chunk.MostShare)
	}
	again, err := chunk.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Encode(); !bytes.Equal(got, b) {
		t.Error("decoding and encoding an index changes it")
	}
}

func TestMakeErrors(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"grown":     func(p string) error { return os.WriteFile(p, noise(1, 2<<20), 0o600) },
		"shorter":   func(p string) error { return os.Truncate(p, 5) },
		"gone":      os.Remove,
		"rewritten": func(p string) error { return errors.Join(os.Remove(p), os.WriteFile(p, noise(2, 1<<20), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			m, l := release(t, map[string][]byte{"a": noise(1, 1<<20)})
			if err := spoil(filepath.Join(l.Root, "a")); err != nil {
				t.Fatal(err)
			}
			if _, err := chunk.Make(t.Context(), m, l, chunk.Options{}); err == nil || !strings.Contains(err.Error(), `a"`) {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
	m, l := release(t, map[string][]byte{"a": noise(1, 1<<20)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chunk.Make(ctx, m, l, chunk.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}

func TestFits(t *testing.T) {
	m := &metafile.Torrent{Name: "release", Files: []metafile.File{{Length: 5}, {Length: 0}}}
	for name, c := range map[string]struct {
		average int
		files   []chunk.File
		fits    bool
	}{
		"the same":       {average, []chunk.File{{Length: 5}, {}}, true},
		"too few":        {average, []chunk.File{{Length: 5}}, false},
		"too many":       {average, []chunk.File{{Length: 5}, {}, {}}, false},
		"another length": {average, []chunk.File{{Length: 6}, {}}, false},
		"larger chunks":  {2 * average, []chunk.File{{Length: 5}, {}}, false},
	} {
		err := (&chunk.Index{Average: c.average, Files: c.files}).Fits(m)
		if (err == nil) != c.fits || !c.fits && fault.KindOf(err) != fault.Unverified {
			t.Errorf("%s: got %v, want fits %v", name, err, c.fits)
		}
	}
}
