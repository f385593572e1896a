//go:build unix

package content_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

func verify(t testing.TB, m *metafile.Torrent, l content.Located) *content.Report {
	t.Helper()
	r, err := content.Verify(context.Background(), m, l, content.Options{})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}

func TestVerifyRightContent(t *testing.T) {
	for _, format := range formats {
		for _, workers := range []int{0, 1, 3} {
			t.Run(fmt.Sprint(format, workers), func(t *testing.T) {
				m := torrentOf(t, format, sample())
				l := put(t, m, sample())
				var last, calls int64
				r, err := content.Verify(context.Background(), m, l, content.Options{Workers: workers, Progress: func(done, total int64) {
					if done < last || done > total || total != m.Size {
						t.Errorf("progress: got %d of %d after %d", done, total, last)
					}
					last = done
					calls++
				}})
				if err != nil {
					t.Fatal(err)
				}
				if !r.OK || r.GoodBytes != m.Size || slices.Contains(r.Good, false) {
					t.Errorf("got OK %v, %d bytes of %d, pieces %v", r.OK, r.GoodBytes, m.Size, r.Good)
				}
				if last != m.Size || calls == 0 {
					t.Errorf("progress ended at %d of %d", last, m.Size)
				}
				l.Stamps = r.Stamps
				if err := l.Unchanged(context.Background()); err != nil {
					t.Errorf("stamps of a check: %v", err)
				}
			})
		}
	}
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	flip := func(t *testing.T, at string, off int64) {
		f, err := os.OpenFile(at, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := []byte{0}
		if _, err := f.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, at string) {
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
	}
	const shared = "cannot be checked: they share bytes with a file that is missing or wrong"
	tests := []struct {
		name string
		do   func(t *testing.T, dir string)
		want map[string]string // v2 and hybrid: files begin at pieces
		v1   map[string]string // v1: neighbours share pieces; nil: as want
	}{
		{
			name: "a bit in the middle of a file",
			do:   func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "b"), pieceLength+5) },
			want: map[string]string{"b": "1 of 4 pieces differ"},
		},
		{
			name: "a bit at the end of a file",
			do:   func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "b"), 3*pieceLength+16) },
			want: map[string]string{"b": "1 of 4 pieces differ"},
			// The fourth piece of the whole is of b and c.
			v1: map[string]string{"b": "1 of 4 pieces differ", "c": "1 of 2 pieces differ"},
		},
		{
			name: "a missing file",
			do:   func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "c")) },
			want: map[string]string{"c": "missing"},
			v1:   map[string]string{"b": "1 of 4 pieces " + shared, "c": "missing", "d/e/f": "1 of 3 pieces " + shared},
		},
		{
			name: "a missing empty file",
			do:   func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "a", "empty")) },
			want: map[string]string{"a/empty": "missing"},
		},
		{
			name: "an empty file that has bytes",
			do:   func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "a", "empty"), []byte("abc")) },
			want: map[string]string{"a/empty": "wrong size: 3 bytes, want 0"},
		},
		{
			name: "a file too long",
			do: func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, "c"), append(data(pieceLength, 3), 'x'))
			},
			want: map[string]string{"c": "wrong size: 32769 bytes, want 32768"},
			v1:   map[string]string{"b": "1 of 4 pieces " + shared, "c": "wrong size: 32769 bytes, want 32768", "d/e/f": "1 of 3 pieces " + shared},
		},
		{
			name: "a folder in place of a file",
			do: func(t *testing.T, dir string) {
				remove(t, filepath.Join(dir, "a", "empty"))
				writeFile(t, filepath.Join(dir, "a", "empty", "x"), nil)
			},
			want: map[string]string{"a/empty": "not a regular file"},
		},
		{
			name: "a FIFO in place of a file",
			do: func(t *testing.T, dir string) {
				at := filepath.Join(dir, "a", "empty")
				remove(t, at)
				if err := syscall.Mkfifo(at, 0o644); err != nil {
					t.Fatal(err)
				}
			},
			want: map[string]string{"a/empty": "not a regular file"},
		},
		{
			name: "a symlink out of the folder, to the right bytes",
			do: func(t *testing.T, dir string) {
				outside := filepath.Join(t.TempDir(), "empty")
				writeFile(t, outside, nil)
				at := filepath.Join(dir, "a", "empty")
				remove(t, at)
				if err := os.Symlink(outside, at); err != nil {
					t.Fatal(err)
				}
			},
			want: map[string]string{"a/empty": "unreadable: path escapes from parent"},
		},
		{
			name: "a folder on the way that is a symlink out",
			do: func(t *testing.T, dir string) {
				outside := filepath.Join(t.TempDir(), "d")
				if err := os.Rename(filepath.Join(dir, "d"), outside); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(outside, filepath.Join(dir, "d")); err != nil {
					t.Fatal(err)
				}
			},
			want: map[string]string{"d/e/f": "unreadable: path escapes from parent"},
			v1:   map[string]string{"c": "1 of 2 pieces " + shared, "d/e/f": "unreadable: path escapes from parent", "z": "1 of 1 pieces " + shared},
		},
		{
			name: "a symlink inside the folder, to the right bytes",
			do: func(t *testing.T, dir string) {
				if err := os.Rename(filepath.Join(dir, "c"), filepath.Join(dir, "d", "c")); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Join("d", "c"), filepath.Join(dir, "c")); err != nil {
					t.Fatal(err)
				}
			},
			want: map[string]string{},
		},
	}
	for _, test := range tests {
		for _, format := range formats {
			t.Run(test.name+", "+format, func(t *testing.T) {
				m := torrentOf(t, format, sample())
				l := put(t, m, sample())
				test.do(t, l.Root)
				r := verify(t, m, l)
				want := test.want
				if format == "v1" && test.v1 != nil {
					want = test.v1
				}
				got := map[string]string{}
				var bad int64
				for i, f := range r.Files {
					if f.Index != i {
						t.Errorf("file %d has index %d", i, f.Index)
					}
					if f.Problem != "" {
						got[strings.Join(m.Files[i].Path, "/")] = f.Problem
						bad += m.Files[i].Length
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("problems:\ngot  %v\nwant %v", got, want)
				}
				if r.OK != (len(want) == 0) {
					t.Errorf("got OK %v with problems %v", r.OK, got)
				}
				if r.GoodBytes < m.Size-bad || r.GoodBytes > m.Size || (bad > 0) != (r.GoodBytes < m.Size) {
					t.Errorf("got %d good bytes of %d, %d in bad files", r.GoodBytes, m.Size, bad)
				}
			})
		}
	}
}

