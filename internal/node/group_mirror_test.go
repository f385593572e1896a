package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// announceAs publishes an entry whose content nobody serves.
func announceAs(t *testing.T, n *node.Node, path, as string) {
	t.Helper()
	_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
		return n.Publish(ctx, node.PublishRequest{Path: path, NoSeed: true, In: &node.InGroup{Group: "acme", As: as}}, on)
	}, func(e node.Event) bool { return e.Published != nil })
	must(t, err)
}

// What a mirror has is dropped only for what it has.
func TestMirrorKeepsWhatIsWhole(t *testing.T) {
	owner, reader, _ := acme(t)
	dir := t.TempDir()
	askGroup(t, reader, node.GroupRequest{Group: "acme", Follow: &node.Follow{Keep: 2, Dir: dir}})
	for _, v := range []string{"1.0", "1.1"} {
		_, err := publishAs(t, owner, folder(t, "app-"+v, map[string]string{"f": v}), "acme", "app@"+v)
		must(t, err)
		shareIn2(t, reader, "app-"+v, in(node.StateSeeding))
	}
	stay := func(when string) {
		t.Helper()
		for _, v := range []string{"1.0", "1.1"} {
			if _, err := os.Stat(filepath.Join(dir, "app@"+v, "app-"+v, "f")); err != nil {
				t.Errorf("%s: version %s is gone: %v", when, v, err)
			}
		}
	}
	// Each is acted on after the one before it.
	for _, v := range []string{"1.2", "1.3", "1.4"} {
		announceAs(t, owner, folder(t, "app-"+v, map[string]string{"f": v}), "app@"+v)
		if v != "1.2" { // which is not among the two newest any more, when the others come at once
			shareIn2(t, reader, "app-"+v, func(node.Share) bool { return true })
		}
		stay("newer versions that nobody has, up to " + v)
	}
	// Pre-releases and words do not count among releases, and are kept beside them.
	for _, v := range []string{"2.0.0-rc.1", "nightly"} {
		_, err := publishAs(t, owner, folder(t, "pre-"+v, map[string]string{"f": v}), "acme", "app@"+v)
		must(t, err)
		shareIn2(t, reader, "pre-"+v, in(node.StateSeeding))
		stay("beside " + v)
	}
	// One that is whole takes the place of one.
	_, err := publishAs(t, owner, folder(t, "app-1.5", map[string]string{"f": "1.5"}), "acme", "app@1.5")
	must(t, err)
	shareIn2(t, reader, "app-1.5", in(node.StateSeeding))
	waitGone(t, filepath.Join(dir, "app@1.0"))
	if _, err := os.Stat(filepath.Join(dir, "app@1.1", "app-1.1", "f")); err != nil {
		t.Errorf("with one newer that is whole: %v", err)
	}
}

// Other content under a version that stands has to be asked for.
func TestAVersionIsNotReplacedByMistake(t *testing.T) {
	for _, kind := range []string{"public", "private"} {
		t.Run(kind, func(t *testing.T) {
			group := "acme"
			var owner *node.Node
			if kind == "public" {
				owner, _ = daemon(t, t.TempDir(), nil)
				askGroup(t, owner, node.GroupRequest{Group: group, Create: &node.CreateGroup{Kind: "public", User: "alice"}})
			} else {
				owner, _ = family(t, node.CreateGroup{})
				group = "family"
			}
			publish := func(path, as string, replace bool) error {
				_, err := ask(t, func(ctx context.Context, on func(node.Event)) error {
					return owner.Publish(ctx, node.PublishRequest{Path: path, NoSeed: true, In: &node.InGroup{Group: group, As: as, Replace: replace}}, on)
				}, func(e node.Event) bool { return e.Published != nil })
				return err
			}
			first, other := folder(t, "app", map[string]string{"f": "one"}), folder(t, "app", map[string]string{"f": "two"})
			must(t, publish(first, "app@1.5.0", false))
			must(t, publish(first, "app@1.5.0", false)) // the same again
			for _, as := range []string{"app@1.5.0", "app@v1.5", "APP@1.5.0"} {
				err := publish(other, as, false)
				if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "app@1.5.0 was published by alice") || !strings.Contains(fault.HintOf(err), "--replace") {
					t.Errorf("as %s: got %v, want a refusal that names who published it, and --replace", as, err)
				}
			}
			must(t, publish(other, "app@1.5.1", false))
			must(t, publish(other, "app@1.5.0", true))
			// Without a version it is what there is at the time.
			must(t, publish(first, "app", false))
			must(t, publish(other, "app", false))
		})
	}
}

func waitGone(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s stays", path)
		}
	}
}
