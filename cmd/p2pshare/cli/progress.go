package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/p2pshare/p2pshare/internal/node"
)

// meter shows how work goes. output calls it from one goroutine at a time.
type meter interface {
	progress(p node.Progress)
	seeding(s node.Seeding)
	print(line string) // a whole line, with its end
	end()              // nothing of it is left on the screen; progress begins anew
}

// newMeter is a bar on a terminal that can show one, plain lines elsewhere, nothing when silent.
func newMeter(env Env, silent bool) meter {
	plain := &plainMeter{out: env.Stderr, now: env.Now, told: make(map[string]sent)}
	if silent {
		return silentMeter{plain}
	}
	// One of no columns (docker exec -t, expect, some CI) has room for lines, which whoever reads them wraps.
	if width, ok := env.Terminal(); ok && width > 0 && env.Getenv("TERM") != "dumb" && env.Getenv("NO_COLOR") == "" {
		return &terminalMeter{out: env.Stderr, terminal: env.Terminal, shares: make(map[string]node.Seeding)}
	}
	return plain
}

type silentMeter struct{ *plainMeter }

func (silentMeter) progress(node.Progress) {}
func (silentMeter) seeding(node.Seeding)   {}

const (
	// plainEvery and plainStep say when a plain line is due: often enough to see that it lives, seldom
	// enough to read in a log.
	plainEvery = 10 * time.Second
	plainStep  = 10          // percent
	plainLeast = time.Second // also before the first line about reading files

	// plainSeeding is the least time between two lines of a share.
	plainSeeding = time.Minute
)

// plainMeter writes lines without control characters, for pipes and logs.
type plainMeter struct {
	out io.Writer
	now func() time.Time

	subject string
	begun   time.Time // the subject
	shown   bool      // a line about the subject
	whole   bool      // the last such line said that it is done
	waiting string
	last    time.Time
	step    int
	told    map[string]sent // by magnet
}

type sent struct {
	at    time.Time
	bytes int64
	peers int

	copies int
}

func (m *plainMeter) progress(p node.Progress) {
	now, subj, step := m.now(), subject(p), int(100*fraction(p))/plainStep
	if subj != m.subject {
		m.subject, m.begun, m.shown, m.whole = subj, now, false, false
	}
	whole := p.Total > 0 && p.Done >= p.Total
	passed := now.Sub(m.last)
	switch {
	case p.Waiting != m.waiting:
	case !m.shown:
		if p.ReadsDisk() && now.Sub(m.begun) < plainLeast {
			return // most files are read faster than a line about it
		}
	case passed >= plainEvery:
	case step > m.step && passed >= plainLeast:
	case whole && !m.whole && p.ReadsDisk():
	default:
		return
	}
	m.shown, m.whole, m.waiting, m.last, m.step = true, whole, p.Waiting, now, step
	var words []string
	for _, x := range parts(p) {
		if x.text != "" {
			words = append(words, x.text)
		}
	}
	line := subj
	if len(words) > 0 {
		line += ": " + strings.Join(words, ", ")
	}
	m.print(line + "\n")
}

func (m *plainMeter) seeding(s node.Seeding) {
	now := m.now()
	t, again := m.told[seedingKey(&s)]
	switch {
	case !again:
		m.print(fmt.Sprintf("seeding %s on port %d\n", printable(s.Name), s.Port))
	case now.Sub(t.at) >= plainSeeding && (t.bytes != s.Uploaded || t.peers != s.Peers || t.copies != s.Copies), again && t.copies < s.Copies:
		m.print(fmt.Sprintf("seeding %s: %s\n", printable(s.Name), seedingText(s.Peers, s.Copies, s.Up, s.Uploaded)))
	default:
		return
	}
	m.told[seedingKey(&s)] = sent{at: now, bytes: s.Uploaded, peers: s.Peers, copies: s.Copies}
}

func (m *plainMeter) print(line string) { io.WriteString(m.out, line) }

func (m *plainMeter) end() {}

func seedingText(peers, copies int, up float64, sent int64) string {
	text := fmt.Sprintf("%s, %s up, %s sent", plural(peers, "peer"), rateText(up), bytesText(sent))
	if copies > 0 {
		text += ", " + copiesText(copies)
	}
	return text
}

func copiesText(n int) string {
	if n == 1 {
		return "1 other has all of it"
	}
	return fmt.Sprintf("%d others have all of it", n)
}

