//go:build linux

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// path returns the path of a file in a v1 info.
func path(components ...string) []any {
	var out []any
	for _, c := range components {
		out = append(out, c)
	}
	return out
}

// TestHostileTorrents gives fetch torrents that no honest creator makes. Each is refused before anything is written, with a
// message that names the problem and the exit code for unverified bytes.
func TestHostileTorrents(t *testing.T) {
	tree := func(files rogue.Dict) rogue.Dict {
		return rogue.Dict{"name": "folder", "piece length": 16384, "meta version": 2, "file tree": files}
	}
	leaf := func(length int) rogue.Dict {
		return rogue.Dict{"": rogue.Dict{"length": length, "pieces root": strings.Repeat("r", 32)}}
	}
	many := make([][]any, 100_001)
	for i := range many {
		many[i] = path(fmt.Sprintf("f%d", i))
	}
	hybrid := rogue.Files(path("a"))
	hybrid["meta version"], hybrid["file tree"] = 2, rogue.Dict{"b": leaf(10)}
	lengths := rogue.Files(path("a"))
	lengths["meta version"], lengths["file tree"] = 2, rogue.Dict{"a": leaf(11)}

	tests := []struct {
		name  string
		info  any
		names string // what the message has to contain
	}{
		{"dot dot in a path", rogue.Files(path("a"), path("..", "evil")), `".."`},
		{"dot dot as the name", rogue.File(rogue.Dict{"name": ".."}), `".."`},
		{"slash in a name", rogue.File(rogue.Dict{"name": "../../evil"}), "../../evil"},
		{"absolute name", rogue.File(rogue.Dict{"name": "/etc/evil"}), "/etc/evil"},
		{"absolute path component", rogue.Files(path("/etc/evil")), "/etc/evil"},
		{"backslashes", rogue.Files(path(`..\evil`)), "evil"},
		{"empty component", rogue.Files(path("a", "", "b")), "empty"},
		{"empty name", rogue.File(rogue.Dict{"name": ""}), "empty"},
		{"no path at all", rogue.Files(path()), "path"},
		{"path too long", rogue.Files(path(strings.Repeat("n", 3000))), "nnn"},
		{"NUL", rogue.Files(path("a\x00b")), `\x00`},
		{"same path twice", rogue.Files(path("same"), path("same")), "same"},
		{"file that is also a folder", rogue.Files(path("a"), path("a", "b")), `"a`},
		{"too many files", rogue.Files(many...), "100"},
		{"no info", rogue.Raw("i1e"), "info"},
		{"piece length 0", rogue.File(rogue.Dict{"piece length": 0}), "piece length"},
		{"piece length negative", rogue.File(rogue.Dict{"piece length": -16384}), "piece length"},
		{"piece length missing", rogue.File(rogue.Dict{"piece length": nil}), "piece length"},
		{"piece length huge", rogue.File(rogue.Dict{"piece length": 1 << 40}), "piece length"},
		{"piece length of v2 not a power of two", func() rogue.Dict { d := tree(rogue.Dict{"a": leaf(10)}); d["piece length"] = 20000; return d }(), "piece length"},
		{"negative size", rogue.File(rogue.Dict{"length": -1}), "-1"},
		{"negative size in a folder", rogue.Dict{"name": "folder", "piece length": 16384, "pieces": strings.Repeat("x", 20),
			"files": []any{rogue.Dict{"length": -5, "path": path("minus")}}}, "-5"},
		{"sizes that overflow", rogue.Dict{"name": "folder", "piece length": 1 << 24, "pieces": strings.Repeat("x", 20),
			"files": []any{rogue.Dict{"length": 1 << 62, "path": path("a")}, rogue.Dict{"length": 1 << 62, "path": path("b")}}}, "size"},
		{"integer beyond 64 bits", rogue.File(rogue.Dict{"length": rogue.Raw("i99999999999999999999e")}), "999"},
		{"fewer hashes than pieces", rogue.File(rogue.Dict{"length": 100_000}), "pieces"},
		{"more hashes than pieces", rogue.File(rogue.Dict{"pieces": strings.Repeat("x", 60)}), "pieces"},
		{"truncated hashes", rogue.File(rogue.Dict{"pieces": "short"}), "pieces"},
		{"deep bencode", rogue.File(rogue.Dict{"x": rogue.Raw(strings.Repeat("l", 100_000) + strings.Repeat("e", 100_000))}), "deep"},
		{"info beyond 16 MiB", rogue.File(rogue.Dict{"x": strings.Repeat("x", 16<<20)}), "info"},
		{"v2 tree with other files than v1", hybrid, "v1"},
		{"v2 tree with other sizes than v1", lengths, `"a"`},
		{"v2 dot dot", tree(rogue.Dict{"..": rogue.Dict{"evil": leaf(10)}}), `".."`},
		{"v2 root of a wrong length", tree(rogue.Dict{"a": rogue.Dict{"": rogue.Dict{"length": 10, "pieces root": "short"}}}), "root"},
		{"symlink out of the content", rogue.Dict{"name": "folder", "piece length": 16384, "pieces": strings.Repeat("x", 20), "files": []any{
			rogue.Dict{"length": 0, "path": path("link"), "attr": "l", "symlink path": path("..", "..", "etc", "passwd")},
			rogue.Dict{"length": 10, "path": path("a")}}}, "link"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, out := filepath.Join(dir, "x.torrent"), filepath.Join(dir, "out")
			if err := os.WriteFile(file, []byte(rogue.Torrent(tc.info)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(out, 0o755); err != nil {
				t.Fatal(err)
			}
			p := client.Start(t, us.Quiet().Command(t, nil, "fetch", "--listen", "127.0.0.1", "--timeout", "20s", "-o", out, file))
			code, err := p.Exit(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			msg := p.Stderr.String()
			if code != 13 && code != 4 {
				t.Errorf("exit code: got %d, want 13 (or 4 if it is not a torrent): %s", code, msg)
			}
			if !strings.Contains(msg, tc.names) {
				t.Errorf("message: got %q, want it to name %q", msg, tc.names)
			}
			if strings.ContainsAny(msg, "\x1b\u202e\u200b") {
				t.Errorf("message %q contains a terminal control character", msg)
			}
			if got := p.Stdout.String(); got != "" {
				t.Errorf("stdout: got %q, want nothing", got)
			}
			if left, err := os.ReadDir(out); err != nil || len(left) != 0 {
				t.Errorf("the target folder contains %v, %v, want nothing", left, err)
			}
		})
	}
}
