package bench_test

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/bench"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

var links = bench.Links{Peers: 2, Size: 8e6, OriginUp: 80 * mbit, Up: 80 * mbit, Down: 80 * mbit} // 0.8 s

// swarmRun returns a run of two fetchers, done at these seconds; 0 is never.
func swarmRun(kind string, round int, copies float64, done ...float64) bench.Run {
	r := bench.Run{Kind: kind, Round: round, Whole: true, Values: map[string]float64{"origin_copies": copies}}
	kinds := strings.Split(kind, "+")
	last := 0.0
	for i, d := range done {
		r.Fetchers = append(r.Fetchers, bench.Fetcher{Kind: kinds[i%len(kinds)], Done: d, Whole: d > 0})
		r.Whole = r.Whole && d > 0
		last = max(last, d)
	}
	if r.Whole {
		r.Values["seconds"], r.Values["median_seconds"] = last, (done[0]+done[1])/2
	} else {
		r.Failure = "fetcher 2: it was not done after 2m30s"
	}
	return r
}

func swarmReport() *bench.Report {
	r := &bench.Report{
		Title:    "One origin, 2 fetchers, 8 MB, origin up 80 Mbit/s, fetchers up 80 Mbit/s, down 80 Mbit/s",
		Machine:  bench.Machine{System: "Linux 6", Processor: "a <fast> one", Cores: 2, Memory: 24 << 30, Load: 0.25},
		Programs: []bench.Program{{Kind: "p2pshare", Version: "p2pshare 1"}, {Kind: "aria2", Version: "aria2 2"}},
		Absent:   []string{"http is not measured: nginx is not installed (apt-get install nginx-light curl)"},
		Notes:    []string{"A note."},
		Runs: []bench.Run{
			swarmRun("p2pshare", 1, 1.2, 0.9, 1.0), swarmRun("aria2", 1, 1.5, 1.5, 2), swarmRun("aria2+p2pshare", 1, 1.4, 2, 1),
			swarmRun("p2pshare", 2, 1.4, 1.1, 1.2), swarmRun("aria2", 2, 1.6, 1.4, 0), swarmRun("aria2+p2pshare", 2, 1.4, 2.4, 1.2),
			swarmRun("p2pshare", 3, 1.3, 1.0, 4.0), swarmRun("aria2", 3, 1.6, 0, 0), swarmRun("aria2+p2pshare", 3, 1.4, 1.8, 1.1),
		},
	}
	kinds := []string{"p2pshare", "aria2", "aria2+p2pshare"}
	r.SwarmTable("", kinds, links, 3)
	r.Plot("", r.Title, kinds, links)
	return r
}

func TestSwarmReport(t *testing.T) { golden(t, "swarm.txt", swarmReport().Text()) }

func TestPlotPicksTheMedianRun(t *testing.T) {
	for i, c := range []struct {
		name string
		want []float64
	}{
		{"p2pshare", []float64{1.1, 1.2}},
		{"aria2", []float64{1.5, 2}}, // most of its runs never ended: the one with the most done
		{"aria2+p2pshare", []float64{1, 2}},
	} {
		got := swarmReport().Plots[0].Curves[i]
		if got.Kind != c.name || !slices.Equal(got.Done, c.want) {
			t.Errorf("got %v, want %s at %v", got, c.name, c.want)
		}
	}
}

func TestSVG(t *testing.T) {
	var b strings.Builder
	r := swarmReport()
	r.Plots = append(r.Plots, bench.Plot{Title: `a "second" <plot> & nothing in it`, Fetchers: 12, Curves: []bench.Curve{{Kind: "nobody"}}})
	if err := r.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
	}
	for _, want := range []string{"p2pshare, 1.2 s", "bound, 0.8 s", "0 of 12", "&lt;plot&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in it", want)
		}
	}
	golden(t, "swarm.svg", b.String())
}

func TestWrapTitle(t *testing.T) {
	long := strings.Repeat("a part of it, ", 30)
	for _, l := range bench.WrapTitle(long) {
		if n := len([]rune(l)); n > 92 {
			t.Errorf("got a line of %d letters, want at most 92: %s", n, l)
		}
	}
	if got := bench.WrapTitle(long); len(got) != 2 || !strings.HasSuffix(got[1], "…") {
		t.Errorf("got %q, want two lines, the second cut", got)
	}
	if got := bench.WrapTitle("short, enough"); len(got) != 1 || got[0] != "short, enough" {
		t.Errorf("got %q, want it as it was", got)
	}
}

// single returns a run of one fetcher.
func single(kind string, seconds, moved float64) bench.Run {
	return bench.Run{Kind: kind, Part: "", Whole: true, Values: map[string]float64{
		"seconds": seconds, "seed_cpu_seconds": 2, "cpu_seconds": 3, "seed_rss_bytes": 30e6, "rss_bytes": 90e6, "moved_bytes": moved,
	}}
}

func TestOtherTables(t *testing.T) {
	r := &bench.Report{Runs: []bench.Run{single("p2pshare", 4, 1e8), single("aria2", 8, 9e8), single("libtorrent", 6, 7e8), single("http", 2, 1e9)}}
	all := []string{"p2pshare", "aria2", "libtorrent", "http"}
	r.LinkTable(all, 2e9, 1)
	r.ReuseTable(all[:3], 1e9, 1)
	for i := range r.Runs {
		r.Runs[i].Part = "web"
	}
	r.Runs[1].Whole, r.Runs[1].Values = false, nil
	r.WebSeedTable(all, bench.Links{Peers: 1, Size: 2e9}, 1)
	text := ""
	for _, table := range r.Tables {
		text += table.Text() + "\n"
	}
	golden(t, "tables.txt", text)
}

func TestLead(t *testing.T) {
	r := &bench.Report{Runs: []bench.Run{single("p2pshare", 4, 0), single("aria2", 8, 0), single("libtorrent", 6, 0), single("http", 2, 0)}}
	want := "p2pshare reaches 1.50 times the speed of the best other torrent client, libtorrent."
	if got := r.Lead([]string{"p2pshare", "aria2", "libtorrent", "http"}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, kinds := range [][]string{{"p2pshare"}, {"p2pshare", "http"}} {
		if got := r.Lead(kinds); got != "" {
			t.Errorf("%q: got %q, want nothing", kinds, got)
		}
	}
	if got := (&bench.Report{}).Lead([]string{"p2pshare", "aria2"}); got != "" {
		t.Errorf("without runs: got %q, want nothing", got)
	}
}
