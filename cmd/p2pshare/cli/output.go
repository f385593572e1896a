package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/jsonsafe"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// jsonVersion is in every object; it rises when a field changes its meaning or goes.
const jsonVersion = 1

// progressEvery is the least time between two progress objects, and two seeding objects of a share.
const progressEvery = time.Second

const bugReports = "https://github.com/p2pshare/p2pshare/issues"

// output is the one place that writes to stdout and stderr. Its methods may be called at the same time.
type output struct {
	env         Env
	json, quiet bool

	mu       sync.Mutex
	meter    meter
	progress time.Time            // of the last progress object
	waiting  string               // what the last progress object waited for
	seeding  map[string]time.Time // of the last seeding object, by seedingKey
	failed   error                // the first failure to write the answer
}

func newOutput(env Env, asJSON, quiet bool) *output {
	return &output{env: env, json: asJSON, quiet: quiet, meter: newMeter(env, asJSON || quiet), seeding: make(map[string]time.Time)}
}

// Write is for logs: whole lines, shown above the progress.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range bytes.Lines(p) {
		o.meter.print(printable(strings.TrimSuffix(string(line), "\n")) + "\n")
	}
	return len(p), nil
}

// say writes a line of the talk.
func (o *output) say(format string, args ...any) {
	if o.json || o.quiet {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.meter.print(fmt.Sprintf(format, args...) + "\n")
}

// answer writes a line of the answer, escaped; with --json the answer is an object instead.
func (o *output) answer(line string) { o.path(printable(line)) }

// path writes a path of the answer as it is, because scripts go on with it. Names from torrents were
// judged before they became one.
func (o *output) path(p string) {
	if !o.json {
		o.stdout([]byte(p + "\n"))
	}
}

func (o *output) stdout(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.meter.end() // both may be one terminal
	if _, err := o.env.Stdout.Write(b); err != nil && o.failed == nil {
		o.failed = fmt.Errorf("writing the answer: %w", err)
	}
}

// lost is the first failure to write the answer.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}

// object writes v's fields as one line with version and type in front.
func (o *output) object(kind string, v any) {
	body, err := encode(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err)) // plain data of ours
	}
	head := fmt.Sprintf(`{"version":%d,"type":%q`, jsonVersion, kind)
	if len(body) > 2 {
		head += ","
	}
	o.stdout(append(append([]byte(head), body[1:]...), '\n'))
}

// encode is json.Marshal without the escaping of & that makes magnet links unreadable, and with that of all that could
// steer the terminal it is shown in.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return jsonsafe.Escape(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), err
}

// event shows what happened. The answer itself is the command's to write, but with --json it is the
// event's object.
func (o *output) event(e node.Event) {
	if o.json {
		o.eventJSON(e)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case e.Progress != nil:
		o.meter.progress(*e.Progress)
	case e.Seeding != nil:
		o.meter.seeding(*e.Seeding)
	case e.Stopped != nil: // a share that is lost is an error, and shown with --quiet too
		o.meter.print(fmt.Sprintf("stopped sharing %s: %s\n", printable(e.Stopped.Name), printable(e.Stopped.Reason)))
	case e.Message != "" && !o.quiet:
		prefix := ""
		if e.Level == "warn" {
			prefix = "warning: "
		}
		o.meter.print(prefix + printable(e.Message) + "\n")
	}
}

func (o *output) eventJSON(e node.Event) {
	switch {
	case e.Kept != nil:
		o.object("kept", e.Kept)
	case e.Progress != nil:
		said := e.Progress.Waiting != o.waiting // is told at once, however soon after another
		if !o.quiet && (o.due(&o.progress) || said) {
			o.waiting = e.Progress.Waiting
			o.object("progress", progressOf(e.Progress))
		}
	case e.Seeding != nil:
		last, again := o.seeding[seedingKey(e.Seeding)]
		if !again || !o.quiet && o.due(&last) {
			o.seeding[seedingKey(e.Seeding)] = o.env.Now()
			o.object("seeding", e.Seeding)
		}
	case e.Published != nil:
		p := *e.Published
		p.Skipped = append([]node.Skipped{}, p.Skipped...) // [] rather than null
		o.object("published", p)
	case e.Fetched != nil:
		o.object("fetched", fetchedObject(e.Fetched))
	case e.Stopped != nil:
		o.object("stopped", e.Stopped)
	case e.Message != "" && !o.quiet:
		o.object("message", struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		}{e.Level, e.Message})
	}
}

// seedingKey tells shares apart: by the magnet link, or the path of one that has none.
func seedingKey(s *node.Seeding) string { return cmp.Or(s.Magnet, s.Path) }

