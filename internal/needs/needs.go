// Package needs says what a test needs of the machine beyond Go: root, or a program of Debian's.
//
// Where it is missing, go test skips the test with a line that says how to run it, so that the tests work on any
// laptop. make test installs everything and sets P2PSHARE_TEST=all; then what is missing fails the test, and nothing
// is left out unnoticed.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Everything says whether all tests are to run, as in make test.
func Everything() bool { return os.Getenv("P2PSHARE_TEST") == "all" }

// Root is for tests that mount file systems, make network namespaces or give files to another user.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "this needs root")
	}
}

// Program is where a program is that the test runs; install is Debian's package.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed (apt-get install "+install+")")
	}
	return path
}

// Python is the system's Python with a module; install is Debian's package.
func Python(t testing.TB, module, install string) string {
	t.Helper()
	const python = "/usr/bin/python3" // the one that Debian's modules belong to; another may come first in the PATH
	if exec.Command(python, "-c", "import "+module).Run() != nil {
		missing(t, "Python's module "+module+" is not installed (apt-get install "+install+")")
	}
	return python
}

func missing(t testing.TB, what string) {
	t.Helper()
	if Everything() {
		t.Fatal(what)
	}
	t.Skipf("%s: make test installs what is needed and runs it", what)
}
