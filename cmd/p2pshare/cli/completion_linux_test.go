package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/needs"
)

// stub stands for p2pshare: it answers completion, and writes down what it is called with otherwise.
const stub = `#!/bin/sh
if [ "$1" = __complete ]; then printf '%s\n' 'my film (1)' "it's \$HOME" release-1.2 'grün' '"quoted"'; exit; fi
for a in "$@"; do printf '<%s>' "$a"; done >> "$CALLS"
echo >> "$CALLS"
`

// TestCompletionInShells presses TAB in real shells on a terminal of their own, and looks at what the command is
// called with then: names with spaces and quotes arrive whole.
func TestCompletionInShells(t *testing.T) {
	typed := []struct{ keys, want string }{
		{"p2pshare status my\t", "<status><my film (1)>"},
		{"p2pshare status \"my\t", "<status><my film (1)>"},
		{"p2pshare status 'my\t", "<status><my film (1)>"},
		{`p2pshare status my\ f` + "\t", "<status><my film (1)>"},
		{"p2pshare limit it\t", "<limit><it's $HOME>"},
		{"p2pshare stop rel\t", "<stop><release-1.2>"},
		{"p2pshare start gr\t", "<start><grün>"},
		{"p2pshare remove --da\t rel\t", "<remove><--data><release-1.2>"},
		{"p2pshare verify rele\t", "<verify><release-1.2>"},
		{"p2pshare config sh\t", "<config><show>"},
		{"p2pshare completion zs\t", "<completion><zsh>"},
		{"p2pshare publ\t--allow-p\t x", "<publish><--allow-p><x>"}, // no flag of publish
		{"p2pshare fetch --allow-p\t x", "<fetch><--allow-private><x>"},
		{"p2pshare group lea\t rel\t", "<group><leave><release-1.2>"},
		{"p2pshare group us\tad\t rel\t", "<group><user><add><release-1.2>"},
		{"p2pshare catalog sho\t rel\t", "<catalog><show><release-1.2>"},
		{"p2pshare drop rel\t", "<drop><release-1.2>"},
		{"p2pshare publish other-file --group rel\t", "<publish><other-file><--group><release-1.2>"},
		{"p2pshare help cata\t", "<help><catalog>"},
		{"p2pshare publish oth\t", "<publish><other-file>"}, // a file: what is shared already is not published
	}
	for shell, c := range map[string]struct{ run, load string }{
		"bash": {"bash --norc --noprofile -i", "source %q"},
		"zsh":  {"zsh -f -i", "autoload -Uz compinit; compinit -D -u; source %q"},
		"fish": {"fish --no-config -i", "source %q"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			needs.Program(t, shell, shell)
			needs.Program(t, "script", "bsdutils")
			dir := t.TempDir()
			s := newShell(t)
			s.want(0, "p2pshare", "", "completion", shell)
			files := map[string]string{"completion": s.stdout.String(), "bin/p2pshare": stub, "work/other-file": "", "work/relics": ""}
			for name, text := range files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			keys := fmt.Sprintf(c.load, filepath.Join(dir, "completion")) + "\n"
			var want []string
			for _, x := range typed {
				keys += x.keys + "\n"
				want = append(want, x.want)
			}
			calls := filepath.Join(dir, "calls")
			cmd := exec.Command("script", "-qec", c.run, "/dev/null")
			cmd.Dir, cmd.Stdin = filepath.Join(dir, "work"), strings.NewReader(keys+"exit\n")
			cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "CALLS=" + calls, "LC_ALL=C.UTF-8", "TERM=dumb", "INPUTRC=/dev/null"}
			screen, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", shell, err, screen)
			}
			data, err := os.ReadFile(calls)
			if err != nil {
				t.Fatalf("%v\n%s", err, screen)
			}
			got := strings.Split(strings.TrimSpace(string(data)), "\n")
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Errorf("%q: got %q, want %q", typed[i].keys, got[min(i, len(got)-1)], want[i])
				}
			}
			if t.Failed() {
				t.Logf("%s", screen)
			}
		})
	}
}
