package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Env is the environment of a measurement.
type Env struct {
	Program   string                               // p2pshare's binary
	Work      string                               // folder for payloads and downloads; empty: in memory if there is room
	Command   string                               // the command line, for the report
	Root      bool                                 // whether networks can be made
	LookPath  func(program string) (string, error) // as exec.LookPath
	HasModule func(module string) bool             // whether the system's Python has a module
	Say       func(line string)                    // reports progress
	Now       func() time.Time
}

// SystemEnv returns the Env of this machine. program is p2pshare's binary.
func SystemEnv(program string, say func(string), now func() time.Time) Env {
	return Env{
		Program: program, Root: os.Geteuid() == 0, Say: say, Now: now, LookPath: lookPath,
		HasModule: func(module string) bool { return exec.Command(systemPython, "-c", "import "+module).Run() == nil },
	}
}

// lookPath also searches the folders of administrators' programs, which are not in every user's PATH.
func lookPath(program string) (string, error) {
	p, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		p, err = exec.LookPath(filepath.Join(dir, program))
	}
	return p, err
}

// tool returns the path of a program, or its name if it is not installed.
func tool(program string) string {
	if p, err := lookPath(program); err == nil {
		return p
	}
	return program
}

// bench is one measurement.
type bench struct {
	Env
	owner  string
	work   string
	report *Report
	lab    *lab // the latest; nil: none
	labs   int
	track  *tracker
	end    []func()
}

// begin makes the work folder, with room for need bytes, and sweeps what killed processes left behind. close removes it.
func begin(e Env, name, title string, need int64) (b *bench, err error) {
	if !supported {
		return nil, fault.Hint(fault.New(fault.Failed, "p2pshare-bench runs only on Linux, and this is %s", runtime.GOOS), "run it on a Linux machine")
	}
	owner, err := ownerOf(os.Getpid())
	if err != nil {
		return nil, err
	}
	roots := []string{"/dev/shm", os.TempDir()}
	if e.Work != "" {
		if info, err := os.Stat(e.Work); err != nil || !info.IsDir() {
			return nil, fault.Hint(fault.New(fault.NotFound, "there is no folder %q for payload and downloads", e.Work), "make it, or leave --work out")
		}
		roots = []string{e.Work}
	}
	sweep(roots)
	b = &bench{Env: e, owner: owner, report: &Report{
		Bench: name, Title: title, Command: e.Command, Machine: machine(),
		Programs: []Program{}, Absent: []string{}, Notes: []string{}, Tables: []Table{}, Plots: []Plot{}, Runs: []Run{},
	}}
	root := roots[len(roots)-1]
	for _, r := range roots {
		if room(r) > need {
			root = r
			break
		}
	}
	if free := room(root); free < need {
		return nil, fault.Hint(fault.New(fault.Failed, "this needs %s, and %q has room for %s", Size(need), root, Size(free)), "give a smaller --size, or --work DIR on a larger disk")
	}
	if e.Work == "" && root != roots[0] {
		b.note("There was too little memory for payload and downloads: they were in " + root + ", so its disk was measured too.")
	}
	b.work = filepath.Join(root, labPrefix+owner+"-"+name)
	if err := os.Mkdir(b.work, 0o700); err != nil {
		return nil, fmt.Errorf("making a work folder: %w", err)
	}
	b.end = append(b.end, func() { _ = os.RemoveAll(b.work) }) // what is left is swept the next time
	if err := scripts(b.work); err != nil {
		b.close()
		return nil, fmt.Errorf("making a work folder: %w", err)
	}
	return b, nil
}

// close undoes everything, in reverse order.
func (b *bench) close() {
	for i := len(b.end) - 1; i >= 0; i-- {
		b.end[i]()
	}
}

func (b *bench) note(s string) { b.report.Notes = append(b.report.Notes, s) }

// network makes the lab, with a tracker at its hub.
func (b *bench) network(ctx context.Context, hosts int) error {
	b.labs++
	l, err := newLab(ctx, fmt.Sprintf("%s-%d", b.owner, b.labs), hosts)
	if err != nil {
		return err
	}
	b.lab = l
	b.end = append(b.end, l.close)
	ln, err := l.listen(hub, trackerPort)
	if err != nil {
		return fmt.Errorf("starting the tracker: %w", err)
	}
	b.track = newTracker()
	b.end = append(b.end, b.track.serve(ln))
	return nil
}

// announce returns the tracker's address.
func (b *bench) announce() string {
	return "http://" + b.lab.ip(hub) + ":" + strconv.Itoa(trackerPort) + "/announce"
}

// run starts a program on a host; host -1 is the machine itself.
func (b *bench) run(ctx context.Context, host int, state string, argv []string) (*process, error) {
	if path, err := b.LookPath(argv[0]); err == nil {
		argv = append([]string{path}, argv[1:]...)
	}
	if host >= 0 {
		argv = append([]string{tool("ip"), "netns", "exec", b.lab.ns(host)}, argv...)
	}
	return start(ctx, b.Now, state, environment(state), argv)
}

