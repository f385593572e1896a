package audit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pshare/p2pshare/internal/audit"
	"github.com/p2pshare/p2pshare/internal/fault"
)

func open(t *testing.T, dir string, o audit.Options) *audit.Log {
	t.Helper()
	l, err := audit.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func read(t *testing.T, dir string, q audit.Query) []audit.Line {
	t.Helper()
	got, err := audit.Read(dir, q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func closed(t *testing.T, l *audit.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("closing: got %v, want nil", err)
	}
}

// accounts returns the accounts of lines, in order.
func accounts(lines []audit.Line) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Account)
	}
	return strings.Join(out, " ")
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, audit.Options{Now: func() time.Time { return noon }})
	want := []audit.Line{
		{Time: noon, What: audit.Admitted, Account: "anna", Device: "0a1b", From: "192.0.2.7"},
		{Time: noon.Add(time.Second), What: audit.Served, Account: "anna", Device: "0a1b", From: "2001:db8::1", Entry: "films/x@1", Sent: 1 << 40, Got: 3, Seconds: 1.5},
		{Time: noon, What: audit.Garbage, Account: "bert", Bad: 7},
		{Time: noon, What: audit.Cut, Account: "bert", Why: "removed"},
		{Time: noon, What: audit.Refused, From: "192.0.2.9", Why: "not a member", Times: 4},
	}
	for i, line := range want {
		if i == 0 {
			line.Time = time.Time{} // now
		}
		l.Add(line)
	}
	got, err := l.Read(audit.Query{})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	closed(t, l)
	if got := read(t, dir, audit.Query{}); !slices.Equal(got, want) {
		t.Errorf("after Close: got %v, want %v", got, want)
	}
	l.Add(audit.Line{What: audit.Cut})
	closed(t, l)
	if got, err := l.Read(audit.Query{}); err != nil || len(got) != len(want) {
		t.Errorf("a line after Close: got %d lines, %v, want %d", len(got), err, len(want))
	}
}