func TestVerifyStopsWithContext(t *testing.T) {
	m := torrentOf(t, "v1", sample())
	l := put(t, m, sample())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := content.Verify(ctx, m, l, content.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestVerifyRefuses(t *testing.T) {
	m := torrentOf(t, "v2", sample())
	l := put(t, m, sample())
	alone, err := metafile.FromInfo(m.Meta.InfoBytes)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		m    *metafile.Torrent
		l    content.Located
		want string
	}{
		{"a v2 torrent without its layers", alone, l, "has no piece hashes"},
		{"no root", m, content.Located{Root: filepath.Join(l.Root, "none"), Paths: l.Paths}, "open the folder"},
		{"a relative root", m, content.Located{Root: "x", Paths: l.Paths}, "not an absolute path"},
		{"too few paths", m, content.Located{Root: l.Root, Paths: l.Paths[1:]}, "5 paths for 6 files"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := content.Verify(context.Background(), test.m, test.l, content.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestVerifyHybridWithoutLayersUsesV1(t *testing.T) {
	m := torrentOf(t, "hybrid", sample())
	l := put(t, m, sample())
	alone, err := metafile.FromInfo(m.Meta.InfoBytes)
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, alone, l); !r.OK {
		t.Errorf("right content of a magnet's hybrid: got %+v", r.Files)
	}
	b := data(3*pieceLength+17, 2)
	b[0] ^= 1
	writeFile(t, filepath.Join(l.Root, "b"), b)
	if r := verify(t, alone, l); r.OK || r.Files[index(t, alone, "b")].Problem != "1 of 4 pieces differ" {
		t.Errorf("wrong content of a magnet's hybrid: got %+v", r.Files)
	}
}

func TestVerifyLeavesNoTrace(t *testing.T) {
	m := torrentOf(t, "v1", sample())
	l := put(t, m, sample())
	before := verify(t, m, l).Stamps
	after := verify(t, m, l).Stamps
	for i := range before {
		if !before[i].Same(after[i]) {
			t.Errorf("%q: stamp before %+v, after %+v", l.Paths[i], before[i], after[i])
		}
	}
}

func TestUnchanged(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, at string)
		want string
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"touched", func(t *testing.T, at string) {
			if err := os.Chtimes(at, time.Time{}, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, "changed on disk"},
		{"longer", func(t *testing.T, at string) { writeFile(t, at, data(pieceLength+1, 3)) }, "changed on disk"},
		{"removed", func(t *testing.T, at string) {
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
		}, "is gone"},
		{"replaced by an equal one of the same time", func(t *testing.T, at string) {
			fi, err := os.Stat(at)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, at+".new", data(pieceLength, 3))
			if err := os.Chtimes(at+".new", time.Time{}, fi.ModTime()); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(at+".new", at); err != nil {
				t.Fatal(err)
			}
		}, "changed on disk"},
		{"folder removed", func(t *testing.T, at string) {
			if err := os.RemoveAll(filepath.Dir(at)); err != nil {
				t.Fatal(err)
			}
		}, "is gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := torrentOf(t, "v1", sample())
			l := put(t, m, sample())
			l.Stamps = verify(t, m, l).Stamps
			test.do(t, filepath.Join(l.Root, "c"))
			err := l.Unchanged(context.Background())
			var changed *content.ChangedError
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want nil", err)
			case test.want != "" && (!errors.As(err, &changed) || changed.How != test.want):
				t.Errorf("got %v, want a ChangedError that says %q", err, test.want)
			}
		})
	}
}

