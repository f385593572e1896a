package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/daemonlog"
)

type logOptions struct {
	lines  int
	follow bool
}

func logCommand() command {
	return command{
		name: "log", group: groupProgram, max: 0, run: logAction,
		summary: "show what the daemon wrote",
		about: "Prints the last lines of the daemon's log, which is log/daemon.log in the home, and with --follow those that " +
			"come, until Ctrl-C, which is a normal end (exit code 0). It reads the file itself, whether a daemon runs " +
			"or not. The log never grows above 8 MiB, with one older file of that size beside it; passwords and " +
			"the keys in addresses of trackers are not in it.",
		examples: []example{
			{"the last fifty lines", "p2pshare log"},
			{"what happens from now on", "p2pshare log --follow --lines 0"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Category: groupOutput, Usage: "go on with what is written from now on"},
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Category: groupOutput, Value: 50, Usage: "begin with the last `N` lines (-1: all)"},
		},
	}
}

func logAction(ctx context.Context, s *session, c *cli.Context) error {
	o := logOptions{lines: c.Int("lines"), follow: c.Bool("follow")}
	if o.lines < -1 || o.lines > daemonlog.MaxLines {
		return usagef("--lines %d is not between -1 and %d", o.lines, daemonlog.MaxLines)
	}
	return runLog(ctx, s, o)
}

func runLog(ctx context.Context, s *session, o logOptions) error {
	home, err := s.home()
	if err != nil {
		return err
	}
	return daemonlog.Read(ctx, home, daemonlog.Options{Lines: o.lines, Follow: o.follow}, func(b []byte) error {
		if s.out.json {
			s.out.object("log", readLogLine(string(b)))
		} else {
			s.out.answer(string(b))
		}
		return s.out.failed // nobody reads on: do not follow for ever
	})
}

// logLine is a line of the log as an object. What is no record, as a crash leaves it, has the line alone.
type logLine struct {
	Time    string         `json:"time,omitempty"`
	Level   string         `json:"level,omitempty"`
	Message string         `json:"message,omitempty"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Line    string         `json:"line"`
}

func readLogLine(line string) logLine {
	l := logLine{Line: line}
	fields := map[string]any{}
	if json.Unmarshal([]byte(line), &fields) != nil || fields == nil {
		if fields = textRecord(line); fields == nil {
			return l
		}
	}
	level, _ := fields["level"].(string)
	if level == "" {
		return l
	}
	l.Level = level
	l.Time, _ = fields["time"].(string)
	l.Message, _ = fields["msg"].(string)
	for _, k := range []string{"time", "level", "msg"} {
		delete(fields, k)
	}
	l.Attrs = fields
	return l
}

// textRecord reads key=value pairs as log/slog writes them; nil if the line is no such record.
func textRecord(line string) map[string]any {
	out := map[string]any{}
	token := func() (string, bool) {
		if quoted, err := strconv.QuotedPrefix(line); err == nil {
			line = line[len(quoted):]
			s, err := strconv.Unquote(quoted)
			return s, err == nil
		}
		end := strings.IndexAny(line, " =")
		if end < 0 {
			end = len(line)
		}
		s := line[:end]
		line = line[end:]
		return s, true
	}
	for line != "" {
		key, ok := token()
		if !ok || key == "" || !strings.HasPrefix(line, "=") {
			return nil
		}
		line = line[1:]
		value, ok := token()
		if !ok || line != "" && line[0] != ' ' {
			return nil
		}
		out[key] = value
		line = strings.TrimPrefix(line, " ")
	}
	return out
}
