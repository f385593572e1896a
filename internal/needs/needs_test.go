package needs_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/needs"
)

// TestMissing runs a test that lacks something in a process of its own, as make test and as go test run it.
func TestMissing(t *testing.T) {
	const variable = "P2PSHARE_NEEDS_TEST"
	switch os.Getenv(variable) {
	case "program":
		needs.Program(t, "no-such-program-at-all", "nothing")
	case "module":
		needs.Python(t, "no_such_module_at_all", "nothing")
	case "here":
		needs.Program(t, "sh", "dash")
		return
	}
	if os.Getenv(variable) != "" {
		t.Fatal("it went on without what it needs")
	}
	for _, c := range []struct{ what, mode, want string }{
		{"program", "all", "--- FAIL: TestMissing"},
		{"program", "", "--- SKIP: TestMissing"},
		{"module", "all", "--- FAIL: TestMissing"},
		{"module", "", "--- SKIP: TestMissing"},
		{"here", "all", "--- PASS: TestMissing"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMissing$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"="+c.what, "P2PSHARE_TEST="+c.mode)
		out, _ := cmd.CombinedOutput() // its exit code says what the output does
		if !strings.Contains(string(out), c.want) || strings.Contains(string(out), "it went on") {
			t.Errorf("%s with P2PSHARE_TEST=%q: got %s, want %s", c.what, c.mode, out, c.want)
		}
	}
}
