package cli_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var (
	acmeID   = strings.Repeat("0a", 20)
	acmeLink = func() string {
		id, _ := signed.ParseGroupID(acmeID)
		return signed.Link{Group: id, Kind: signed.Public}.String()
	}()
	aKey = strings.Repeat("5d", 32)
)

// acmeGroup is a group as a hostile member would like it to be shown.
func acmeGroup() node.Group {
	return node.Group{
		Name: "acme", Title: "ac\x1b[31mme", ID: acmeID, Kind: "public", Version: 2, Owners: 3, Need: 2, Owner: aKey, Account: "bob", Role: "publisher", Device: aKey,
		Accounts: 2, Devices: 1, Entries: 1, Age: "fresh", Members: 4, Follow: &node.Follow{Keep: 2, Space: 5_000_000, Match: []string{"app*"}, Dir: "/srv/acme"}, Warnings: []string{"a fork of \u202ebob"},
	}
}

func acmeAnswer() *node.GroupAnswer {
	return &node.GroupAnswer{
		Groups: []node.Group{acmeGroup()}, Link: acmeLink,
		Accounts: []node.GroupAccount{{Name: "admin", Role: "admin", Devices: 2, Seen: time.Unix(1_700_000_000, 0).UTC(), Locked: true}, {Name: "bob", Role: "publisher", Teams: []string{"crew", "x"}, Until: time.Unix(1_800_000_000, 0).UTC()}, {Name: "eve", Role: "member", Gone: true}},
		Devices:  []node.GroupDevice{{Key: aKey, Account: "bob", Label: "lap\x07top", Since: time.Unix(1_700_000_000, 0).UTC(), Records: 7, Problem: "frozen"}},
		Rules:    []node.GroupRule{{ID: "r1", Rule: "deny bob publish films/**", Matches: []string{"bob"}}},
		Log: []node.GroupLogRecord{{Time: time.Unix(1_700_000_000, 0).UTC(), Kind: "root", What: "root 1"},
			{Time: time.Unix(1_700_000_001, 0).UTC(), Account: "bob", Device: aKey, Kind: "share", Entry: "app\n@1", What: "published app\n@1", Void: "he may not"}},
	}
}

