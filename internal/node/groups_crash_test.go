package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
)

// crashHome is the home in which a process makes changes until it is killed.
const crashHome = "P2PSHARE_TEST_CRASH_HOME"

// TestChangesUntilKilled is that process: it says each change before it begins and after it was answered.
func TestChangesUntilKilled(t *testing.T) {
	home := os.Getenv(crashHome)
	if home == "" {
		return // no test by itself: TestKilledDuringChanges runs it
	}
	n, _ := daemon(t, home, nil)
	dir := t.TempDir()
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		do := func(what string, r node.GroupRequest) *node.GroupAnswer {
			r.Offline = true
			a, err := n.Group(t.Context(), r, func(node.Event) {})
			if err != nil {
				fmt.Printf("failed %s %v\n", what, err)
				os.Exit(3)
			}
			fmt.Printf("done %s\n", what)
			return a
		}
		on := func(r node.GroupRequest) node.GroupRequest { r.Group = "acme"; return r }
		user := "u" + id
		do("user "+user, on(node.GroupRequest{AddUser: &node.AddUser{Name: user, Role: "publisher", Key: filepath.Join(dir, user)}}))
		rules := do("rule", on(node.GroupRequest{AddRule: &node.AddRule{Rule: "deny " + user + " publish secret/**"}})).Rules
		do("gone-rule "+rules[0].ID, on(node.GroupRequest{RemoveRule: &rules[0].ID}))
		path := filepath.Join(dir, "app"+id)
		if err := os.WriteFile(path, []byte(id), 0o600); err != nil {
			os.Exit(3)
		}
		if _, err := publishAs(t, n, path, "acme", "app@1."+fmt.Sprint(i)+"-"+fmt.Sprint(os.Getpid())); err != nil {
			fmt.Printf("failed publish %v\n", err)
			os.Exit(3)
		}
		fmt.Printf("done entry app@1.%d-%d\n", i, os.Getpid())
		root := do("root", on(node.GroupRequest{Owners: &node.ChangeOwners{Rotate: true}})).Groups[0].Version
		fmt.Printf("done version %d\n", root)
		do("gone-user "+user, on(node.GroupRequest{RemoveUser: &user}))
		extra := "g" + id
		do("group "+extra, node.GroupRequest{Group: extra, Create: &node.CreateGroup{Kind: "public"}})
		export := filepath.Join(dir, extra)
		if _, err := n.Catalog(t.Context(), node.CatalogRequest{Group: extra, Export: &export}, func(node.Event) {}); err != nil {
			fmt.Printf("failed export %v\n", err)
			os.Exit(3)
		}
		do("gone-group "+extra, node.GroupRequest{Group: extra, Leave: &struct{}{}})
		do("group j"+id, node.GroupRequest{Group: export, Join: &node.JoinGroup{As: "j" + id}})
		if _, err := n.Catalog(t.Context(), node.CatalogRequest{Group: "j" + id, Import: &export}, func(node.Event) {}); err != nil {
			fmt.Printf("failed import %v\n", err)
			os.Exit(3)
		}
		do("gone-group j"+id, node.GroupRequest{Group: "j" + id, Leave: &struct{}{}})
	}
}

// TestKilledDuringChanges kills the process at any moment, many times: what was answered is there, nothing is half there, the
// owner's key is an owner's, and a member who saw every state has seen one history.
func TestKilledDuringChanges(t *testing.T) {
	home := t.TempDir()
	n, end := daemon(t, home, nil)
	made := askGroup(t, n, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}})
	witness := joinByHand(t, made.Link, n)
	end()
	answered := map[string]bool{}
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		killed(t, home, answered)
		n, end := daemon(t, home, nil)
		list := askGroup(t, n, node.GroupRequest{List: &struct{}{}}).Groups
		if len(list) > 2 { // acme, and one that was there for a moment
			t.Errorf("groups: %+v", list)
		}
		a := askGroup(t, n, node.GroupRequest{Group: "acme", Show: &struct{}{}})
		if len(a.Groups[0].Warnings) != 0 {
			t.Errorf("warnings: %q", a.Groups[0].Warnings)
		}
		all := entries(askCatalog(t, n, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}}))
		accounts := map[string]bool{}
		for _, x := range a.Accounts {
			accounts[x.Name] = !x.Gone
		}
		for what := range answered {
			kind, name, _ := strings.Cut(what, " ")
			switch kind {
			case "user":
				if _, there := accounts[name]; !there {
					t.Errorf("the account %q was answered, and is not there", name)
				}
			case "gone-user":
				if accounts[name] {
					t.Errorf("the account %q was removed, and is there", name)
				}
			case "entry":
				if !strings.Contains(all, "acme/"+name+" ") {
					t.Errorf("the entry %q was answered, and is not there", name)
				}
			case "version":
				if v := a.Groups[0].Version; fmt.Sprint(v) < name && len(fmt.Sprint(v)) <= len(name) {
					t.Errorf("version %d of the root, and %s was answered", v, name)
				}
			}
		}
		left, err := os.ReadDir(filepath.Join(home, "groups"))
		must(t, err)
		for _, e := range left {
			if strings.HasPrefix(e.Name(), ".") {
				t.Errorf("%s is left", e.Name())
			}
		}
		witness.pull(n)
		if f := witness.Forks(); len(f) != 0 {
			t.Fatalf("the crash made a fork: %v", f)
		}
		// The key that is held signs.
		before := a.Groups[0].Version
		if got := askGroup(t, n, node.GroupRequest{Group: "acme", Offline: true, Owners: &node.ChangeOwners{Rotate: true}}).Groups[0].Version; got != before+1 {
			t.Errorf("a rotation after the crash: version %d, want %d", got, before+1)
		}
		for _, g := range list {
			if g.Name != "acme" {
				askGroup(t, n, node.GroupRequest{Group: g.ID, Leave: &struct{}{}})
			}
		}
		end()
	}
	if len(answered) < rounds {
		t.Errorf("only %d changes were answered: nothing was tested", len(answered))
	}
}

// killed runs the process for a while, kills it, and notes what it was answered.
func killed(t *testing.T, home string, answered map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChangesUntilKilled$")
	cmd.Env = append(os.Environ(), crashHome+"="+home, "TMPDIR="+t.TempDir()) // it does not get to tidy up
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	// From a change on, which is some of the first, at any moment of those that follow.
	from := rand.IntN(12)
	lines := bufio.NewScanner(out)
	kill := time.AfterFunc(time.Minute, func() {})
	for i := 0; lines.Scan(); i++ {
		if i == from {
			kill = time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		if what, ok := strings.CutPrefix(lines.Text(), "done "); ok {
			answered[what] = true
		} else if strings.HasPrefix(lines.Text(), "failed ") {
			t.Errorf("before it was killed: %s", lines.Text())
		}
	}
	kill.Stop()
	if err := cmd.Wait(); err == nil || ctx.Err() != nil {
		t.Fatalf("it was to be killed: %v, %v", err, errors.Join(ctx.Err(), lines.Err()))
	}
}
