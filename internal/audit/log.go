package audit

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

const name = "audit.jsonl"

// Path returns the path of the audit in a group's folder.
func Path(folder string) string { return filepath.Join(folder, name) }

// Options of a Log. Zero fields have defaults.
type Options struct {
	MaxBytes int64            // of a file; default MaxBytes
	Window   time.Duration    // in which repeats are combined; default a quarter of an hour
	Now      func() time.Time // default time.Now
	Log      *slog.Logger     // gets a warning when lines cannot be written; default none
}

// Log takes lines. Its methods are safe for concurrent use. Only one process at a time may have a group's audit open;
// the home's lock ensures that.
type Log struct {
	o       Options
	folder  string
	queue   chan Line
	flush   chan chan struct{}
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
	dropped atomic.Int64 // lines that did not fit in the queue
	file    *file        // owned by run
	repeats repeats      // owned by run
	failed  int64        // owned by run: lines that could not be written
	bug     error        // the panic that ended run, if any; valid once done is closed
}

// Open opens the audit in folder, which must exist, and appends to it. Close ends it.
func Open(folder string, o Options) (*Log, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = MaxBytes
	}
	if o.Window <= 0 {
		o.Window = window
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := openFile(Path(folder), o.MaxBytes)
	if err != nil {
		return nil, err
	}
	l := &Log{o: o, folder: folder, file: f, queue: make(chan Line, maxQueue), flush: make(chan chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{})}
	go panics.Guard(func() {
		defer close(l.done)
		defer f.close()
		l.bug = panics.Catch(func() error { l.run(); return nil })
		if bug := panics.In(l.bug); bug != nil {
			bug.Log(o.Log, "the audit of a group", "file", Path(folder))
		}
	}, panics.Logged(o.Log, "the end of an audit"))()
	return l, nil
}

// Add queues a line to be written. It never waits. After Close it does nothing.
func (l *Log) Add(line Line) {
	if line.Time.IsZero() {
		line.Time = l.o.Now()
	}
	line.Time = line.Time.UTC().Round(0)
	select {
	case <-l.done:
	case l.queue <- line.plain():
	default:
		l.dropped.Add(line.times())
	}
}

// Read returns the lines that q asks for, the latest last, including all that were added before; repeats still being
// counted are written first.
func (l *Log) Read(q Query) ([]Line, error) {
	reply := make(chan struct{})
	select {
	case l.flush <- reply:
		select {
		case <-reply:
		case <-l.done:
		}
	case <-l.done:
	}
	return Read(l.folder, q)
}

// Close writes what is queued, and ends the log. The error says how many lines could not be written and are lost.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.stop) })
	<-l.done
	if l.bug != nil {
		return fmt.Errorf("writing %q: lines were lost: %w", Path(l.folder), l.bug)
	}
	if l.failed > 0 {
		return fmt.Errorf("writing %q: %d lines were lost", Path(l.folder), l.failed)
	}
	return nil
}

// run owns the file.
func (l *Log) run() {
	timer := time.NewTimer(l.o.Window)
	timer.Stop()
	waits := false
	for {
		select {
		case line := <-l.queue:
			l.take(line)
		case <-timer.C:
			waits = false
			l.sumUp()
		case reply := <-l.flush:
			l.drain()
			l.sumUp()
			close(reply)
		case <-l.stop:
			l.drain()
			l.sumUp()
			l.tellLost()
			return
		}
		if !waits && l.repeats.any() {
			waits = true
			timer.Reset(l.o.Window)
		}
	}
}

// drain takes all queued lines.
func (l *Log) drain() {
	for {
		select {
		case line := <-l.queue:
			l.take(line)
		default:
			l.tellLost()
			return
		}
	}
}

// take writes a line, or counts it as a repeat.
func (l *Log) take(line Line) {
	l.tellLost()
	if line.What == Refused {
		var first bool
		if line, first = l.repeats.add(line); !first {
			return
		}
	}
	l.write(line)
}

// sumUp writes the counted repeats, and begins a new window.
func (l *Log) sumUp() {
	for _, line := range l.repeats.take() {
		l.write(line)
	}
}

// tellLost writes how many lines are missing here.
func (l *Log) tellLost() {
	if n := l.dropped.Swap(0); n > 0 {
		l.write(Line{Time: l.o.Now().UTC().Round(0), What: Dropped, Why: "lines came faster than they could be written", Times: n})
	}
	if l.failed > 0 {
		n := l.failed
		l.failed = 0
		if l.put(Line{Time: l.o.Now().UTC().Round(0), What: Dropped, Why: "the disk could not be written", Times: n}) != nil {
			l.failed = n
		}
	}
}

// write writes a line. One that cannot be written is counted; the first of them is logged.
func (l *Log) write(line Line) {
	err := l.put(line)
	if err == nil {
		return
	}
	if l.failed == 0 {
		l.o.Log.Warn("the audit of a group cannot be written", "file", Path(l.folder), "error", err)
	}
	l.failed += line.times()
}

func (l *Log) put(line Line) error {
	b, err := line.encode()
	if err != nil {
		return err
	}
	return l.file.write(b)
}