// TestGroupRequests: every flag arrives, and what is printed.
func TestGroupRequests(t *testing.T) {
	home := func(s *shell, name string) string { return filepath.Join(s.dir, name) }
	for _, c := range []struct {
		args           []string
		want           func(s *shell) node.GroupRequest
		stdout, stderr string
	}{
		{[]string{"group", "create", "acme", "--public", "--user", "ann", "--open", "--stale", "48"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "ann", Open: true, Stale: 48}}
		}, acmeLink + "\n", "p2pshare publish PATH --group acme"},
		{[]string{"group", "create", "acme", "--public"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "admin", Stale: 720}}
		}, acmeLink + "\n", "administer it as bob"},
		{[]string{"group", "join", acmeLink}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: acmeLink, Join: &node.JoinGroup{Timeout: 2 * time.Minute}}
		}, "acme\n", `joined ac\x1b[31mme (` + acmeID + `) as bob, publisher: 1 entry`},
		{[]string{"group", "join", strings.ToUpper(acmeLink), "--as", "theirs", "--user", "bob", "--key-file", "bob.key", "--device-key", "dev.key", "--label", "ci", "--timeout", "5s", "--peer", "10.0.0.1:1"},
			func(s *shell) node.GroupRequest {
				return node.GroupRequest{Group: strings.ToUpper(acmeLink), Join: &node.JoinGroup{As: "theirs", Peers: []string{"10.0.0.1:1"}, User: "bob", Key: home(s, "bob.key"),
					DeviceKey: home(s, "dev.key"), Label: "ci", Timeout: 5 * time.Second}}
			}, "acme\n", `warning: acme: a fork of \u202ebob`},
		{[]string{"group", "list"}, func(*shell) node.GroupRequest { return node.GroupRequest{List: &struct{}{}} },
			"acme  public  1  fresh  4  bob (publisher)  " + acmeID + "\n", `warning: acme: a fork of \u202ebob`},
		{[]string{"group", "list", "-q"}, func(*shell) node.GroupRequest { return node.GroupRequest{List: &struct{}{}} }, "acme\n", ""},
		{[]string{"group", "link", "acme"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Link: &node.LinkGroup{}}
		}, acmeLink + "\n", ""},
		{[]string{"group", "link", "acme", "--hint", "host:1", "--hint", "[::1]:2"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Link: &node.LinkGroup{Hints: []string{"host:1", "[::1]:2"}}}
		}, acmeLink + "\n", ""},
		{[]string{"group", "link", "acme", "--qr"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Link: &node.LinkGroup{}}
		}, acmeLink + "\n", "█▀"},
		{[]string{"group", "log", "acme"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Log: &struct{}{}} },
			"2023-11-14 22:13:20Z  owners: root 1\n2023-11-14 22:13:21Z  bob (5d5d5d5d5d5d): published app\\n@1 [does not count: he may not]\n", ""},
		{[]string{"group", "follow", "acme", "--keep", "3", "--space", "200GB", "--match", "app*", "--match", "x,y", "-o", "m"}, func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Follow: &node.Follow{Keep: 3, Space: 200_000_000_000, Match: []string{"app*", "x,y"}, Dir: home(s, "m")}}
		}, "acme: mirrors the newest 2 versions of each name that matches app*, in at most 5.0 MB, in /srv/acme\n", "no daemon runs"},
		{[]string{"group", "follow", "acme", "--stop"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Follow: &node.Follow{Stop: true}}
		}, "acme: no longer mirrored\n", "what was fetched stays"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "bob.key", "--offline"}, func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Offline: true, AddUser: &node.AddUser{Name: "bob", Role: "publisher", Key: home(s, "bob.key")}}
		}, "bob.key\n", "p2pshare group join " + acmeLink + " --user bob"},
		{[]string{"group", "user", "add", "acme", "eve", "--role", "member", "--team", "@crew", "--team", "x", "--until", "2027-01-01", "--key-file", "/k"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", AddUser: &node.AddUser{Name: "eve", Role: "member", Teams: []string{"crew", "x"}, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Key: "/k"}}
		}, "/k\n", "added eve (member) to acme"},
		{[]string{"group", "user", "list", "acme"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Show: &struct{}{}} },
			"admin  admin      -       for ever              2  2023-11-14 22:13:20Z\nbob    publisher  crew,x  2027-01-15 08:00:00Z  0  -\neve    member     -       removed               0  -\n", ""},
		{[]string{"group", "user", "list", "acme", "-q"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Show: &struct{}{}} }, "admin\nbob\n", ""},
		{[]string{"group", "user", "remove", "acme", "bob"}, func(*shell) node.GroupRequest {
			bob := "bob"
			return node.GroupRequest{Group: "acme", RemoveUser: &bob}
		}, "removed bob\n", ""},
		{[]string{"group", "device", "list", "acme"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Show: &struct{}{}} },
			`5d5d5d5d5d5d  bob  lap\atop  2023-11-14 22:13:20Z  -  7  frozen` + "\n", ""},
		{[]string{"group", "device", "list", "acme", "-q"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Show: &struct{}{}} }, aKey + "\n", ""},
		{[]string{"group", "device", "remove", "acme", "3F9A"}, func(*shell) node.GroupRequest { k := "3f9a"; return node.GroupRequest{Group: "acme", RemoveDevice: &k} }, "removed 3f9a\n", ""},
		{[]string{"group", "rule", "add", "acme", "deny bob publish films/**", "--before", "r1"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: "deny bob publish films/**", Before: "r1"}}
		}, "r1  deny bob publish films/**  bob\n", ""},
		{[]string{"group", "rule", "list", "acme"}, func(*shell) node.GroupRequest { return node.GroupRequest{Group: "acme", Show: &struct{}{}} }, "r1  deny bob publish films/**  bob\n", ""},
		{[]string{"group", "rule", "remove", "acme", "r1"}, func(*shell) node.GroupRequest { id := "r1"; return node.GroupRequest{Group: "acme", RemoveRule: &id} }, "r1  deny", ""},
		{[]string{"group", "owner", "key", "acme"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Own: true}}
		}, aKey + "\n", ""},
		{[]string{"group", "owner", "add", "acme", strings.ToUpper(aKey), "--draft", "d"}, func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Add: []string{aKey}, Draft: home(s, "d")}}
		}, "acme: 3 owners; 2 have to sign; root 2\n", ""},
		{[]string{"group", "owner", "remove", "acme", aKey}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Remove: []string{aKey}}}
		}, "acme: 3 owners", ""},
		{[]string{"group", "owner", "rotate", "acme"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Rotate: true}}
		}, "acme: 3 owners", ""},
		{[]string{"group", "owner", "threshold", "acme", "2"}, func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Need: 2}}
		}, "acme: 3 owners", ""},
		{[]string{"group", "owner", "sign", "acme", "there"}, func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "acme", Owners: &node.ChangeOwners{Draft: home(s, "there")}}
		}, "acme: 3 owners", ""},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			s.fake.groupAnswer = acmeAnswer()
			if err := os.WriteFile(home(s, "there"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s.want(0, c.stdout, c.stderr, c.args...)
			if got, want := s.fake.group, c.want(s); !reflect.DeepEqual(got, want) {
				t.Errorf("request: got %+v, want %+v", got, want)
			}
			if strings.ContainsAny(s.stdout.String()+s.stderr.String(), "\x1b\x07\u202e") {
				t.Errorf("got %q and %q, want no control characters", s.stdout.String(), s.stderr.String())
			}
		})
	}
}