// terminalMeter draws one line that is drawn over.
type terminalMeter struct {
	out      io.Writer
	terminal func() (int, bool)

	bars *mpb.Progress // nil: nothing is shown
	bar  *mpb.Bar

	waiting string // told as a line, for it may be longer than the screen is wide

	mu     sync.Mutex // guards what mpb's goroutine reads; never held while mpb is called
	line   screenLine
	shares map[string]node.Seeding
}

// screenLine is what is drawn: a subject, a bar if part >= 0, and parts.
type screenLine struct {
	subject string
	done    float64 // 0 to 1; below 0: no bar
	parts   []part
}

func (m *terminalMeter) progress(p node.Progress) {
	if p.Phase == "waiting" && p.Waiting != m.waiting {
		m.waiting = p.Waiting
		m.print(subject(p) + ": " + printable(p.Waiting) + "\n")
	}
	l := screenLine{subject: subject(p), done: -1, parts: parts(p)}
	if p.Total > 0 {
		l.done = fraction(p)
	}
	m.draw(l)
}

func (m *terminalMeter) seeding(s node.Seeding) {
	m.shares[seedingKey(&s)] = s
	what, peers, copies, up, uploaded := printable(s.Name), 0, s.Copies, 0.0, int64(0)
	for _, x := range m.shares {
		peers, up, uploaded = peers+x.Peers, up+x.Up, uploaded+x.Uploaded
	}
	if len(m.shares) > 1 {
		what, copies = plural(len(m.shares), "share"), 0 // those of one say nothing of another
	}
	m.draw(screenLine{subject: "seeding " + what, done: -1, parts: []part{{seedingText(peers, copies, up, uploaded), 0}}})
}

func (m *terminalMeter) draw(l screenLine) {
	m.mu.Lock()
	m.line = l
	m.mu.Unlock()
	if m.bars != nil {
		return
	}
	// The width is mpb's own reading when out is a terminal; WithWidth serves other writers.
	width, _ := m.terminal()
	m.bars = mpb.New(mpb.WithOutput(m.out), mpb.WithAutoRefresh(), mpb.WithWidth(width))
	m.bar = m.bars.MustAdd(0, mpb.BarFillerFunc(m.fill),
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string { left, _ := m.text(s.AvailableWidth); return left })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			width, _ := m.terminal()
			_, right := m.text(width)
			return right
		})),
		mpb.BarFillerTrim())
}

// text lays the line out for a width: the subject keeps at most a third, the parts of the highest
// rank go until the rest fits, and a bar is left ten columns where there are sixty.
func (m *terminalMeter) text(width int) (left, right string) {
	m.mu.Lock()
	l := m.line
	m.mu.Unlock()
	left = runewidth.Truncate(l.subject, max(8, width/3), "…")
	room := width - runewidth.StringWidth(left) - 1
	if l.done >= 0 && width >= 60 {
		room -= 12
	}
	kept := slices.DeleteFunc(slices.Clone(l.parts), func(p part) bool { return p.text == "" })
	for len(kept) > 0 {
		words := make([]string, len(kept))
		for i, p := range kept {
			words[i] = p.text
		}
		right = " " + strings.Join(words, "  ")
		if runewidth.StringWidth(right) <= room || len(kept) == 1 {
			break
		}
		worst := slices.MaxFunc(kept, func(a, b part) int { return cmp.Compare(a.rank, b.rank) })
		kept = slices.DeleteFunc(kept, func(p part) bool { return p == worst })
	}
	return left, runewidth.Truncate(right, max(room, 8), "…")
}

// fill draws the bar into the columns that are left, if there are enough to tell something.
func (m *terminalMeter) fill(w io.Writer, s decor.Statistics) error {
	m.mu.Lock()
	done := m.line.done
	m.mu.Unlock()
	width := min(s.AvailableWidth, 42)
	if done < 0 || width < 8 {
		return nil
	}
	inner := width - 3
	full := int(done * float64(inner))
	_, err := fmt.Fprintf(w, " [%s%s]", strings.Repeat("#", full), strings.Repeat("-", inner-full))
	return err
}

// print takes the bar away first; the next progress draws it anew.
func (m *terminalMeter) print(line string) {
	m.end()
	io.WriteString(m.out, line)
}

func (m *terminalMeter) end() {
	if m.bars == nil {
		return
	}
	// A terminal's echo of ^C has moved the cursor, which mpb does not know of: it clears from where it
	// stands.
	io.WriteString(m.out, "\r")
	m.bar.Abort(true)
	m.bars.Wait()
	m.bars, m.bar = nil, nil
}
