package seal_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// source returns a source with the given text; a path that ends in * is executable.
func source(path, text string) seal.Source {
	name, exec := strings.CutSuffix(path, "*")
	return seal.Source{Path: strings.Split(name, "/"), Size: int64(len(text)), Exec: exec,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// files lists the files in a folder, in the notation of source.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p) // p is below dir
		if info.Mode()&0o100 != 0 {
			rel += "*"
		}
		out = append(out, fmt.Sprintf("%s=%.20s(%d)", filepath.ToSlash(rel), b, len(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t testing.TB, form seal.Form, to seal.Identity, sources ...seal.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := seal.Write(t.Context(), &out, form, sources, []string{to.Recipient()}, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestContent(t *testing.T) {
	big := strings.Repeat("0123456789", 40_000)
	for _, c := range []struct {
		name    string
		form    seal.Form
		sources []seal.Source
		want    []string
	}{
		{"a file", seal.File, []seal.Source{source("x", "hello")}, []string{"out=hello(5)"}},
		{"a large file", seal.File, []seal.Source{source("x", big)}, []string{"out=01234567890123456789(400000)"}},
		{"an empty file", seal.File, []seal.Source{source("x", "")}, []string{"out=(0)"}},
		{"a folder", seal.Tar, []seal.Source{source("a/b/run*", "#!"), source("a/empty", ""), source("b", big), source("\u00e9t\u00e9/"+strings.Repeat("n", 200), "x")},
			[]string{"out/a/b/run*=#!(2)", "out/a/empty=(0)", "out/b=01234567890123456789(400000)", "out/\u00e9t\u00e9/" + strings.Repeat("n", 200) + "=x(1)"}},
		{"a folder of one empty file", seal.Tar, []seal.Source{source("a", "")}, []string{"out/a=(0)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := audience(t)
			var sealed bytes.Buffer
			var read, wrote, size int64
			for _, s := range c.sources {
				size += s.Size
			}
			if err := seal.Write(t.Context(), &sealed, c.form, c.sources, []string{audience(t).Recipient(), id.Recipient()}, func(n int64) { read = n }); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			want := seal.Want{Form: c.form, Name: "out", Size: size, Files: len(c.sources)}
			if err := seal.Open(t.Context(), &sealed, dir, want, func(n int64) { wrote = n }, account(t), id); err != nil {
				t.Fatal(err)
			}
			if got := files(t, dir); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if read != size || wrote != size {
				t.Errorf("progress: got %d read and %d written, want %d", read, wrote, size)
			}
		})
	}
}

func TestContentIsReproducible(t *testing.T) {
	id := audience(t)
	inside := func() []byte {
		b := write(t, seal.Tar, id, source("a/x*", "1"), source("b", "2"))
		return must(seal.OpenBox(b, 1<<20, id))(t)
	}
	if !bytes.Equal(inside(), inside()) {
		t.Error("two tars of the same files differ")
	}
}

func TestStoredContent(t *testing.T) {
	id := must(seal.ParseIdentityFile(stored(t, "identities", func() ([]byte, error) { return nil, errors.New("made by TestStoredBox") })))(t)[1]
	b := stored(t, "content.tar.age", func() ([]byte, error) {
		var out bytes.Buffer
		err := seal.Write(t.Context(), &out, seal.Tar, []seal.Source{source("a/run*", "#!"), source("b", "2")}, []string{id.Recipient()}, nil)
		return out.Bytes(), err
	})
	dir := t.TempDir()
	if err := seal.Open(t.Context(), bytes.NewReader(b), dir, seal.Want{Form: seal.Tar, Name: "out", Size: 3, Files: 2}, nil, id); err != nil {
		t.Fatal(err)
	}
	if got, want := files(t, dir), []string{"out/a/run*=#!(2)", "out/b=2(1)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	to := []string{must(seal.NewAudience())(t).Recipient()}
	longer, shorter, broken := source("a", "12345"), source("a", "12345"), source("a", "12345")
	longer.Size, shorter.Size = 4, 6
	broken.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(iotest.ErrReader(errors.New("disk on fire"))), nil
	}
	gone := source("a", "")
	gone.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist }
	for _, c := range []struct {
		name    string
		form    seal.Form
		sources []seal.Source
		to      []string
		want    string
	}{
		{"no files", seal.Tar, nil, to, "0 files"},
		{"two files in the form File", seal.File, []seal.Source{source("a", ""), source("b", "")}, to, "2 files"},
		{"an unknown form", "zip", []seal.Source{source("a", "")}, to, "unknown"},
		{"too many", seal.Tar, make([]seal.Source, 100_001), to, "100001 files"},
		{"no recipients", seal.Tar, []seal.Source{source("a", "")}, nil, "recipients"},
		{"too many recipients", seal.Tar, []seal.Source{source("a", "")}, slicesOf(to[0], seal.MaxContentRecipients+1), "17 recipients"},
		{"path traversal", seal.Tar, []seal.Source{source("../a", "")}, to, "means a folder"},
		{"the same path twice", seal.Tar, []seal.Source{source("a", ""), source("A", "")}, to, "the same path"},
		{"a file that grew", seal.Tar, []seal.Source{longer}, to, "changed while"},
		{"a file that shrank", seal.Tar, []seal.Source{shorter}, to, "changed while"},
		{"a single file that shrank", seal.File, []seal.Source{shorter}, to, "changed while"},
		{"a file that cannot be read", seal.Tar, []seal.Source{broken}, to, "disk on fire"},
		{"a missing file", seal.Tar, []seal.Source{gone}, to, "not exist"},
	} {
		if err := seal.Write(t.Context(), io.Discard, c.form, c.sources, c.to, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := seal.Write(ctx, io.Discard, seal.Tar, []seal.Source{source("a", strings.Repeat("x", 1<<20))}, to, func(int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
	full := iotest.TruncateWriter(io.Discard, 0)
	if err := seal.Write(t.Context(), failing{full}, seal.Tar, []seal.Source{source("a", "x")}, to, nil); err == nil {
		t.Error("a full disk: got nil, want an error")
	}
}

type failing struct{ io.Writer }

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// entry is an entry of a hostile tar.
type entry struct {
	kind byte
	name string
	text string
	link string
}

func tarOf(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Size: int64(len(e.text)), Linkname: e.link, Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sparse makes a header that turns the single byte of the next file into five.
func sparse(t testing.TB) string {
	t.Helper()
	text := "22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n21 GNU.sparse.size=5\n26 GNU.sparse.numblocks=1\n22 GNU.sparse.map=4,1\n"
	b := []byte(tarOf(t, entry{tar.TypeReg, "x", text, ""})[:1024])
	b[156] = tar.TypeXHeader
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(b)
}

func TestOpenRefuses(t *testing.T) {
	id := audience(t)
	// The form File holds any bytes, so it can hold any tar.
	plain := func(s string) []byte { return write(t, seal.File, id, source("x", s)) }
	reg := func(name, text string) entry { return entry{kind: tar.TypeReg, name: name, text: text} }
	of := func(e ...entry) []byte { return plain(tarOf(t, e...)) }
	good := of(reg("a", "12345"))
	flip := bytes.Clone(good)
	flip[len(flip)-100] ^= 1
	for _, c := range []struct {
		name   string
		sealed []byte
		want   string
	}{
		{"path traversal", of(reg("../evil", "12345")), "means a folder"},
		{"path traversal further in", of(reg("a/../../evil", "12345")), "means a folder"},
		{"an absolute path", of(reg("/tmp/evil", "12345")), "name"},
		{"a drive", of(reg("C:evil", "12345")), "name"},
		{"a device's name", of(reg("con.txt", "12345")), "name"},
		{"a backslash", of(reg(`a\b`, "12345")), "name"},
		{"an escape sequence", of(reg("a\x1b[2J", "12345")), "name"},
		{"a folder that is too deep", of(reg(strings.Repeat("d/", 200)+"x", "12345")), "deep"},
		{"a symbolic link", of(entry{tar.TypeSymlink, "a", "", "/etc"}), "is not a regular file"},
		{"a hard link", of(entry{tar.TypeLink, "a", "", "/etc/passwd"}), "is not a regular file"},
		{"a device", of(entry{tar.TypeChar, "a", "", ""}), "is not a regular file"},
		{"a pipe", of(entry{tar.TypeFifo, "a", "", ""}), "is not a regular file"},
		{"a folder", of(entry{tar.TypeDir, "a/", "", ""}), "is not a regular file"},
		{"the same path twice", of(reg("a", ""), reg("a", "12345")), "the same path"},
		{"a path in another case", of(reg("A", ""), reg("a", "12345")), "the same path"},
		{"a folder in another case", of(reg("D/a", ""), reg("d/b", "12345")), "the same path"},
		{"a path in another composition", of(reg("\u00e9", ""), reg("e\u0301", "12345")), "the same path"},
		{"a file as a folder", of(reg("a", ""), reg("a/b", "12345")), "the same path"},
		{"a folder as a file", of(reg("a/b", ""), reg("a", "12345")), "the same path"},
		{"a sparse file", plain(sparse(t) + tarOf(t, reg("a", "1"), reg("b", ""))), "GNU.sparse"},
		{"too many files", of(reg("a", ""), reg("b", ""), reg("c", "12345")), "more than the allowed 2 files"},
		{"too few files", of(reg("a", "12345")), "in 1 files, but 5 in 2 were signed"},
		{"too many bytes", of(reg("a", "1234567890"), reg("b", "")), "more than the allowed 5 bytes"},
		{"too few bytes", of(reg("a", "1"), reg("b", "")), "1 bytes in 2 files"},
		{"text after the tar", plain(tarOf(t, reg("a", "12345"), reg("b", "")) + "hello"), "follows"},
		{"many zeros after the tar", plain(tarOf(t, reg("a", "12345"), reg("b", "")) + strings.Repeat("\x00", 1<<20)), "follows"},
		{"a truncated tar", plain(tarOf(t, reg("a", "12345"))[:514]), "damaged"},
		{"not a tar", plain(strings.Repeat("hello", 200)), "damaged"},
		{"a negative length", plain(strings.Replace(tarOf(t, reg("a", "12345")), "00000000005", "-0000000005", 1)), "damaged"},
		{"a truncated age file", good[:len(good)-1], "damaged"},
		{"a modified age file", flip, "damaged"},
		{"a byte after the age file", append(bytes.Clone(good), 'x'), "damaged"},
		{"too many recipients", must(seal.Box([]byte("x"), slicesOf(id.Recipient(), 17)))(t), "17 recipients"},
		{"an overlong header", []byte("age-encryption.org/v1\n-> x " + strings.Repeat("y", 40_000) + "\n\n--- z\n"), "more than 32768"},
		{"not an age file", []byte("hello"), "age"},
		{"empty", nil, "age"},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "in", "here")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := seal.Open(t.Context(), bytes.NewReader(c.sealed), dir, seal.Want{Form: seal.Tar, Name: "out", Size: 5, Files: 2}, nil, id)
			if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %v, want it refused with %q", err, c.want)
			}
			if left := files(t, top); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
			if _, err := os.Lstat(filepath.Join(dir, "out")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is still there: %v", err)
			}
		})
	}
}

func TestOpenFileRefuses(t *testing.T) {
	id := audience(t)
	sealed := write(t, seal.File, id, source("x", "12345"))
	want := func(change func(*seal.Want)) seal.Want {
		w := seal.Want{Form: seal.File, Name: "out", Size: 5, Files: 1}
		change(&w)
		return w
	}
	for _, c := range []struct {
		name string
		want seal.Want
		err  string
	}{
		{"shorter", want(func(w *seal.Want) { w.Size = 6 }), "ends after 5"},
		{"longer", want(func(w *seal.Want) { w.Size = 4 }), "follows"},
		{"path traversal", want(func(w *seal.Want) { w.Name = "../out" }), "name"},
		{"no name", want(func(w *seal.Want) { w.Name = "" }), "name"},
		{"two files", want(func(w *seal.Want) { w.Files = 2 }), "out of bounds"},
		{"no files", want(func(w *seal.Want) { w.Files = 0 }), "out of bounds"},
		{"a negative size", want(func(w *seal.Want) { w.Size = -1 }), "out of bounds"},
		{"an unknown form", want(func(w *seal.Want) { w.Form = "zip" }), "unknown"},
	} {
		dir := t.TempDir()
		err := seal.Open(t.Context(), bytes.NewReader(sealed), dir, c.want, nil, id)
		if fault.KindOf(err) != fault.Unverified || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, want it refused with %q", c.name, err, c.err)
		}
		if left := files(t, dir); len(left) != 0 {
			t.Errorf("%s: left behind: %q", c.name, left)
		}
	}
	err := seal.Open(t.Context(), bytes.NewReader(sealed), t.TempDir(), want(func(*seal.Want) {}), nil, audience(t))
	if !errors.Is(err, seal.ErrNotForUs) {
		t.Errorf("another key: got %v, want %v", err, seal.ErrNotForUs)
	}
}

func TestOpenKeepsExistingFiles(t *testing.T) {
	id := audience(t)
	for _, form := range []seal.Form{seal.File, seal.Tar} {
		sealed := write(t, form, id, source("a", "12345"))
		want := seal.Want{Form: form, Name: "out", Size: 5, Files: 1}
		for name, plant := range map[string]func(path, elsewhere string) error{
			"a file":                   func(p, _ string) error { return os.WriteFile(p, []byte("mine"), 0o644) },
			"a folder":                 func(p, _ string) error { return os.Mkdir(p, 0o755) },
			"a link to a folder":       func(p, e string) error { return os.Symlink(e, p) },
			"a link to a new file":     func(p, e string) error { return os.Symlink(filepath.Join(e, "new"), p) },
			"a link within the folder": func(p, _ string) error { return os.Symlink("new", p) },
		} {
			dir, elsewhere := t.TempDir(), t.TempDir()
			path := filepath.Join(dir, "out")
			if err := plant(path, elsewhere); err != nil {
				t.Fatal(err)
			}
			before := must(os.Lstat(path))(t)
			err := seal.Open(t.Context(), bytes.NewReader(sealed), dir, want, nil, id)
			if !errors.Is(err, os.ErrExist) || fault.HintOf(err) == "" {
				t.Errorf("%s, %s: got %v, want %v with a hint", form, name, err, os.ErrExist)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || len(files(t, elsewhere)) != 0 {
				t.Errorf("%s, %s: it was changed: %v, %q", form, name, err, files(t, elsewhere))
			}
		}
	}
}

func TestOpenInterrupted(t *testing.T) {
	id := audience(t)
	sealed := write(t, seal.Tar, id, source("a", strings.Repeat("x", 1<<20)), source("b", "y"))
	want := seal.Want{Form: seal.Tar, Name: "out", Size: 1<<20 + 1, Files: 2}
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	if err := seal.Open(ctx, bytes.NewReader(sealed), dir, want, func(int64) { cancel() }, id); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
	// An error of the disk is reported as such, not as one of the content.
	for _, at := range []int{10, 300, len(sealed) - 1} {
		broken := io.MultiReader(bytes.NewReader(sealed[:at]), iotest.ErrReader(errors.New("disk on fire")))
		err := seal.Open(t.Context(), broken, dir, want, nil, id)
		if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "disk on fire") {
			t.Errorf("broken at %d: got %v of kind %v, want the disk's error", at, err, fault.KindOf(err))
		}
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := seal.Open(t.Context(), bytes.NewReader(sealed), filepath.Join(dir, "no"), want, nil, id); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: got %v, want %v", err, os.ErrNotExist)
	}
}

func FuzzOpen(f *testing.F) {
	id := audience(f)
	f.Add([]byte(tarOf(f, entry{tar.TypeReg, "a/b", "12345", ""}, entry{tar.TypeReg, "c", "", ""})))
	f.Add([]byte(tarOf(f, entry{tar.TypeSymlink, "a", "", "../.."}, entry{tar.TypeReg, "a/b", "12345", ""})))
	f.Add([]byte(tarOf(f, entry{tar.TypeReg, strings.Repeat("long/", 50) + "x", "12345", ""})))
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed := write(t, seal.File, id, source("x", string(plain)))
		top := t.TempDir()
		dir := filepath.Join(top, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		err := seal.Open(t.Context(), bytes.NewReader(sealed), dir, seal.Want{Form: seal.Tar, Name: "out", Size: 5, Files: 2}, nil, id)
		got := files(t, top)
		if err != nil && len(got) != 0 {
			t.Errorf("left behind: %q after %v", got, err)
		}
		for _, name := range got {
			if !strings.HasPrefix(name, "dir/out/") {
				t.Errorf("written outside: %q", name)
			}
		}
	})
}

func BenchmarkContent(b *testing.B) {
	id := audience(b)
	text := strings.Repeat("0123456789abcdef", 64<<16)
	dir := b.TempDir()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		sealed := write(b, seal.Tar, id, source("a", text))
		if err := seal.Open(b.Context(), bytes.NewReader(sealed), dir, seal.Want{Form: seal.Tar, Name: "out", Size: int64(len(text)), Files: 1}, nil, id); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
			b.Fatal(err)
		}
	}
}