func TestGroupShow(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer = acmeAnswer()
	s.want(0, "acme: public group", "", "group", "show", "acme")
	golden(t, "group", s.stdout.String())
	s = newShell(t)
	s.fake.groupAnswer = &node.GroupAnswer{Groups: []node.Group{{Name: "acme", Kind: "public"}}}
	s.want(0, "  you           a reader\n", "", "group", "show", "acme")
	s = newShell(t)
	s.want(1, "", "there was no answer", "group", "show", "acme")
	for _, args := range [][]string{{"group", "list"}, {"group", "rule", "list", "acme"}} {
		s = newShell(t)
		s.fake.groupAnswer = &node.GroupAnswer{}
		s.want(0, "", map[string]string{"list": "no group was joined", "rule": "there are no rules"}[args[1]], args...)
	}
}

func TestGroupTables(t *testing.T) { // on a terminal they have a head
	for args, want := range map[string]string{
		"group list": "NAME", "group user list acme": "NAME   ROLE", "group device list acme": "KEY", "group rule list acme": "ID  RULE", "catalog list acme": "NAME  VERSION",
	} {
		s := newShell(t)
		s.width, s.height = 100, 30
		s.fake.groupAnswer, s.fake.catalogAnswer = acmeAnswer(), acmeCatalog()
		s.want(0, want, "", strings.Fields(args)...)
		if got := s.stdout.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want the head first", args, got)
		}
	}
}

func TestRuleTest(t *testing.T) {
	want := node.GroupRequest{Group: "acme", TestRule: &node.TestRule{User: "bob", Right: "publish", Path: "films/x"}}
	for _, c := range []struct {
		d      node.GroupDecision
		code   int
		stdout string
	}{
		{node.GroupDecision{Allowed: true, Why: "publishers may publish"}, 0, "allowed: publishers may publish\n"},
		{node.GroupDecision{Rule: "r1", Why: "deny bob publish films/**"}, 12, "denied: deny bob publish films/** (rule r1)\n"},
	} {
		s := newShell(t)
		s.fake.groupAnswer = &node.GroupAnswer{Decision: &c.d}
		s.want(c.code, c.stdout, "", "group", "rule", "test", "acme", "bob", "publish", "films/x")
		if !reflect.DeepEqual(s.fake.group, want) {
			t.Errorf("request: got %+v, want %+v", s.fake.group, want)
		}
	}
}