func TestExtra(t *testing.T) {
	m := torrentOf(t, "v1", sample())
	l := put(t, m, sample())
	extra, err := content.Extra(m, l)
	if err != nil || len(extra) != 0 {
		t.Errorf("a folder with nothing else: got %q, %v", extra, err)
	}
	writeFile(t, filepath.Join(l.Root, "d", "new"), nil)
	writeFile(t, filepath.Join(l.Root, "a", "b", "c"), nil)
	if err := os.Symlink("nowhere", filepath.Join(l.Root, "link")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(l.Root, "_____padding_file_0_x"), nil) // pads of other clients are no content
	writeFile(t, filepath.Join(l.Root, ".pad", "100"), nil)
	want := []string{"a/b/c", "d/new", "link"}
	if extra, err = content.Extra(m, l); err != nil || !slices.Equal(extra, want) {
		t.Errorf("got %q, %v, want %q", extra, err, want)
	}
	// The same folder, seen from above.
	above := content.Located{Root: filepath.Dir(l.Root)}
	for _, p := range l.Paths {
		above.Paths = append(above.Paths, "release/"+p)
	}
	writeFile(t, filepath.Join(above.Root, "beside"), nil)
	if extra, err = content.Extra(m, above); err != nil || !slices.Equal(extra, want) {
		t.Errorf("from above: got %q, %v, want %q", extra, err, want)
	}
}

func TestAt(t *testing.T) {
	m := torrentOf(t, "v1", []file{{"Ünï/é", data(10, 1)}, {"ascii", data(10, 2)}})
	dir := filepath.Join(t.TempDir(), "elsewhere")
	decomposed := norm.NFD.String("Ünï/é")
	writeFile(t, filepath.Join(dir, decomposed), data(10, 1))
	writeFile(t, filepath.Join(dir, "ascii"), data(10, 2))
	l, err := content.At(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	if !verify(t, m, l).OK {
		t.Errorf("decomposed names on disk are not found: %q", l.Paths)
	}
	if extra, err := content.Extra(m, l); err != nil || len(extra) != 0 {
		t.Errorf("extra: got %q, %v", extra, err)
	}
	refused := []struct {
		name, at string
		kind     fault.Kind
	}{
		{"not there", filepath.Join(dir, "none"), fault.NotFound},
		{"a file for a folder", filepath.Join(dir, "ascii"), fault.Unverified},
		{"relative", "x", fault.Failed},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			if _, err := content.At(m, test.at); err == nil || fault.KindOf(err) != test.kind {
				t.Errorf("got %v of kind %v, want kind %v", err, fault.KindOf(err), test.kind)
			}
		})
	}
}
