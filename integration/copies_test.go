//go:build linux

package integration_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// TestUntilCopies checks that publish exits with 0 when two other machines have everything, and not when only one has, both in
// its own process and with a daemon, which keeps running.
func TestUntilCopies(t *testing.T) {
	for name, withDaemon := range map[string]bool{"alone": false, "daemon": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab, ctx := newLab(t, 3), within(t, 100*time.Second)
			path, p := made(t, payload.Folder), us
			p.Home = filepath.Join(t.TempDir(), "home")
			flags := append([]string{"--port", "6881"}, nothing...)
			if withDaemon {
				daemon(t, lab.Host(1), p.Home, append(flags, "--floor", "0")...)
				flags = nil
			}
			pub := client.Start(t, p.Command(t, lab.Host(1), "publish", append(flags, "--json", "--until-copies", "2", path)...))
			line, err := pub.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"type":"seeding"`) })
			if err != nil {
				t.Fatal(err)
			}
			_, ref, _ := strings.Cut(line, `"infohash":"`)
			ref, _, _ = strings.Cut(ref, `"`)
			mirror := func(host int) {
				q := us.With(nothing...)
				f := client.Start(t, q.Command(t, lab.Host(host), "fetch", append(peerFlag(lab.Host(1)), "--seed", "-o", t.TempDir(), ref)...))
				if _, err := f.Stdout.Line(ctx, func(l string) bool { return strings.HasSuffix(l, "/"+payload.Folder.Name) }); err != nil {
					t.Fatal(err)
				}
			}
			mirror(2)
			if _, err := pub.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"copies":1,`) }); err != nil {
				t.Fatalf("after one other has it: %v", err)
			}
			mirror(3)
			if err := pub.Finished(ctx); err != nil {
				t.Fatalf("after two others have it: %v", err)
			}
			if !withDaemon {
				return
			}
			out, err := p.Command(t, lab.Host(1), "status").Output()
			if err != nil || !strings.Contains(string(out), "2 other machines have all of it too") {
				t.Errorf("status: got %s, %v, want the share seeding, and who has it", out, err)
			}
		})
	}
}
