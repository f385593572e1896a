//go:build linux

package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCIRecipe runs the job of docs/ci.md as it stands there, twice, each time on an empty disk.
func TestCIRecipe(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sh\n")
	job, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/ci.md holds no job")
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
	t.Cleanup(func() { // by the end of the test, whatever came of it
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