func TestDraftForOtherOwners(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer = acmeAnswer()
	s.fake.groupAnswer.Wrote, s.fake.groupAnswer.Missing = "/d/root.draft", 2
	s.want(0, "/d/root.draft\n", "2 more owners have to sign it, each with p2pshare group owner sign acme FILE", "group", "owner", "rotate", "acme", "--draft", "d")
	if err := os.WriteFile(filepath.Join(s.dir, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(4, "", "is there already", "group", "owner", "rotate", "acme", "--draft", "old") // it would be signed instead
	s = newShell(t)
	s.want(10, "", "there is no draft", "group", "owner", "sign", "acme", "none") // it would be made, and change nothing
	if s.fake.opened != 0 {
		t.Error("a node was opened for nothing")
	}
}

// A mirror says how far it is, what it leaves out, and what a new folder means.
func TestMirrorIsShown(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer = acmeAnswer()
	g := &s.fake.groupAnswer.Groups[0]
	g.Follow = &node.Follow{Keep: 2, Dir: "/srv/acme"}
	g.Mirror = &node.Mirror{Wanted: 12, Here: 10, Bytes: 3_000_000, Free: 5_000_000_000, Left: 7}
	for range 6 {
		g.Mirror.LeftOut = append(g.Mirror.LeftOut, node.LeftOut{Ref: "doc@4\x1b", Size: 100_000_000, Why: "--space is 50 MB"})
	}
	left := strings.Repeat(`    not mirrored: doc@4\x1b (100 MB): --space is 50 MB`+"\n", 5)
	s.want(0, "    10 of 12 are here, 3.0 MB, 5.0 GB free\n"+left+"    and 2 more are not, which --json lists\n", "", "group", "show", "acme")
	s = newShell(t)
	s.fake.groupAnswer = acmeAnswer()
	s.fake.groupAnswer.Notes = []string{"what is mirrored already moves there"}
	s.want(0, "acme: mirrors", "what is mirrored already moves there", "group", "follow", "acme", "-o", "/srv/acme")
}

func TestLeaveAsks(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		err          error
		args         []string
		code, left   int
	}{
		{"yes", "yes", nil, nil, 0, 1},
		{"y", "Y ", nil, nil, 0, 1},
		{"no", "", nil, nil, 1, 0},
		{"broken off", "", errors.New("gone"), nil, 1, 0},
		{"--yes", "no", errors.New("asked all the same"), []string{"--yes"}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.groupAnswer = acmeAnswer()
			asked := ""
			s.ask = func(q string) (string, error) { asked = q; return c.answer, c.err }
			s.want(c.code, map[bool]string{true: "left acme\n"}[c.code == 0], "", append([]string{"group", "leave", "acme"}, c.args...)...)
			left := 0
			for _, r := range s.fake.groupsAsked {
				if r.Leave != nil {
					if left++; r.Group != acmeID {
						t.Errorf("left %q, want what was asked about, by its ID", r.Group)
					}
				}
			}
			if left != c.left {
				t.Errorf("left %d times, want %d", left, c.left)
			}
			if len(c.args) > 0 {
				return
			}
			for _, want := range []string{"OWNER KEY", "signs for bob", "mirror ends", "stays: files"} {
				if !strings.Contains(asked, want) {
					t.Errorf("the question is %q, want %q in it", asked, want)
				}
			}
		})
	}
	s := newShell(t)
	s.want(4, "", "add --yes", "group", "leave", "acme")
	s = newShell(t) // one that is damaged is in the list alone
	s.fake.groupAnswer = &node.GroupAnswer{Groups: []node.Group{{Name: acmeID, ID: acmeID, Warnings: []string{"it cannot be read"}}}}
	s.want(0, "left "+acmeID, "", "group", "leave", acmeID, "--yes")
	s = newShell(t)
	s.fake.groupAnswer = &node.GroupAnswer{}
	s.want(0, "left ", "", "group", "leave", "unknown", "--yes")
	if got := s.fake.group.Group; got != "unknown" {
		t.Errorf("what is in no list: asked to leave %q, want the node to judge it", got)
	}
}

