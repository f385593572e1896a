package bench

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// buildPiece is the piece length of every torrent that is built: 1 MiB, and its exponent for mktorrent.
const (
	buildPiece    = 1 << 20
	buildPieceLog = 20
)

// BuildOptions of Build.
type BuildOptions struct {
	Size  int64    // of each of the three payloads
	Kinds []string // nil: all that are installed
	Runs  int
}

// creator makes torrents in one format.
type creator struct {
	kind, format string
	client       // the programs it needs
	make         func(e Env, work, content, out string) []string
}

func (c creator) name() string { return c.kind + " " + c.format }

func creators() []creator {
	p2pshare := func(format string) creator {
		return creator{kind: kindP2PShare, format: format, make: func(e Env, work, content, out string) []string {
			return []string{e.Program, "publish", content, "--no-seed", "--alone", "--quiet", "--no-dht", "--no-lan", "--no-upnp", "--home", filepath.Join(work, "home"),
				"--format", format, "--piece-length", strconv.Itoa(buildPiece), "-o", out}
		}}
	}
	libtorrent := func(format string) creator {
		return creator{kind: kindLibtorrent, format: format, client: clientOf(kindLibtorrent), make: func(_ Env, work, content, out string) []string {
			return []string{systemPython, filepath.Join(work, "libtorrent_create.py"), content, out, format, strconv.Itoa(buildPiece)}
		}}
	}
	return []creator{
		p2pshare("v1"), p2pshare("hybrid"),
		{kind: "mktorrent", format: "v1", client: client{kind: "mktorrent", programs: []string{"mktorrent"}, install: "mktorrent", version: []string{"mktorrent", "-h"}},
			make: func(_ Env, _, content, out string) []string {
				return []string{"mktorrent", "-l", strconv.Itoa(buildPieceLog), "-t", strconv.Itoa(runtime.NumCPU()), "-o", out, content}
			}},
		{kind: kindTransmission, format: "v1", client: client{kind: kindTransmission, programs: []string{"transmission-create"}, install: "transmission-cli", version: []string{"transmission-create", "--version"}},
			make: func(_ Env, _, content, out string) []string {
				return []string{"transmission-create", "-s", strconv.Itoa(buildPiece >> 10), "-o", out, content}
			}},
		libtorrent("v1"), libtorrent("hybrid"),
	}
}

// chooseCreators returns the creators of the named kinds, or all that are installed.
func (e Env) chooseCreators(kinds []string) (chosen []creator, absent []string, err error) {
	var known []string
	for _, c := range creators() {
		what := e.missing(c.client)
		asked := len(kinds) == 0
		for _, k := range kinds {
			asked = asked || k == c.kind
		}
		switch {
		case !asked:
		case what == "":
			chosen = append(chosen, c)
		case len(kinds) > 0:
			return nil, nil, fault.Hint(fault.New(fault.NotFound, "%s cannot be measured: there is no %s", c.kind, what), "install it: apt-get install %s", c.install)
		default:
			absent = append(absent, fmt.Sprintf("%s is not measured: there is no %s (apt-get install %s)", c.name(), what, c.install))
		}
		known = append(known, c.kind)
	}
	for _, k := range kinds {
		found := false
		for _, c := range chosen {
			found = found || c.kind == k
		}
		if !found {
			return nil, nil, fault.Hint(fault.New(fault.Usage, "there is no kind %q to measure here", k), "the kinds are %s", strings.Join(unique(known), ", "))
		}
	}
	return chosen, absent, nil
}

func unique(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// Build measures how long it takes to make torrents of a folder of mixed files, of one file, and of many small ones. It
// needs neither a network nor root.
func Build(ctx context.Context, e Env, o BuildOptions) (*Report, error) {
	if err := checkCounts(1, o.Runs, o.Size); err != nil {
		return nil, err
	}
	chosen, absent, err := e.chooseCreators(o.Kinds)
	if err != nil {
		return nil, err
	}
	b, err := begin(e, "build", "Torrents of "+Size(o.Size)+", pieces of 1 MiB", o.Size+o.Size/4)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.report.Absent = absent
	var names []string
	by := map[string]creator{}
	for _, c := range chosen {
		names, by[c.name()] = append(names, c.name()), c
		argv := c.version
		if c.kind == kindP2PShare {
			argv = []string{e.Program, "version"}
		}
		b.report.Programs = append(b.report.Programs, Program{c.name(), versionOf(ctx, argv)})
	}
	for _, shape := range []struct {
		part  string
		write func(path string) error
	}{
		{"a release", func(p string) error { return release(p, o.Size) }},
		{"an image", func(p string) error { return noise(p, 1, o.Size) }},
		{"small files", func(p string) error { return smallFiles(p, o.Size) }},
	} {
		content := filepath.Join(b.work, "content", strings.ReplaceAll(shape.part, " ", "-"))
		if err := shape.write(content); err != nil {
			return nil, fmt.Errorf("writing the payload: %w", err)
		}
		_, files, err := treeSize(content)
		if err != nil {
			return nil, err
		}
		err = b.rounds(ctx, shape.part, o.Runs, names, func(name string, round int) Run { return b.build(ctx, by[name], content, round) })
		if err != nil {
			return nil, err
		}
		b.report.buildTable(shape.part, files, chosen, o)
		if err := os.RemoveAll(content); err != nil {
			return nil, err
		}
	}
	return b.report, nil
}

// build does one run of one creator, and in the first round checks its torrent against the content.
func (b *bench) build(ctx context.Context, c creator, content string, round int) Run {
	state := filepath.Join(b.work, "build")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return failed(err)
	}
	defer os.RemoveAll(state)
	out := filepath.Join(state, "made.torrent")
	within, cancel := context.WithTimeout(ctx, unshapedLimit(b.sizeOf(content)))
	defer cancel()
	argv := c.make(b.Env, b.work, content, out)
	p, err := b.run(within, -1, state, argv)
	if err != nil {
		return failed(err)
	}
	stop := make(chan struct{})
	rss := p.watch(stop) // returns when it has ended
	close(stop)
	if err := p.wait(within); err != nil {
		return failed(err)
	}
	r := Run{Whole: true, Values: map[string]float64{
		valueSeconds: p.when().Sub(p.started).Seconds(), valueCPU: p.used().cpu,
	}}
	if rss > 0 { // it ran long enough to be sampled
		r.Values[valueRSS] = float64(rss)
	}
	if info, err := os.Stat(out); err == nil {
		r.Values[valueIndex] = float64(info.Size())
	}
	if round == 1 {
		if err := checkTorrent(out, content); err != nil {
			return failed(err)
		}
	}
	return r
}