func (o *output) due(last *time.Time) bool {
	now := o.env.Now()
	if !last.IsZero() && now.Sub(*last) < progressEvery {
		return false
	}
	*last = now
	return true
}

// published tells what was made.
func (o *output) published(p *node.Published) {
	line := fmt.Sprintf("%s: %s, %s, pieces of %s", printable(p.Name), counted(p.Files, p.Size), p.Format, ibytes(p.PieceLength))
	if hash := cmp.Or(p.Infohash, p.InfohashV2); p.Magnet != "" { // without a link there is nothing to do with it
		line += ", infohash " + hash
	}
	o.say("%s", line)
	if p.Format == "hybrid" && p.Magnet != "" {
		o.say("aria2 1.36, Transmission 3.00 and older cannot read a hybrid; --format v1 serves them too")
	}
	for _, x := range p.Skipped {
		o.say("left out: %s: %s", printable(x.Path), printable(x.Reason))
	}
	o.listed(len(p.Trouble), func(i int) string {
		return fmt.Sprintf("not every system can hold this name: %s: %s", printable(p.Trouble[i].Path), printable(p.Trouble[i].Reason))
	})
	if p.Entry != "" {
		o.say("signed as %s", printable(p.Entry))
	}
	for _, f := range []string{p.TorrentFile, p.ChunksFile, p.SumsFile} {
		if f != "" {
			o.say("wrote %s", printable(f))
		}
	}
}

// maxNamesShown is how many names are told in lines; --json has all.
const maxNamesShown = 50

// listed says n lines, but not too many.
func (o *output) listed(n int, line func(i int) string) {
	for i := range min(n, maxNamesShown) {
		o.say("%s", line(i))
	}
	if n > maxNamesShown {
		o.say("and %s more, which --json lists", plural(n-maxNamesShown, "name"))
	}
}

// renamed tells what files are called where their own names cannot be.
func (o *output) renamed(list []node.Renamed) {
	o.listed(len(list), func(i int) string {
		return fmt.Sprintf("%s is called %s here: the file system cannot hold its name", printable(list[i].Path), printable(list[i].As))
	})
}

func (o *output) endMeter() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.meter.end()
}

// fail shows err, if there is one, and returns its exit code.
func (o *output) fail(err error) int {
	o.endMeter()
	if err == nil {
		if err = o.failed; err == nil {
			return exitDone
		}
	}
	code, hint, text := exitCode(err), fault.HintOf(err), webaddr.Redact(err.Error())
	if o.json {
		o.object("error", errorObject{Error: text, Hint: hint, Code: code})
		return code
	}
	if list, ok := errors.AsType[*several](err); ok {
		fmt.Fprintf(o.env.Stderr, "p2pshare: %s\n", printable(list.title))
		for _, e := range list.each {
			fmt.Fprintf(o.env.Stderr, "  %s\n", printable(webaddr.Redact(e.Error())))
		}
	} else {
		fmt.Fprintf(o.env.Stderr, "p2pshare: %s\n", printable(text))
	}
	if hint != "" {
		fmt.Fprintf(o.env.Stderr, "  %s\n", printable(hint))
	}
	return code
}

// several are things that are wrong with one input, which are told one a line.
type several struct {
	title string
	each  []error
}

func (s *several) Error() string {
	words := make([]string, len(s.each))
	for i, e := range s.each {
		words[i] = e.Error()
	}
	return s.title + ": " + strings.Join(words, "; ")
}

type errorObject struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
	Bug   bool   `json:"bug,omitempty"`
}

// bug reports a panic: first that it is ours, then the trace.
func (o *output) bug(r any, stack []byte) int {
	// The panic may have come out of the meter, or while mu was held: nothing of it is used.
	text := printable(fmt.Sprint(r))
	if o.json {
		b, _ := encode(struct {
			Version int    `json:"version"`
			Type    string `json:"type"`
			errorObject
		}{jsonVersion, "error", errorObject{Error: text, Hint: "this is a bug in p2pshare; please report it at " + bugReports, Code: exitFailed, Bug: true}})
		fmt.Fprintf(o.env.Stdout, "%s\n", b)
	}
	fmt.Fprintf(o.env.Stderr, "p2pshare: internal error: %s\n  this is a bug in p2pshare; please report it, with the lines below, at %s\n%s", text, bugReports, stack)
	return exitFailed
}

// text is the answer of commands that print a text: the text, or an object that holds it.
func (s *session) text(kind, text string) error {
	if s.out.json {
		s.out.object(kind, struct {
			Text string `json:"text"`
		}{text})
		return nil
	}
	_, err := io.WriteString(s.env.Stdout, text)
	return err
}