// environment returns an almost empty environment, so that the user's settings, proxies and language do not affect a
// measurement.
func environment(home string) []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + home, "TMPDIR=" + home, "XDG_STATE_HOME=" + home, "XDG_CONFIG_HOME=" + home}
}

// torrent makes a torrent of content with p2pshare, in v1, which all clients read, with the lab's tracker. With piece 0
// p2pshare chooses the piece length.
func (b *bench) torrent(ctx context.Context, content, out string, piece int, more ...string) error {
	state := out + ".home"
	argv := append([]string{b.Program, "publish", content, "--no-seed", "--alone", "--no-dht", "--no-lan", "--no-upnp", "--home", state, "-o", out,
		"--format", "v1", "--tracker", b.announce()}, more...)
	if piece > 0 {
		argv = append(argv, "--piece-length", strconv.Itoa(piece))
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(b.work)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the torrent of what is shared: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return os.RemoveAll(state)
}

// programs records the versions of the programs that take part.
func (b *bench) programs(ctx context.Context, kinds []string) {
	seen := map[string]bool{}
	for _, k := range kinds {
		for part := range strings.SplitSeq(k, "+") {
			if seen[part] {
				continue
			}
			seen[part] = true
			argv := clientOf(part).version
			if part == kindP2PShare {
				argv = []string{b.Program, "version"}
			}
			b.report.Programs = append(b.report.Programs, Program{part, versionOf(ctx, argv)})
		}
	}
}

// understands says whether a command of p2pshare has a flag.
func (b *bench) understands(ctx context.Context, command, flag string) bool {
	cmd := exec.CommandContext(ctx, b.Program, "help", command)
	cmd.Env = environment(b.work)
	out, err := cmd.Output()
	return err == nil && strings.Contains(string(out), " "+flag+" ")
}

// versionOf returns the first line of a program's version output.
func versionOf(ctx context.Context, argv []string) string {
	cmd := exec.CommandContext(ctx, tool(argv[0]), argv[1:]...)
	out, _ := cmd.CombinedOutput() // some print it and exit with 1
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " (http") // of mktorrent
	line, _, _ = strings.Cut(line, " (x86")  // of curl, with all its libraries
	return line
}

// rounds runs the kinds in turn, so that each round contains all of them.
func (b *bench) rounds(ctx context.Context, part string, runs int, kinds []string, one func(kind string, round int) Run) error {
	for round := 1; round <= runs; round++ {
		for _, kind := range kinds {
			r := one(kind, round)
			if err := ctx.Err(); err != nil {
				return err
			}
			r.Part, r.Kind, r.Round = part, kind, round
			b.report.Runs = append(b.report.Runs, r)
			b.tell(r, runs)
		}
	}
	return nil
}

func (b *bench) tell(r Run, runs int) {
	what := r.Kind
	if r.Part != "" {
		what = r.Part + ", " + what
	}
	line := fmt.Sprintf("round %d of %d, %s: ", r.Round, runs, what)
	if s, ok := r.Values[valueSeconds]; ok {
		line += fmt.Sprintf("%.2f s", s)
	}
	if !r.Whole {
		first, _, _ := strings.Cut(r.Failure, "\n")
		line += "incomplete: " + first
	}
	b.Say(line)
}

// The names of values in Run.Values.
const (
	valueSeconds = "seconds"        // until everything was there; in a swarm, at the last fetcher
	valueMedian  = "median_seconds" // of a swarm's fetchers
	valueCopies  = "origin_copies"  // that the origin sent, headers included
	valueMoved   = "moved_bytes"    // that the fetcher received, headers included
	valueSeedCPU = "seed_cpu_seconds"
	valueCPU     = "cpu_seconds" // of the program that fetches or builds
	valueSeedRSS = "seed_rss_bytes"
	valueRSS     = "rss_bytes"
	valueIndex   = "torrent_bytes"
)

func failed(err error) Run { return Run{Failure: err.Error(), Values: map[string]float64{}} }

func machine() Machine {
	m := Machine{System: runtime.GOOS, Processor: runtime.GOARCH, Cores: runtime.NumCPU()}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System = "Linux " + strings.TrimSpace(string(b))
	}
	m.Processor = firstField("/proc/cpuinfo", "model name", m.Processor)
	kib, _ := strconv.ParseInt(strings.Fields(firstField("/proc/meminfo", "MemTotal", "0"))[0], 10, 64)
	m.Memory = kib << 10
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _ = strconv.ParseFloat(strings.Fields(string(b) + " 0")[0], 64)
	}
	return m
}

// firstField returns the value of the first line "name : value" in a file.
func firstField(path, name, otherwise string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name && strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}