func TestJoinByAFile(t *testing.T) {
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "acme.p2pshare"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.fake.groupAnswer = acmeAnswer()
	s.want(0, "acme\n", "", "group", "join", "acme.p2pshare")
	if got, want := s.fake.group.Group, filepath.Join(s.dir, "acme.p2pshare"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s = newShell(t)
	s.fake.groupAnswer = &node.GroupAnswer{}
	s.want(10, "", "neither a link nor a file, nor a group", "group", "join", "none")
}

func TestGroupsAndTheDaemon(t *testing.T) {
	for args, want := range map[string]string{
		"group user remove acme bob --no-dht":         "--no-dht is for it to be started with",
		"group rule remove acme r1 --peer 10.0.0.1:1": "--peer is for it",
		"drop acme/app --yes --port 5":                "--port is for it",
		"group join " + acmeLink + " --no-lan":        "--no-lan is for it",
	} {
		s := newShell(t)
		s.fake.daemon = true
		s.want(4, "", want, strings.Fields(args)...)
		if len(s.fake.groupsAsked)+len(s.fake.catalogsAsked) > 0 {
			t.Errorf("%s: it was asked all the same", args)
		}
		s = newShell(t)
		s.fake.groupAnswer, s.fake.catalogAnswer = acmeAnswer(), acmeCatalog()
		if code := s.run(strings.Fields(args)...); code != 0 {
			t.Errorf("%s without a daemon: got code %d, want 0: %s", args, code, s.stderr.String())
		}
	}
	s := newShell(t)
	s.env["P2PSHARE_NO_DHT"], s.env["P2PSHARE_PORT"] = "yes", "7"
	s.fake.daemon, s.fake.groupAnswer = true, acmeAnswer()
	s.want(0, "removed bob\n", "", "group", "user", "remove", "acme", "bob") // from a variable it is passed over
	if n := s.fake.settings.Network; !n.NoDHT || n.Port != 7 {
		t.Errorf("network: got %+v, want what the variables say", n)
	}
	s = newShell(t)
	s.fake.daemon, s.fake.groupAnswer = true, acmeAnswer()
	s.want(0, "acme\n", "", "group", "join", acmeLink, "--peer", "10.0.0.1:1")
	if got := s.fake.group.Join.Peers; len(got) != 1 {
		t.Errorf("peers: got %q, want what was given", got)
	}
	s = newShell(t)
	s.fake.daemon, s.fake.groupAnswer = true, acmeAnswer()
	if s.want(0, "acme: mirrors", "", "group", "follow", "acme", "-o", "d"); strings.Contains(s.stderr.String(), "no daemon") {
		t.Errorf("stderr: got %q, want no word of a missing daemon", s.stderr.String())
	}
}

func TestGroupErrorsAndInterrupts(t *testing.T) {
	for _, args := range []string{"group show acme", "group user remove acme bob", "catalog list acme", "drop acme/app --yes", "group leave acme --yes", "group follow acme -o d"} {
		s := newShell(t)
		s.fake.storeErr = fault.Hint(fault.New(fault.Denied, "you may not \x1b"), "ask an admin")
		s.want(12, "", "you may not \\x1b\n  ask an admin", strings.Fields(args)...)
		s = newShell(t)
		s.fake.do = func(ctx context.Context, on func(node.Event)) error {
			on(node.Event{Message: "looking for a member", Level: "info"})
			s.sig <- os.Interrupt
			<-ctx.Done()
			return ctx.Err()
		}
		s.want(130, "", "looking for a member", strings.Fields(args)...)
	}
}

func TestLevelHelp(t *testing.T) {
	for _, args := range []string{"group", "group --help", "help group", "-h group"} {
		s := newShell(t)
		s.want(0, "  user add          add an account, or many\n", "", strings.Fields(args)...)
		if got := s.stdout.String(); !strings.Contains(got, "p2pshare help group COMMAND") {
			t.Errorf("%s: got %q, want how to go on", args, got)
		}
	}
	s := newShell(t)
	s.want(0, "  remove            take a rule away\n", "", "group", "rule")
	s = newShell(t)
	s.want(0, `"type":"help"`, "", "group", "--json")
}

func TestCompleteGroups(t *testing.T) {
	entries := &node.CatalogAnswer{Entries: []node.Entry{{Name: "app", Version: "1.4.2"}, {Name: "b\x1b", Version: "1"}, {Name: "films/alien"}}}
	for _, c := range []struct{ kind, typed, want string }{
		{"groups", "", "acme\n"},
		{"entries", "", "acme/\n"},
		{"entries", "acme/a", "acme/app\nacme/films/alien\n"},
		{"entries", "acme/app@", "acme/app@1.4.2\nacme/films/alien\n"},
	} {
		s := newShell(t)
		s.fake.groupAnswer, s.fake.catalogAnswer = &node.GroupAnswer{Groups: []node.Group{{Name: "acme"}, {Name: "\x07"}}}, entries
		s.want(0, c.want, "", "__complete", c.kind, c.typed)
		if got := s.stdout.String(); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.kind, c.typed, got, c.want)
		}
		if l := s.fake.catalog.List; l != nil && l.All != strings.Contains(c.typed, "@") {
			t.Errorf("%q: got all versions %v", c.typed, l.All)
		}
		s = newShell(t)
		s.fake.storeErr = errors.New("broken")
		s.want(0, "", "", "__complete", c.kind, c.typed)
	}
}

func TestGroupJSON(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer, s.fake.catalogAnswer = acmeAnswer(), acmeCatalog()
	s.fake.groupAnswer.Decision = &node.GroupDecision{Allowed: true, Why: "w"}
	for _, args := range []string{
		"group create acme --public", "group list", "group show acme", "group link acme", "group log acme", "group follow acme --stop", "group leave acme --yes",
		"group user list acme", "group device list acme", "group rule list acme", "group rule test acme bob read x",
		"catalog list acme", "catalog show acme/app", "catalog verify acme", "catalog export acme /x", "catalog import acme /x", "drop acme/app --yes",
	} {
		if code := s.run(append(strings.Fields(args), "--json")...); code != 0 {
			t.Errorf("%s: got code %d, want 0", args, code)
		}
	}
	s.fake.groupAnswer, s.fake.catalogAnswer = &node.GroupAnswer{}, &node.CatalogAnswer{}
	for _, args := range []string{"group list", "group user list acme", "group rule list acme", "group log acme", "catalog list acme"} { // [] rather than null
		s.run(append(strings.Fields(args), "--json")...)
	}
	golden(t, "groups", s.stdout.String())
	if got := s.stderr.String(); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
	if strings.Contains(cmp.Or(s.stdout.String()), ":null") {
		t.Error("an object holds null, want [] or nothing")
	}
}
