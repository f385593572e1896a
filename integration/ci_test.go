//go:build linux

package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCIRecipe runs the job in docs/ci.md exactly as written, twice, each time with an empty disk.
func TestCIRecipe(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sh\n")
	job, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/ci.md contains no job")
	}
	dir := t.TempDir()
	env := append(os.Environ(), "P2PSHARE_NO_DHT=yes", "P2PSHARE_NO_LAN=yes", "P2PSHARE_NO_UPNP=yes", "P2PSHARE_LISTEN=127.0.0.1", "P2PSHARE_HOME="+filepath.Join(dir, "admin"))
	sh := func(script string, more ...string) string {
		t.Helper()
		ctx := within(t, time.Minute)
		cmd := exec.CommandContext(ctx, "sh", "-euc", script)
		cmd.Dir, cmd.Env = dir, append(env, more...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", script, err, out, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	link := sh("p2pshare group create acme --public")
	t.Cleanup(func() { // whatever the result
		cmd := exec.Command(us.Bin, "daemon", "--stop", "--home", filepath.Join(dir, "admin"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("ending the daemon: %v\n%s", err, out)
		}
	})
	sh("p2pshare daemon --detach")
	peer := "P2PSHARE_PEER=127.0.0.1:" + sh(`p2pshare status --json | sed 's/.*"port":\([0-9]*\).*/\1/'`)
	sh("p2pshare group user add acme ci --role publisher --key-file ci.key && p2pshare group rule add acme 'allow ci publish app/**' && p2pshare group rule add acme 'deny ci publish **'")
	sh(`p2pshare group join "$LINK" --home ./once --user ci --key-file ci.key --device-key ci.device --label ci && rm -r ./once`, "LINK="+link, peer)
	key, err := os.ReadFile(filepath.Join(dir, "ci.device"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1.4.2", "1.5.0"} {
		sh("mkdir v" + version + " && echo program " + version + " > v" + version + "/app.tar")
		sh(job, peer, "P2PSHARE_HOME=/nonexistent", "GROUP_LINK="+link, "DEVICE_KEY="+string(key), "NAME=app", "VERSION="+version, "FOLDER=v"+version, "WEBSEEDS=https://example.org/download/", "COPIES=0")
		if modes := sh("stat -c %a magnet.txt release.torrent SHA256SUMS | sort -u"); strings.Contains(modes, "\n") {
			t.Errorf("the published files have the modes %q, want only one", modes)
		}
		shown := sh("p2pshare catalog show acme/app --json")
		for _, want := range []string{`"ref":"acme/app@` + version + `"`, `"account":"ci"`, `"webseeds":["https://example.org/download/"]`} {
			if !strings.Contains(shown, want) {
				t.Errorf("the entry: got %s, want %s in it", shown, want)
			}
		}
		if got := sh("cd v" + version + " && sha256sum --quiet -c ../SHA256SUMS && test -s ../release.torrent && cat ../magnet.txt"); !strings.HasPrefix(got, "magnet:?") {
			t.Errorf("magnet.txt: got %q", got)
		}
	}
	if got := sh("p2pshare group device list acme --json"); strings.Contains(got, "frozen") || strings.Count(got, `"account":"ci"`) != 1 {
		t.Errorf("the devices: got %s, want one of ci, in order", got)
	}
}

// TestFailuresAreShown checks that the end of a CI log shows briefly what each failed test printed, and why a run failed if no
// test did.
func TestFailuresAreShown(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	for i := range 200 {
		fmt.Fprintf(&long, "    long_test.go:9: line %d\n", i)
	}
	summary := "\n=== Failed\n" +
		"=== FAIL: internal/group TestLostAdmin (2.25s)\n    keytree_test.go:246: he has the link\n\n" +
		"=== FAIL: a TestLong (0.00s)\n" + long.String() + "\n" +
		"=== FAIL: c  (0.00s)\nFAIL\texample.org/c [build failed]\n\n" +
		"=== Errors\nc/c_test.go:3:30: undefined: undefined\n\n\n" +
		"DONE 5 tests, 4 failures, 1 error in 0.028s\n"
	for _, c := range []struct {
		name, log string
		want, not []string
	}{
		{
			"tests", "go: downloading a module\nok  \texample.org/b\t0.1s\nFAIL\texample.org/a\t0.022s\n" + summary + "make: *** [Makefile:73: unit] Error 1\n",
			[]string{
				"=== FAIL: internal/group TestLostAdmin (2.25s)\n    keytree_test.go:246: he has the link\n", "=== FAIL: a TestLong", "line 0\n", "line 199\n",
				"[141 lines left out]", "[build failed]", "c/c_test.go:3:30: undefined: undefined",
			},
			[]string{"downloading", "line 100\n", "DONE", "make:"},
		},
		{
			"a second run of tests", "ok  \texample.org/b\t0.1s\n\nDONE 100 tests in 3s\nbuilding\n" + summary,
			[]string{"he has the link"}, []string{"building", "DONE"},
		},
		{
			"no test", strings.Repeat("a line of before\n", 1000) + "check: gofmt: main.go\nmake: *** [Makefile:60: check] Error 1\n",
			[]string{"check: gofmt: main.go\nmake: ***"}, []string{strings.Repeat("a line of before\n", 60)},
		},
	} {
		log := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(log, []byte(c.log), 0o644); err != nil {
			t.Fatal(err)
		}
		raw, err := exec.Command("./failures.sh", log).CombinedOutput()
		got := string(raw)
		if err != nil {
			t.Errorf("%s: %v: %s", c.name, err, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %q in it", c.name, got, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: got %s, want no %q in it", c.name, got, not)
			}
		}
	}
}