func (b *bench) sizeOf(content string) int64 {
	size, _, _ := treeSize(content) // 0 on error only makes the time limit shorter
	return size
}

// checkTorrent checks the v1 pieces of any creator's torrent against the content.
func checkTorrent(torrent, content string) error {
	m, err := metainfo.LoadFromFile(torrent)
	if err != nil {
		return fmt.Errorf("reading the new torrent: %w", err)
	}
	info, err := m.UnmarshalInfo()
	if err != nil {
		return fmt.Errorf("reading the new torrent: %w", err)
	}
	if info.PieceLength <= 0 || len(info.Pieces)%sha1.Size != 0 || len(info.Pieces) == 0 {
		return errors.New("the new torrent has no v1 pieces")
	}
	s := &pieceSums{want: info.Pieces, length: info.PieceLength, sum: sha1.New()}
	for f := range info.UpvertedV1Files() {
		if strings.Contains(f.Attr, "p") { // a pad (BEP 47)
			_, err = io.CopyN(s, zeros{}, f.Length)
		} else {
			err = s.add(filepath.Join(append([]string{content}, f.Path...)...), f.Length)
		}
		if err != nil {
			return fmt.Errorf("checking the new torrent against the content: %w", err)
		}
	}
	s.piece()
	if s.wrong || len(s.want) != 0 {
		return errors.New("the new torrent does not match the content")
	}
	return nil
}

// pieceSums compares the bytes written to it with the sums of their pieces.
type pieceSums struct {
	want   []byte
	length int64
	held   int64
	sum    hash.Hash
	wrong  bool
}

func (s *pieceSums) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), s.length-s.held)
		s.sum.Write(rest[:n])
		rest, s.held = rest[n:], s.held+n
		if s.held == s.length {
			s.piece()
		}
	}
	return len(p), nil
}

func (s *pieceSums) piece() {
	if s.held == 0 {
		return
	}
	if len(s.want) < sha1.Size || string(s.sum.Sum(nil)) != string(s.want[:sha1.Size]) {
		s.wrong = true
		s.want = nil
	} else {
		s.want = s.want[sha1.Size:]
	}
	s.sum.Reset()
	s.held = 0
}

func (s *pieceSums) add(path string, length int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(s, f)
	if err == nil && n != length {
		err = fmt.Errorf("%q has %d bytes, and the torrent says %d", path, n, length)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func countFiles(n int) string {
	if n == 1 {
		return "one file"
	}
	return fmt.Sprintf("%d files", n)
}

// buildTable adds a table with a row for each creator, and its time relative to the fastest other creator of the same format.
func (r *Report) buildTable(part string, files int, chosen []creator, o BuildOptions) {
	t := Table{
		Title:   fmt.Sprintf("%s, %s: %s", part, countFiles(files), turns(o.Runs)),
		Columns: []string{"creator", "s", "of the quickest other", "processor s", "memory, MB", "whole"},
	}
	for _, c := range chosen {
		own, best := r.median(part, c.name(), valueSeconds), 0.0
		for _, x := range chosen {
			if s := r.median(part, x.name(), valueSeconds); x.format == c.format && x.kind != c.kind && (best == 0 || s < best) {
				best = s
			}
		}
		ratio := "–"
		if best > 0 {
			ratio = number(own/best, 2)
		}
		t.Rows = append(t.Rows, []string{c.name(), number(own, 2), ratio, number(r.median(part, c.name(), valueCPU), 2), number(r.median(part, c.name(), valueRSS)/1e6, 0), r.wholes(part, c.name())})
	}
	r.Tables = append(r.Tables, t)
}