func TestFieldsAreHarmless(t *testing.T) {
	tests := []struct {
		name     string
		in, want audit.Line
	}{
		{"control and direction", audit.Line{Account: "a\x1b[2Jb\u202ec\nd\x9b"}, audit.Line{Account: "a\ufffd[2Jb\ufffdc\ufffdd\ufffd"}},
		{"long", audit.Line{Why: strings.Repeat("x", 5000)}, audit.Line{Why: strings.Repeat("x", 256)}},
		{"long, with the limit inside a character", audit.Line{Why: strings.Repeat("x", 255) + "é"}, audit.Line{Why: strings.Repeat("x", 255)}},
		{"a port", audit.Line{From: "192.0.2.1:4711"}, audit.Line{From: "192.0.2.1"}},
		{"a port, IPv6", audit.Line{From: "[2001:db8::1]:4711"}, audit.Line{From: "2001:db8::1"}},
		{"IPv4 in IPv6", audit.Line{From: "[::ffff:192.0.2.1]:4711"}, audit.Line{From: "192.0.2.1"}},
		{"not a number", audit.Line{Seconds: math.NaN()}, audit.Line{}},
		{"infinite", audit.Line{Seconds: math.Inf(1)}, audit.Line{}},
		{"a clock set back", audit.Line{Seconds: -3}, audit.Line{}},
		{"another zone", audit.Line{Time: noon.In(time.FixedZone("x", 3600))}, audit.Line{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, audit.Options{})
			test.in.What, test.want.What = "served", "served"
			if test.in.Time.IsZero() {
				test.in.Time = noon
			}
			test.want.Time = noon
			l.Add(test.in)
			closed(t, l)
			if got := read(t, dir, audit.Query{}); len(got) != 1 || got[0] != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no such modes")
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(audit.Path(dir), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, audit.Options{MaxBytes: 100})
	for range 4 {
		l.Add(audit.Line{What: audit.Admitted, Account: "anna"})
	}
	closed(t, l)
	list, err := os.ReadDir(dir)
	if err != nil || len(list) < 2 {
		t.Fatalf("got %v, %v, want files", list, err)
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("mode of %s: got %v, %v, want 0600", e.Name(), info.Mode(), err)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, audit.Options{MaxBytes: 1000})
	const n = 100
	for i := range n {
		l.Add(audit.Line{Time: noon, What: audit.Admitted, Account: fmt.Sprintf("user%02d", i)})
	}
	closed(t, l)
	list, _ := os.ReadDir(dir)
	if len(list) != audit.Old+1 {
		t.Errorf("got %d files, want %d", len(list), audit.Old+1)
	}
	for _, e := range list {
		if info, err := e.Info(); err != nil || info.Size() > 1000 {
			t.Errorf("%s: got %d bytes, %v, want at most 1000", e.Name(), info.Size(), err)
		}
	}
	got := read(t, dir, audit.Query{})
	if len(got) < 4*10 || len(got) >= n {
		t.Fatalf("got %d lines, want some of %d", len(got), n)
	}
	for i, l := range got {
		if want := fmt.Sprintf("user%02d", n-len(got)+i); l.Account != want {
			t.Fatalf("line %d: got %s, want %s; a line is missing, or the order is wrong", i, l.Account, want)
		}
	}
	if got := accounts(read(t, dir, audit.Query{Lines: 2})); got != "user98 user99" {
		t.Errorf("the last two: got %q", got)
	}
	over := read(t, dir, audit.Query{Lines: 25}) // spans more than one file
	if len(over) != 25 || over[0].Account != "user75" || over[24].Account != "user99" {
		t.Errorf("the last 25: got %q", accounts(over))
	}
	if got := accounts(read(t, dir, audit.Query{User: "user80"})); got != "user80" {
		t.Errorf("of one user: got %q, want user80", got)
	}
}

func TestQuery(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, audit.Options{})
	for i, who := range []string{"anna", "bert", "anna", "carl", "bert"} {
		l.Add(audit.Line{Time: noon.Add(time.Duration(i) * time.Hour), What: audit.Admitted, Account: who})
	}
	closed(t, l)
	tests := []struct {
		name string
		q    audit.Query
		want string
	}{
		{"all", audit.Query{}, "anna bert anna carl bert"},
		{"a user", audit.Query{User: "bert"}, "bert bert"},
		{"an unknown user", audit.Query{User: "dora"}, ""},
		{"since", audit.Query{Since: noon.Add(2 * time.Hour)}, "anna carl bert"},
		{"since, a user", audit.Query{Since: noon.Add(2 * time.Hour), User: "anna"}, "anna"},
		{"the last", audit.Query{Lines: 1}, "bert"},
		{"the last of a user", audit.Query{Lines: 1, User: "anna", Since: noon}, "anna"},
		{"more than exist", audit.Query{Lines: 50}, "anna bert anna carl bert"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := accounts(read(t, dir, test.q)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, n := range []int{-1, audit.MaxLines + 1} {
		if _, err := audit.Read(dir, audit.Query{Lines: n}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%d lines: got %v, want a usage fault", n, err)
		}
	}
	if got := read(t, t.TempDir(), audit.Query{}); len(got) != 0 {
		t.Errorf("without a file: got %v, want none", got)
	}
}

// TestForeignBytes: reader and writer keep to complete lines, whatever a crash left or somebody else wrote.
func TestForeignBytes(t *testing.T) {
	good := `{"time":"2026-05-04T12:00:00Z","what":"admitted","account":"anna"}` + "\n"
	tests := []struct {
		name, before, want string
	}{
		{"a torn last line", good + `{"time":"2026-05-04T12:00:00Z","wh`, "anna bert"},
		{"only a torn line", `{"ti`, "bert"},
		{"a torn line that is JSON", good + strings.TrimSuffix(good, "\n"), "anna anna bert"}, // complete except for its line end
		{"empty lines", "\n\n" + good + "\n", "anna bert"},
		{"zeros after a crash", good + strings.Repeat("\x00", 4096), "anna bert"},
		{"an endless line", strings.Repeat("x", 1<<20) + "\n" + good, "anna bert"},
		{"an endless line without an end", good + strings.Repeat("x", 1<<20), "anna bert"},
		{"a line as long as the buffer", strings.Repeat("x", 16<<10-1) + "\n" + good, "anna bert"},
		{"other JSON", "[]\n{}\n7\n" + `{"what":"admitted","account":"x"}` + "\n" + good, "anna bert"},
		{"negative numbers", `{"time":"2026-05-04T12:00:00Z","what":"served","account":"x","sent":-1}` + "\n" + good, "anna bert"},
		{"an unknown field", `{"time":"2026-05-04T12:00:00Z","what":"admitted","account":"anna","mood":"good"}` + "\n", "anna bert"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(audit.Path(dir), []byte(test.before), 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, audit.Options{})
			l.Add(audit.Line{What: audit.Admitted, Account: "bert"})
			closed(t, l)
			if got := accounts(read(t, dir, audit.Query{})); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if b, _ := os.ReadFile(audit.Path(dir)); !strings.HasPrefix(string(b), test.before) {
				t.Error("the existing bytes have changed")
			}
		})
	}
}

func TestForeignFiles(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, audit.Path(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, audit.Path(dir)+".1"); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, audit.Options{})
	l.Add(audit.Line{What: audit.Admitted, Account: "anna"})
	closed(t, l)
	if b, err := os.ReadFile(other); err != nil || len(b) > 0 {
		t.Errorf("the target of a symlink: got %q, %v, want nothing written", b, err)
	}
	if got := accounts(read(t, dir, audit.Query{})); got != "anna" {
		t.Errorf("got %q, want anna", got)
	}
	dir = t.TempDir()
	if err := os.Mkdir(audit.Path(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(dir, audit.Options{}); fault.HintOf(err) == "" {
		t.Errorf("a folder in its place: got %v, want an error with a hint", err)
	}
	if _, err := audit.Open(filepath.Join(dir, "missing"), audit.Options{}); err == nil {
		t.Error("no such folder: got no error")
	}
}

func TestRemovedFileIsRecreated(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, audit.Options{})
	l.Add(audit.Line{What: audit.Admitted, Account: "anna"})
	if _, err := l.Read(audit.Query{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(audit.Path(dir)); err != nil {
		t.Fatal(err)
	}
	l.Add(audit.Line{What: audit.Admitted, Account: "bert"})
	closed(t, l)
	if got := accounts(read(t, dir, audit.Query{})); got != "bert" {
		t.Errorf("got %q, want bert", got)
	}
}

// TestRepeats: the first refusal is written at once, its repeats at the end of a quarter of an hour, as one line.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l, err := audit.Open(dir, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		no := audit.Line{What: audit.Refused, Account: "anna", From: "192.0.2.1", Why: "no right"}
		for i := range 500 {
			no.From = fmt.Sprintf("192.0.2.1:%d", 1000+i)
			l.Add(no)
			if i%100 == 0 {
				l.Add(audit.Line{What: audit.Refused, Account: "bert", Why: "no right"})
				l.Add(audit.Line{What: audit.Admitted, Account: "carl"}) // never combined
			}
			synctest.Wait() // let the queue drain
		}
		if got := accounts(read(t, dir, audit.Query{})); got != "anna bert carl carl carl carl carl" {
			t.Errorf("at once: got %q, want the first refusal of each, and every admission", got)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		got := read(t, dir, audit.Query{})
		if len(got) != 9 || got[7].Account != "anna" || got[7].Times != 499 || got[8].Account != "bert" || got[8].Times != 4 || got[7].From != "192.0.2.1" {
			t.Errorf("after a quarter of an hour: got %+v, want 499 more of anna and 4 more of bert", got)
		}
		time.Sleep(time.Hour)
		no.Times = 3 // the caller has combined some already
		l.Add(no)
		l.Add(no)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := read(t, dir, audit.Query{}); len(got) != 11 || got[9].Times != 3 || got[10].Times != 3 {
			t.Errorf("after an hour: got %+v, want a new first line and a new sum", got)
		}
	})
}

// TestFlood: with ever new keys and addresses there are few lines, and none is missing from the sum.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l, err := audit.Open(dir, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const n = 20_000
		for i := range n {
			l.Add(audit.Line{What: audit.Refused, Device: fmt.Sprintf("%064x", i), From: fmt.Sprintf("10.1.%d.%d", i>>8, i&255), Why: "not a member"})
			if i%500 == 0 {
				synctest.Wait()
			}
		}
		for i := range 500 {
			l.Add(audit.Line{What: audit.Refused, Why: fmt.Sprintf("reason %d", i)})
			synctest.Wait()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		got := read(t, dir, audit.Query{})
		if len(got) > 400 {
			t.Errorf("got %d lines for %d refusals, want at most 400", len(got), n+500)
		}
		sum, anonymous := int64(0), int64(0)
		for _, l := range got {
			sum += max(l.Times, 1)
			if l.Device == "" && l.Why == "not a member" {
				anonymous += max(l.Times, 1)
			}
		}
		if sum != n+500 {
			t.Errorf("the lines add up to %d refusals, want %d", sum, n+500)
		}
		if anonymous != n-256 {
			t.Errorf("with nothing but a reason: got %d, want %d", anonymous, n-256)
		}
	})
}

// TestStrangersHideNobody tests that refusals of a known account are distinguished however many strangers are refused.
func TestStrangersHideNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l, err := audit.Open(dir, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			l.Add(audit.Line{What: audit.Refused, Device: fmt.Sprintf("%064x", i), Why: "a stranger"})
			if i%500 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		for range 3 {
			l.Add(audit.Line{What: audit.Refused, Account: "eve", Device: "e", Why: "it was removed"})
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		var eve int64
		for _, x := range read(t, dir, audit.Query{User: "eve"}) {
			eve += max(x.Times, 1)
		}
		if eve != 3 {
			t.Errorf("eve was refused 3 times, and the audit has %d", eve)
		}
	})
}

