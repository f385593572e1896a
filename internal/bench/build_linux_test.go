package bench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/bench"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// TestMain lets this binary stand in for p2pshare, which the package uses only through its command line.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "publish" {
		if err := publish(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("p2pshare stand-in")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// publish writes a v1 torrent of PATH to the path after -o. For small files it fails, for an image the torrent is wrong.
func publish(args []string) error {
	content, out := args[0], args[slices.Index(args, "-o")+1]
	wrong := false
	if slices.Contains(args, "hybrid") {
		switch filepath.Base(content) {
		case "small-files":
			return fmt.Errorf("cannot read %s", content)
		case "an-image":
			wrong = true
		}
	}
	return writeTorrent(out, content, wrong)
}

func writeTorrent(out, content string, wrong bool) error {
	info := metainfo.Info{PieceLength: 1 << 18}
	if err := info.BuildFromFilePath(content); err != nil {
		return err
	}
	if wrong {
		info.Pieces[0] ^= 1
	}
	info.Name = filepath.Base(content)
	return saveTorrent(out, info)
}

func saveTorrent(out string, info metainfo.Info) error {
	b, err := bencode.Marshal(info)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	m := metainfo.MetaInfo{InfoBytes: b}
	return m.Write(f)
}

func TestBuild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	work := t.TempDir()
	e := env()
	e.Program, e.Work, e.Root = self, work, false // it needs no root
	e.Say = func(l string) { said = append(said, l) }
	r, err := bench.Build(context.Background(), e, bench.BuildOptions{Size: 4 << 20, Runs: 2, Kinds: []string{"p2pshare"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 12 || len(said) != 12 || len(r.Tables) != 3 {
		t.Fatalf("got %d runs, %d lines and %d tables, want 12, 12 and 3", len(r.Runs), len(said), len(r.Tables))
	}
	for _, run := range r.Runs {
		wrong := run.Kind == "p2pshare hybrid" && (run.Part == "small files" || run.Part == "an image" && run.Round == 1)
		if run.Whole == wrong {
			t.Errorf("%s, %s: got whole %v (%s), want %v", run.Part, run.Kind, run.Whole, run.Failure, !wrong)
		}
		if s := run.Values["seconds"]; run.Whole && (s <= 0 || run.Values["torrent_bytes"] <= 0) {
			t.Errorf("%s, %s: got %v, want its time and the size of the torrent", run.Part, run.Kind, run.Values)
		}
	}
	if len(r.Programs) != 2 || r.Programs[0].Version != "p2pshare stand-in" || r.Machine.Cores == 0 || r.Machine.Memory == 0 {
		t.Errorf("got %v on %+v, want the version and the machine", r.Programs, r.Machine)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v, want nothing", left, err)
	}
}

func TestInterruptedBuild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	work := t.TempDir()
	e := env()
	e.Program, e.Work = self, work
	e.Say = func(string) { cancel() }
	if _, err := bench.Build(ctx, e, bench.BuildOptions{Size: 1 << 20, Runs: 2, Kinds: []string{"p2pshare"}}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v, want the end of the context", err)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v, want nothing", left, err)
	}
}

func TestBuildWithoutRoom(t *testing.T) {
	e := env()
	e.Work = t.TempDir()
	_, err := bench.Build(context.Background(), e, bench.BuildOptions{Size: 1 << 55, Runs: 1, Kinds: []string{"p2pshare"}})
	if err == nil || !strings.Contains(fault.HintOf(err), "--work DIR") {
		t.Errorf("got %v (%s), want a hint", err, fault.HintOf(err))
	}
}

func TestCheckTorrent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "content")
	for name, n := range map[string]int{"a": 300_000, "sub/b": 1, "sub/c": 0, "sub/d": 262_144} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(strings.Repeat("x", n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	if err := writeTorrent(torrent, dir, false); err != nil {
		t.Fatal(err)
	}
	load := func() metainfo.Info {
		t.Helper()
		m, err := metainfo.LoadFromFile(torrent)
		if err != nil {
			t.Fatal(err)
		}
		info, err := m.UnmarshalInfo()
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	for _, c := range []struct {
		name   string
		change func(*metainfo.Info)
		want   string
	}{
		{"unchanged", func(*metainfo.Info) {}, ""},
		{"a wrong sum", func(i *metainfo.Info) { i.Pieces[25] ^= 1 }, "does not match"},
		{"a sum too few", func(i *metainfo.Info) { i.Pieces = i.Pieces[:len(i.Pieces)-20] }, "does not match"},
		{"a sum too many", func(i *metainfo.Info) { i.Pieces = append(i.Pieces, make([]byte, 20)...) }, "does not match"},
		{"no sums", func(i *metainfo.Info) { i.Pieces = nil }, "no v1 pieces"},
		{"half a sum", func(i *metainfo.Info) { i.Pieces = i.Pieces[:30] }, "no v1 pieces"},
		{"a wrong length", func(i *metainfo.Info) { i.Files[0].Length++ }, "the torrent says"},
		{"a missing file", func(i *metainfo.Info) { i.Files[0].Path = []string{"z"} }, "no such file"},
		{"a pad", func(i *metainfo.Info) {
			var pad metainfo.FileInfo
			pad.Length, pad.Path, pad.Attr = 100, []string{".pad", "100"}, "p"
			i.Files = append(i.Files, pad)
		}, "does not match"}, // its zeros are hashed, unlike when the sums were made
		{"a longer piece", func(i *metainfo.Info) { i.PieceLength *= 2 }, "does not match"},
		{"no piece length", func(i *metainfo.Info) { i.PieceLength = 0 }, "no v1 pieces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := load()
			info.Pieces = slices.Clone(info.Pieces)
			c.change(&info)
			out := filepath.Join(t.TempDir(), "x.torrent")
			if err := saveTorrent(out, info); err != nil {
				t.Fatal(err)
			}
			err := bench.CheckTorrent(out, dir)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for name, b := range map[string]string{"nothing": "", "no torrent": "hello", "no info": "de"} {
		out := filepath.Join(t.TempDir(), "x.torrent")
		if err := os.WriteFile(out, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := bench.CheckTorrent(out, dir); err == nil {
			t.Errorf("of %s: got no error", name)
		}
	}
}

func TestSystemEnv(t *testing.T) {
	e := bench.SystemEnv("/x/p2pshare", func(string) {}, time.Now)
	if p, err := e.LookPath("sh"); err != nil || filepath.Base(p) != "sh" {
		t.Errorf("got %q, %v, want the shell", p, err)
	}
	if p, err := e.LookPath("no-such-program-at-all"); err == nil {
		t.Errorf("got %q, want none", p)
	}
	if e.HasModule("no_such_module_at_all") {
		t.Error("got a module that does not exist")
	}
	if e.Root != (os.Geteuid() == 0) || e.Program != "/x/p2pshare" {
		t.Errorf("got %+v, want the current user", e)
	}
}
