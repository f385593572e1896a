package node_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// openingNow reads which shares of a home are being started, and the file itself.
func openingNow(t *testing.T, home string) ([]string, []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(home, "opening.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var doc struct {
		Now []string `json:"now"`
	}
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	must(t, err)
	return doc.Now, b
}

// whileOpening waits until the shares that are being started are as ok wants them, and gives the file.
func whileOpening(t *testing.T, home string, ok func(now []string) bool) []byte {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		now, b := openingNow(t, home)
		if b != nil && ok(now) {
			return b
		}
		if time.Now().After(end) {
			t.Fatalf("being started: %q", now)
		}
	}
}

// killedWith ends a daemon so that the next finds what it would after a kill at the moment of b.
func killedWith(t *testing.T, home string, end func(), b []byte) {
	t.Helper()
	end()
	must(t, os.WriteFile(filepath.Join(home, "opening.json"), b, 0o600))
}

func none(now []string) bool { return len(now) == 0 }

// TestAShareThatEndsTheProcessTwice: it comes up stopped, with why and what to do, and its neighbours, which were being
// started at the first death too, are seeded.
func TestAShareThatEndsTheProcessTwice(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	for _, name := range []string{"good", "poison", "well"} {
		publishIn(t, n, folder(t, name, map[string]string{"f": name}))
	}
	id := shareIn(t, n, "poison", in(node.StateSeeding)).ID
	_, err := n.Limit(t.Context(), node.LimitRequest{Refs: []string{"poison"}, Policy: &node.Policy{Ratio: 9}})
	must(t, err)
	whileOpening(t, home, none)
	end()

	_, end = daemon(t, home, nil)
	killedWith(t, home, end, whileOpening(t, home, func(now []string) bool { return len(now) == 3 }))
	_, end = daemon(t, home, nil)
	alone := whileOpening(t, home, func(now []string) bool {
		if len(now) > 1 {
			t.Fatalf("%q are started at once after a death", now)
		}
		return slices.Equal(now, []string{id})
	})
	killedWith(t, home, end, alone)

	n, end = daemon(t, home, nil)
	shareIn(t, n, "good", in(node.StateSeeding))
	shareIn(t, n, "well", in(node.StateSeeding))
	check := func(when string, s node.Share) {
		if s.State != node.StateStopped || !strings.Contains(s.Reason, "ended 2 times while it was starting this share") || !strings.Contains(s.Hint, "p2pshare start "+id) {
			t.Errorf("%s: got %s, %q, %q, want it stopped, with why", when, s.State, s.Reason, s.Hint)
		}
	}
	check("after two deaths", shareIn(t, n, "poison", func(node.Share) bool { return true }))
	whileOpening(t, home, none)
	end()
	quietly, err := node.Open(t.Context(), node.Options{Home: home, Network: quiet, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	check("without a daemon", shareIn(t, quietly, "poison", func(node.Share) bool { return true }))
	n, end = daemon(t, home, nil)
	check("after a restart", shareIn(t, n, "poison", func(node.Share) bool { return true }))

	// Who starts it means it: it keeps its policy, and has a clean record.
	if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{"poison"}, Run: true}); err != nil {
		t.Fatal(err)
	}
	if s := shareIn(t, n, "poison", in(node.StateSeeding)); s.Policy.Ratio != 9 || s.Reason != "" || s.Hint != "" {
		t.Errorf("started again: %+v", s)
	}
	killedWith(t, home, end, whileOpening(t, home, func(now []string) bool { return slices.Contains(now, id) }))
	n, _ = daemon(t, home, nil)
	shareIn(t, n, "poison", in(node.StateSeeding))
}

// TestDeathsThatNoShareIsToBlameFor: an end in order, a machine that lost power, and a kill of what has stood or is hashed.
func TestDeathsThatNoShareIsToBlameFor(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	path := folder(t, "mine", map[string]string{"f": "1"})
	publishIn(t, n, path)
	id := shareIn(t, n, "mine", in(node.StateSeeding)).ID
	mine := func(now []string) bool { return slices.Equal(now, []string{id}) }
	for range 3 { // in order
		end()
		if now, _ := openingNow(t, home); len(now) > 0 {
			t.Fatalf("after an end in order, %q are being started", now)
		}
		n, end = daemon(t, home, nil)
		shareIn(t, n, "mine", in(node.StateSeeding))
	}
	for range 3 { // power
		end()
		must(t, node.WriteOpening(home, "another boot", id))
		n, end = daemon(t, home, nil)
		shareIn(t, n, "mine", in(node.StateSeeding))
	}
	for range 3 { // a kill of what has stood, which also clears the death before it
		killedWith(t, home, end, whileOpening(t, home, none))
		_, end = daemon(t, home, nil)
		killedWith(t, home, end, whileOpening(t, home, mine))
		n, end = daemon(t, home, nil)
		shareIn(t, n, "mine", in(node.StateSeeding))
	}
	// What waits, for its files or for its turn to be hashed, has started too.
	end()
	must(t, os.Rename(path, path+".away"))
	for range 3 {
		n, end = daemon(t, home, nil)
		shareIn(t, n, "mine", in(node.StateWaiting))
		killedWith(t, home, end, whileOpening(t, home, none))
	}
	must(t, os.Rename(path+".away", path))
	n, _ = daemon(t, home, nil)
	shareIn(t, n, "mine", in(node.StateSeeding))
}