// TestNeverWaits fills the queue while the disk is stuck.
func TestNeverWaits(t *testing.T) {
	dir := t.TempDir()
	hold := make(chan struct{})
	var once sync.Once
	// A folder in place of the file makes writing fail, and the logger, which is called then, blocks: that stands for a
	// disk that is stuck.
	stuck := make(chan struct{})
	log := slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		once.Do(func() { close(stuck); <-hold })
		return len(p), nil
	}), nil))
	l := open(t, dir, audit.Options{Log: log})
	if err := os.Remove(audit.Path(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(audit.Path(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	l.Add(audit.Line{What: audit.Admitted, Account: "lost"})
	<-stuck
	const n = 5000
	for range n { // hangs if Add waits
		l.Add(audit.Line{What: audit.Admitted, Account: "anna"})
	}
	if err := os.Remove(audit.Path(dir)); err != nil {
		t.Fatal(err)
	}
	close(hold)
	got, err := l.Read(audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var anna, full, disk int64
	for _, l := range got {
		switch {
		case l.What == audit.Dropped && strings.Contains(l.Why, "disk"):
			disk += l.Times
		case l.What == audit.Dropped:
			full += l.Times
		case l.Account == "anna":
			anna++
		}
	}
	if disk != 1 || full == 0 || anna == 0 || anna+full != n {
		t.Errorf("got %d written, %d dropped by the queue, %d by the disk, want %d in total, and 1", anna, full, disk, n)
	}
	closed(t, l)
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestDiskFails: Close reports what is lost, and the log has a single line about it, not one for each.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	l := open(t, dir, audit.Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		l.Add(audit.Line{What: audit.Admitted, Account: "anna"})
	}
	if _, err := l.Read(audit.Query{}); err != nil {
		t.Errorf("reading without a folder: got %v, want nothing", err)
	}
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "10 lines") {
		t.Errorf("closing: got %v, want 10 lines lost", err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("the log: got %d lines, want 1: %s", n, &out)
	}
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, audit.Options{MaxBytes: 4000})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 50 {
				l.Add(audit.Line{What: audit.Refused, Account: fmt.Sprintf("g%d", g), Why: "no right"})
				l.Add(audit.Line{What: audit.Served, Account: fmt.Sprintf("g%d", g), Sent: 1})
				if _, err := l.Read(audit.Query{Lines: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closed(t, l)
	if got := read(t, dir, audit.Query{}); len(got) == 0 {
		t.Error("got no lines")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"time":"2026-05-04T12:00:00Z","what":"admitted","account":"anna"}` + "\n"))
	f.Add([]byte(`{"time":"2026-05-04T12:00:00Z","what":"refused","from":"192.0.2.1:5","why":"\u001b[2J","times":9}` + "\n{\"ti"))
	f.Add([]byte("\n\x00\n{}\n[[[[\n" + `{"time":"x","what":"served","sent":-1}` + "\n"))
	f.Add(bytes.Repeat([]byte("x"), 40<<10))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(audit.Path(dir), b, 0o600); err != nil {
			t.Fatal(err)
		}
		all := read(t, dir, audit.Query{})
		if len(all) > bytes.Count(b, []byte("\n")) {
			t.Fatalf("got %d lines of %d", len(all), bytes.Count(b, []byte("\n")))
		}
		for _, l := range all {
			if l.What == "" || l.Time.IsZero() || l.Times < 0 || l.Sent < 0 || len(l.Why) > 3*256 || strings.ContainsAny(l.Why+l.Account+l.From, "\x1b\n\u202e") {
				t.Fatalf("got %+v", l)
			}
		}
		if len(all) > 0 {
			two := read(t, dir, audit.Query{Lines: 1})
			if len(two) != 1 || two[0] != all[len(all)-1] {
				t.Fatalf("the last line: got %+v, want %+v", two, all[len(all)-1])
			}
		}
	})
}
