package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Report is the result of a measurement.
type Report struct {
	Bench    string    `json:"bench"`
	Title    string    `json:"title"`
	Command  string    `json:"command"`
	Machine  Machine   `json:"machine"`
	Programs []Program `json:"programs"`
	Absent   []string  `json:"absent"` // sentences about what was not measured, and why
	Notes    []string  `json:"notes"`
	Tables   []Table   `json:"tables"`
	Plots    []Plot    `json:"plots"`
	Runs     []Run     `json:"runs"`
}

// Machine describes where it was measured.
type Machine struct {
	System    string  `json:"system"`
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	Memory    int64   `json:"memory"` // bytes
	Load      float64 `json:"load"`   // of the last minute before the start
}

// Program is a program that took part.
type Program struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
}

// Run is one run of one program, or of one swarm.
type Run struct {
	Part     string             `json:"part,omitempty"` // of a measurement with several parts
	Kind     string             `json:"kind"`
	Round    int                `json:"round"`
	Whole    bool               `json:"whole"`             // everything came, and was compared
	Failure  string             `json:"failure,omitempty"` // what was wrong with it
	Values   map[string]float64 `json:"values"`            // values that could not be measured are absent
	Fetchers []Fetcher          `json:"fetchers,omitempty"`
}

// Fetcher is one host of a swarm. Times are in seconds since the first fetcher started.
type Fetcher struct {
	Kind  string  `json:"kind"`
	Start float64 `json:"start"`
	Done  float64 `json:"done"` // 0: never
	Left  bool    `json:"left"` // it left when it was done
	Whole bool    `json:"whole"`
}

// Table is a table of medians. The first column says what is measured.
type Table struct {
	Title   string     `json:"title"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Plot shows how many fetchers have everything, over time.
type Plot struct {
	Title    string  `json:"title"`
	Fetchers int     `json:"fetchers"`
	Bound    float64 `json:"bound"` // seconds; 0: none
	Curves   []Curve `json:"curves"`
}

// Curve is the run of a kind whose last fetcher had the median time.
type Curve struct {
	Kind string    `json:"kind"`
	Done []float64 `json:"done"` // seconds since the first fetcher started, sorted
}

// Text returns the report for people, with Markdown tables.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Title)
	m := r.Machine
	fmt.Fprintf(&b, "machine: %d cores, %s, %s of memory, %s, load %.2f\n", m.Cores, m.Processor, gib(m.Memory), m.System, m.Load)
	for _, p := range r.Programs {
		fmt.Fprintf(&b, "%s: %s\n", p.Kind, p.Version)
	}
	for _, s := range r.Absent {
		b.WriteString(s + "\n")
	}
	for _, t := range r.Tables {
		b.WriteString("\n" + t.Text())
	}
	for _, n := range r.Notes {
		b.WriteString("\n" + n + "\n")
	}
	return b.String()
}

// Text returns the table in Markdown, with aligned columns.
func (t Table) Text() string {
	width := make([]int, len(t.Columns))
	rows := append([][]string{t.Columns}, t.Rows...)
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	if t.Title != "" {
		b.WriteString(t.Title + "\n\n")
	}
	for n, row := range rows {
		b.WriteByte('|')
		for i, cell := range row {
			fmt.Fprintf(&b, " %s%s |", cell, strings.Repeat(" ", width[i]-len([]rune(cell))))
		}
		b.WriteByte('\n')
		if n == 0 {
			b.WriteByte('|')
			for _, w := range width {
				b.WriteString(strings.Repeat("-", w+2) + "|")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// values returns a value of all runs of a kind and part. An incomplete run counts as infinitely long.
func (r *Report) values(part, kind, name string) []float64 {
	var out []float64
	for _, run := range r.Runs {
		if run.Part != part || run.Kind != kind {
			continue
		}
		v, ok := run.Values[name]
		switch {
		case ok:
			out = append(out, v)
		case !run.Whole:
			out = append(out, math.Inf(1))
		}
	}
	return out
}

func (r *Report) median(part, kind, name string) float64 { return median(r.values(part, kind, name)) }

// wholes says how many runs of a kind were complete.
func (r *Report) wholes(part, kind string) string {
	whole, all := 0, 0
	for _, run := range r.Runs {
		if run.Part == part && run.Kind == kind {
			all++
			if run.Whole {
				whole++
			}
		}
	}
	return fmt.Sprintf("%d of %d", whole, all)
}

// number formats a value, or a dash if there is none.
func number(v float64, digits int) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// over divides by seconds; the result is NaN if seconds is infinite.
func over(v, seconds float64) float64 {
	if math.IsInf(seconds, 0) {
		return math.NaN()
	}
	return v / seconds
}

func gib(n int64) string { return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30)) }

// Size formats bytes with units that are powers of 1000.
func Size(n int64) string {
	for _, u := range []struct {
		unit string
		size int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + " " + u.unit
		}
	}
	return fmt.Sprintf("%d B", n)
}

// mbit formats bytes per second as Mbit/s.
func mbit(rate int64) string {
	if rate <= 0 {
		return "unlimited"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(rate)*8/1e6), ".0") + " Mbit/s"
}

// took returns the fetcher's time in seconds, from its own start; infinite if it never had everything.
func (f Fetcher) took() float64 {
	if !f.Whole {
		return math.Inf(1)
	}
	return f.Done - f.Start
}

// plot adds the curves of a part: for each kind the run whose last fetcher had the median time, or if that is infinite, the
// run with the most complete fetchers.
func (r *Report) plot(part, title string, kinds []string, links Links) {
	p := Plot{Title: title, Fetchers: links.Peers, Bound: links.Bound()}
	for _, k := range kinds {
		c := Curve{Kind: k, Done: []float64{}}
		want := r.median(part, k, valueSeconds)
		best := math.Inf(1)
		for _, run := range r.Runs {
			if run.Part != part || run.Kind != k {
				continue
			}
			var done []float64
			for _, f := range run.Fetchers {
				if f.Whole {
					done = append(done, f.Done)
				}
			}
			slices.Sort(done)
			far := math.Abs(run.Values[valueSeconds] - want)
			if math.IsInf(want, 0) || !run.Whole {
				far = float64(1<<20 - len(done)) // more than any time, and smaller the more are done
			}
			if far < best {
				best, c.Done = far, append([]float64{}, done...)
			}
		}
		p.Curves = append(p.Curves, c)
	}
	r.Plots = append(r.Plots, p)
}
