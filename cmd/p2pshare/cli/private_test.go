package cli_test

import (
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

const (
	pw     = "lemon tree under five stars"
	madePw = "made-of-five-random-words"
)

var filmsLink = func() string {
	id, _ := signed.ParseGroupID(acmeID)
	return signed.Link{Group: id, Kind: signed.Private, Secret: [16]byte{7}}.String()
}()

// filmsAnswer is that of a private group.
func filmsAnswer() *node.GroupAnswer {
	return &node.GroupAnswer{
		Groups: []node.Group{{Name: "films", Title: "films", ID: acmeID, Kind: "private", Version: 1, Owners: 1, Need: 1, Account: "ann", Role: "admin", Device: aKey, Owner: aKey, Age: "fresh", Strict: true}},
		Link:   filmsLink, Notes: []string{"what he has fetched stays with \x1b him"},
		Accounts: []node.GroupAccount{{Name: "bob", Role: "member", Teams: []string{"crew"}, Devices: 1, Seen: time.Unix(1_700_000_000, 0).UTC(), Locked: true}},
		Audit: []node.AuditLine{
			{Time: time.Unix(1_700_000_000, 0).UTC(), What: "served", Account: "bob", Device: aKey, From: "10.0.0.2", Entry: "films/alien@1", Sent: 3_000_000, Seconds: 1.5},
			{Time: time.Unix(1_700_000_001, 0).UTC(), What: "refused", From: "10.0.0.9", Why: "not a member\x07", Times: 12},
		},
	}
}

func withPassword(a *node.GroupAnswer, user string) *node.GroupAnswer {
	a.Password, a.User = madePw, user
	return a
}

// TestPrivateGroupRequests: every flag arrives, and what is printed.
func TestPrivateGroupRequests(t *testing.T) {
	str := func(s string) *string { return &s }
	year := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		args           []string
		answer         *node.GroupAnswer
		want           func(s *shell) node.GroupRequest
		stdout, stderr string
	}{
		{[]string{"group", "create", "films", "--private"}, withPassword(filmsAnswer(), ""), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private", User: "admin", Stale: 720}}
		}, filmsLink + "\n" + madePw + "\n", "which asks for the password; it is shown this once"},
		{[]string{"group", "create", "films", "--private", "--user", "ann", "--strict", "--stale", "48", "--password-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private", User: "ann", Strict: true, Stale: 48, Password: pw}}
		}, filmsLink + "\n", "which asks for the password\n"},
		{[]string{"group", "create", "films", "--private", "--no-join"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private", User: "admin", Stale: 720, NoJoin: true}}
		}, filmsLink + "\n", "p2pshare group user add films NAME"},
		{[]string{"group", "join", filmsLink, "--password-file", "pw", "--account", "bob", "--as", "kino"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: filmsLink, Join: &node.JoinGroup{Password: pw, Account: "bob", As: "kino", Timeout: 2 * time.Minute}}
		}, "films\n", "as ann, admin"},
		{[]string{"group", "join", filmsLink, "--password-file", "-", "--user", "office", "--label", "desk", "--timeout", "5s", "--peer", "10.0.0.1:1"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: filmsLink, Join: &node.JoinGroup{Password: "from stdin, this one", User: "office", Label: "desk", Timeout: 5 * time.Second, Peers: []string{"10.0.0.1:1"}}}
		}, "films\n", `stays with \x1b him`},
		{[]string{"group", "create", "films", "--private", "--open", "--password-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private", User: "admin", Open: true, Stale: 720, Password: pw}}
		}, filmsLink + "\n", "who joins may read and publish\n"},
		{[]string{"group", "create", "films", "--private", "--password-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private", User: "admin", Stale: 720, Password: pw}}
		}, filmsLink + "\n", "who joins may read; p2pshare group user role films NAME publisher lets one of them publish\n"},
		{[]string{"group", "join", "films", "--password-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Join: &node.JoinGroup{User: "ann", Password: pw, Timeout: 2 * time.Minute}}
		}, "films\n", "as ann, admin"},
		{[]string{"group", "join", "films", "--password-file", "pw", "--user", "bob"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Join: &node.JoinGroup{User: "bob", Password: pw, Timeout: 2 * time.Minute}}
		}, "films\n", ""},
		{[]string{"group", "join", "films.p2pshare", "--password-file", "pw"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: filepath.Join(s.dir, "films.p2pshare"), Join: &node.JoinGroup{Password: pw, Timeout: 2 * time.Minute}}
		}, "films\n", ""},
		{[]string{"group", "restore", ".", "--user", "nas", "--password-file", "pw", "--follow", "--as", "kino", "--label", "new"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: s.dir, Restore: &node.RestoreGroup{User: "nas", Password: pw, Follow: true, As: "kino", Label: "new"}}
		}, "films\n", "as ann, admin"},
		{[]string{"group", "passwd", "films"}, withPassword(filmsAnswer(), "ann"), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Passwd: &node.ChangePassword{}}
		}, madePw + "\n", "changed the password of ann in films; it is shown this once"},
		{[]string{"group", "passwd", "films", "--user", "bob", "--password-file", "pw", "--offline"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Offline: true, Passwd: &node.ChangePassword{User: "bob", Password: pw}}
		}, "", "changed the password of bob in films\n"},
		{[]string{"group", "passwd", "films", "--group"}, withPassword(filmsAnswer(), ""), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Passwd: &node.ChangePassword{Group: true}}
		}, madePw + "\n", "changed the password that people join films by; it is shown this once"},
		{[]string{"group", "user", "add", "films", "bob", "--role", "member", "--team", "@crew,x", "--until", "2027-01-01", "--offline"}, withPassword(filmsAnswer(), "bob"), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Offline: true, AddUser: &node.AddUser{Name: "bob", Role: "member", Teams: []string{"crew", "x"}, Until: year}}
		}, filmsLink + "\nbob\n" + madePw + "\n", "by another way than the link"},
		{[]string{"group", "user", "add", "films", "nas", "--role", "backup", "--password-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", AddUser: &node.AddUser{Name: "nas", Role: "backup", Password: pw}}
		}, filmsLink + "\nnas\n", "p2pshare group follow films -o DIR"},
		{[]string{"group", "user", "add", "films", "--csv", "people.csv", "--out", "invites", "--role", "member"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", AddUsers: &node.AddUsers{Out: filepath.Join(s.dir, "invites"), Users: []node.AddUser{
				{Name: "bob", Role: "publisher", Teams: []string{"crew", "x"}, Until: year}, {Name: "eve", Role: "member"}}}}
		}, "invites\n", "added 2 accounts to films"},
		{[]string{"group", "user", "add", "films", "--csv", "-", "--out", "invites"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", AddUsers: &node.AddUsers{Out: filepath.Join(s.dir, "invites"), Users: []node.AddUser{{Name: "ann", Role: "publisher"}}}}
		}, "invites\n", "added 1 account to films"},
		{[]string{"group", "user", "role", "films", "bob", "admin"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Role: str("admin")}}
		}, "bob  member  crew  for ever  1  2023-11-14 22:13:20Z\n", ""},
		{[]string{"group", "user", "role", "films", "bob", "admin", "--draft", "new", "--passphrase-file", "pw"}, func() *node.GroupAnswer {
			a := filmsAnswer()
			a.Wrote, a.Missing = "/d/new", 1
			return a
		}(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Role: str("admin"), Passphrase: pw, Draft: filepath.Join(s.dir, "new")}}
		}, "/d/new\n", "1 more owner has to sign it"},
		{[]string{"group", "user", "role", "films", "bob", "mirror"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Role: str("mirror")}}
		}, "bob  member", ""},
		{[]string{"group", "user", "expire", "films", "bob", "2027-01-01"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Until: &year}}
		}, "bob  member", ""},
		{[]string{"group", "user", "expire", "films", "bob", "never"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Until: &time.Time{}}}
		}, "bob  member", ""},
		{[]string{"group", "user", "teams", "films", "bob", "@crew,office"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Teams: &[]string{"crew", "office"}}}
		}, "bob  member", ""},
		{[]string{"group", "user", "teams", "films", "bob", "none", "--offline"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Offline: true, ChangeUser: &node.ChangeUser{Name: "bob", Teams: &[]string{}}}
		}, "bob  member", ""},
		{[]string{"group", "user", "devices", "films", "bob", "40"}, filmsAnswer(), func(*shell) node.GroupRequest {
			n := int64(40)
			return node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "bob", Devices: &n}}
		}, "bob  member", ""},
		{[]string{"group", "user", "remove", "films", "bob"}, withPassword(filmsAnswer(), ""), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", RemoveUser: str("bob")}
		}, "removed bob\n" + filmsLink + "\n" + madePw + "\n", "needs the new link, and the new password of the group, which is shown this once"},
		{[]string{"group", "device", "remove", "films", "5d5d"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", RemoveDevice: str("5d5d")}
		}, "removed 5d5d\n" + filmsLink + "\n", "needs the new link; members go on"},
		{[]string{"group", "device", "remove", "films", "5D5D", "--lost", "--offline"}, withPassword(filmsAnswer(), "bob"), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Offline: true, RemoveDevice: str("5d5d"), Lost: true}
		}, "removed 5d5d\n" + filmsLink + "\n" + madePw + "\n", "the new password is that of bob, and is shown this once"},
		{[]string{"group", "audit", "films"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Audit: &node.AuditQuery{Lines: 100}}
		}, "2023-11-14 22:13:20Z  served   bob (5d5d5d5d5d5d)  10.0.0.2  films/alien@1  sent 3.0 MB, in 1.5s\n" +
			"2023-11-14 22:13:21Z  refused  -                   10.0.0.9  -              not a member\\a, 12 times\n", ""},
		{[]string{"group", "audit", "films", "--user", "bob", "--since", "24h", "--lines", "7"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Audit: &node.AuditQuery{User: "bob", Since: time.Unix(1_700_000_000, 0).UTC().Add(-24 * time.Hour), Lines: 7}}
		}, "2023-11-14 22:13:20Z  served", ""},
		{[]string{"group", "audit", "films", "--since", "2023-11-01"}, filmsAnswer(), func(*shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Audit: &node.AuditQuery{Since: time.Date(2023, 11, 1, 0, 0, 0, 0, time.UTC), Lines: 100}}
		}, "2023-11-14 22:13:20Z  served", ""},
		{[]string{"group", "show", "films"}, filmsAnswer(), func(*shell) node.GroupRequest { return node.GroupRequest{Group: "films", Show: &struct{}{}} },
			"films: strict private group\n", ""},
		{[]string{"group", "owner", "lock", "films", "--passphrase-file", "pw", "--new-passphrase-file", "-"}, filmsAnswer(), func(*shell) node.GroupRequest {
			lock := node.Secret("from stdin, this one")
			return node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Passphrase: pw, Lock: &lock}}
		}, "films: the owner key has a passphrase now\n", "cannot be brought back"},
		{[]string{"group", "owner", "lock", "films", "--new-passphrase-file", "pw"}, filmsAnswer(), func(*shell) node.GroupRequest {
			lock := node.Secret(pw)
			return node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Lock: &lock}}
		}, "films: the owner key has a passphrase now\n", ""},
		{[]string{"group", "owner", "lock", "films", "--passphrase-file", "pw", "--unlock"}, filmsAnswer(), func(*shell) node.GroupRequest {
			lock := node.Secret("")
			return node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Passphrase: pw, Lock: &lock}}
		}, "films: the owner key has no passphrase now\n", ""},
		{[]string{"group", "owner", "export", "films", "out.age", "--passphrase-file", "pw"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Passphrase: pw, Export: filepath.Join(s.dir, "out.age")}}
		}, "out.age\n", "owns the group"},
		{[]string{"group", "owner", "import", "films", "films.p2pshare", "--passphrase-file", "pw"}, filmsAnswer(), func(s *shell) node.GroupRequest {
			return node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Passphrase: pw, Import: filepath.Join(s.dir, "films.p2pshare")}}
		}, aKey + "\n", ""},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			s.fake.groupAnswer, s.stdin = c.answer, strings.NewReader("from stdin, this one\nnot this\n")
			if strings.Contains(strings.Join(c.args, " "), "--csv -") {
				s.stdin = strings.NewReader("name\nann\n")
			}
			s.file("pw", pw+"\r\nmore\n")
			s.file("films.p2pshare", "")
			s.file("people.csv", "\ufeffName,until,role,teams\nbob,2027-01-01,publisher,\"@crew, x\"\neve,never,,\n")
			s.want(0, c.stdout, c.stderr, c.args...)
			if got, want := s.fake.group, c.want(s); !reflect.DeepEqual(got, want) {
				t.Errorf("request: got %+v, want %+v", got, want)
			}
			out, talk := s.stdout.String(), s.stderr.String()
			if !strings.HasSuffix(out, c.stdout) && !strings.HasPrefix(out, c.stdout) {
				t.Errorf("stdout: got %q, want %q and nothing else", out, c.stdout)
			}
			if strings.ContainsAny(out+talk, "\x1b\x07\u202e") {
				t.Errorf("got %q and %q, want no control characters", out, talk)
			}
			if strings.Contains(out+talk, pw) || strings.Contains(talk, madePw) || strings.Contains(out+talk, "from stdin") {
				t.Errorf("got %q and %q, want no password that was given, and one that was made in the answer alone", out, talk)
			}
		})
	}
}

// TestPasswordsAtTheTerminal: what is asked, and that it arrives.
func TestPasswordsAtTheTerminal(t *testing.T) {
	const p = "typed at the terminal"
	for _, c := range []struct {
		args  []string
		turns [][2]string
		got   func(r node.GroupRequest) node.Secret
		want  node.Secret
	}{
		{[]string{"group", "create", "films", "--private", "--ask"}, [][2]string{{"New password of the group (empty: one is made): ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return r.Create.Password }, p},
		{[]string{"group", "create", "films", "--private", "--ask"}, [][2]string{{"New password of the group (empty: one is made): ", ""}}, func(r node.GroupRequest) node.Secret { return r.Create.Password }, ""},
		{[]string{"group", "create", "films", "--private"}, nil, func(r node.GroupRequest) node.Secret { return r.Create.Password }, ""},
		{[]string{"group", "join", filmsLink}, [][2]string{{"Password of the group: ", p}}, func(r node.GroupRequest) node.Secret { return r.Join.Password }, p},
		{[]string{"group", "join", filmsLink, "--user", "bob", "--json"}, [][2]string{{"Password of bob: ", p}}, func(r node.GroupRequest) node.Secret { return r.Join.Password }, p},
		{[]string{"group", "join", acmeLink}, nil, func(r node.GroupRequest) node.Secret { return r.Join.Password }, ""},
		{[]string{"group", "passwd", "films", "--ask"}, [][2]string{{"New password of your account (empty: one is made): ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return r.Passwd.Password }, p},
		{[]string{"group", "passwd", "films", "--user", "bob", "--ask", "-q"}, [][2]string{{"New password of bob (empty: one is made): ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return r.Passwd.Password }, p},
		{[]string{"group", "user", "add", "films", "bob", "--ask"}, [][2]string{{"New password of bob (empty: one is made): ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return r.AddUser.Password }, p},
		{[]string{"group", "restore", ".", "--user", "nas"}, [][2]string{{"Password of nas: ", p}}, func(r node.GroupRequest) node.Secret { return r.Restore.Password }, p},
		{[]string{"group", "owner", "lock", "films"}, [][2]string{{"Passphrase of the owner key (empty: it has none): ", ""}, {"New passphrase: ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return *r.Owners.Lock }, p},
		{[]string{"group", "owner", "lock", "films", "--unlock"}, [][2]string{{"Passphrase of the owner key (empty: it has none): ", p}}, func(r node.GroupRequest) node.Secret { return r.Owners.Passphrase }, p},
		{[]string{"group", "owner", "export", "films", "out"}, [][2]string{{"Passphrase for the file (empty: one is made): ", p}, {"Once more: ", p}}, func(r node.GroupRequest) node.Secret { return r.Owners.Passphrase }, p},
		{[]string{"group", "owner", "import", "films", "there"}, [][2]string{{"Passphrase of the file: ", p}}, func(r node.GroupRequest) node.Secret { return r.Owners.Passphrase }, p},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			s.fake.groupAnswer = filmsAnswer()
			s.file("there", "")
			s.types(c.turns...)
			if code := s.run(c.args...); code != 0 {
				t.Fatalf("got code %d: %s", code, s.stderr.String())
			}
			if got := c.got(s.fake.group); got != c.want {
				t.Errorf("password: got %q, want %q", string(got), string(c.want))
			}
			if strings.Contains(s.stdout.String()+s.stderr.String(), p) {
				t.Errorf("the password was shown: %q, %q", s.stdout.String(), s.stderr.String())
			}
		})
	}
}

// TestMadePasswordInJSON: it is in the object of the answer, and nowhere else.
func TestMadePasswordInJSON(t *testing.T) {
	for _, args := range []string{"group create films --private", "group passwd films", "group user add films bob", "group user remove films bob"} {
		s := newShell(t)
		s.fake.groupAnswer = withPassword(filmsAnswer(), "bob")
		s.want(0, `"user":"bob","password":"`+madePw+`","notes":["what he has fetched stays with \u001b him"]}`, "", append(strings.Fields(args), "--json")...)
		if strings.Count(s.stdout.String(), madePw) != 1 || s.stderr.String() != "" {
			t.Errorf("%s: got %q and %q, want the password once", args, s.stdout.String(), s.stderr.String())
		}
	}
	s := newShell(t)
	s.fake.groupAnswer = filmsAnswer()
	s.want(0, `{"version":1,"type":"audit","group":"films","audit":[{"time":"2023-11-14T22:13:20Z","what":"served","account":"bob"`, "", "group", "audit", "films", "--json")
	s = newShell(t)
	s.fake.groupAnswer = &node.GroupAnswer{}
	s.want(0, `"audit":[]}`, "", "group", "audit", "films", "--json")
	s = newShell(t)
	s.fake.groupAnswer = &node.GroupAnswer{}
	s.want(0, "", "served and refused nobody", "group", "audit", "films")
}

// TestLostIsAsked: on a terminal, whether somebody else may have a machine that is removed from a private group.
func TestLostIsAsked(t *testing.T) {
	for _, c := range []struct {
		kind, answer string
		flags        []string
		asked, lost  bool
	}{
		{"private", "y", nil, true, true}, {"private", " YES ", nil, true, true}, {"private", "", nil, true, false}, {"private", "n", nil, true, false},
		{"private", "", []string{"--lost"}, false, true}, {"public", "", nil, false, false},
	} {
		s := newShell(t)
		asked := false
		s.ask = func(q string) (string, error) {
			asked = true
			if !strings.Contains(q, "somebody else") || !strings.HasSuffix(q, "[y/N] ") {
				t.Errorf("asks %q", q)
			}
			return c.answer, nil
		}
		s.fake.groupAnswer = filmsAnswer()
		s.fake.groupAnswer.Groups[0].Kind = c.kind
		s.want(0, "removed 5d5d", "", append([]string{"group", "device", "remove", "films", "5d5d"}, c.flags...)...)
		if last := s.fake.group; last.RemoveDevice == nil || last.Lost != c.lost || asked != c.asked {
			t.Errorf("%+v: asked %v, and the node %+v", c, asked, last)
		}
	}
	s := newShell(t)
	s.ask = func(string) (string, error) { return "", errors.New("the terminal has gone") }
	s.fake.groupAnswer = filmsAnswer()
	s.want(1, "", "the terminal has gone", "group", "device", "remove", "films", "5d5d")
	if s.fake.group.RemoveDevice != nil {
		t.Error("it was removed without an answer")
	}
}

// TestPassphraseWithoutATerminal: each command names its own flag.
func TestPassphraseWithoutATerminal(t *testing.T) {
	locked := newShell(t)
	locked.fake.groupAnswer = filmsAnswer()
	locked.fake.groupAnswer.Groups[0].Locked = true
	locked.want(4, "", "add --passphrase-file FILE", "group", "owner", "export", "films", "stick.age")
	made := newShell(t)
	made.fake.groupAnswer = withPassword(filmsAnswer(), "")
	made.want(0, filepath.Join(made.dir, "stick.age")+"\n"+madePw+"\n", "is shown this once", "group", "owner", "export", "films", "stick.age")
	if got := made.fake.group.Owners; got == nil || got.Passphrase != "" {
		t.Errorf("one is to be made: asked for %+v", got)
	}
	for args, want := range map[string]string{
		"group owner lock films --passphrase-file p": "add --new-passphrase-file FILE",
		"group user add films bob --ask":             "leave --ask out, and one is made; or add --password-file FILE",
	} {
		s := newShell(t)
		s.fake.groupAnswer = filmsAnswer()
		s.file("p", "old\n")
		s.want(4, "", want, strings.Fields(args)...)
		if strings.Contains(s.stderr.String(), "without both") {
			t.Errorf("%s: says %q", args, s.stderr.String())
		}
	}
}

// TestAccountsThatEnded are told from those that will.
func TestAccountsThatEnded(t *testing.T) {
	s := newShell(t)
	now := s.cliEnv(nil).Now()
	s.fake.groupAnswer = filmsAnswer()
	s.fake.groupAnswer.Accounts = []node.GroupAccount{{Name: "past", Role: "member", Until: now.Add(-time.Hour)}, {Name: "now", Role: "member", Until: now}, {Name: "soon", Role: "member", Until: now.Add(time.Hour)}}
	s.want(0, "past", "", "group", "user", "list", "films")
	for i, line := range strings.Split(strings.TrimSpace(s.stdout.String()), "\n") {
		if got := strings.Contains(line, "ended "); got != (i < 2) {
			t.Errorf("%q: says that it ended: %v", line, got)
		}
	}
}

// TestTheRuleThatWasAdded is shown alone, and on a terminal with as many names as fit.
func TestTheRuleThatWasAdded(t *testing.T) {
	many := strings.Split("a,b,c,d,e,f,g,h", ",")
	answer := func() *node.GroupAnswer {
		a := filmsAnswer()
		a.Rules = []node.GroupRule{{ID: "r1", Rule: "deny * read hr/**", Matches: many}, {ID: "r2", Rule: "allow @hr read hr/**", Matches: many}}
		a.AddedRule = "r2"
		return a
	}
	s := newShell(t)
	s.fake.groupAnswer = answer()
	s.want(0, "r2  allow @hr read hr/**  a,b,c,d,e,f,g,h\n", "2 rules there are now; p2pshare group rule list films", "group", "rule", "add", "films", "allow @hr read hr/**")
	if strings.Contains(s.stdout.String(), "r1") {
		t.Errorf("all are shown: %q", s.stdout.String())
	}
	s = newShell(t)
	s.width, s.height = 200, 30
	s.fake.groupAnswer = answer()
	s.want(0, "a,b,c,d,e and 3 more", "", "group", "rule", "add", "films", "allow @hr read hr/**")
	s = newShell(t)
	s.fake.groupAnswer = answer()
	s.want(0, `"added":"r2"`, "", "group", "rule", "add", "films", "allow @hr read hr/**", "--json")
	if !strings.Contains(s.stdout.String(), `"id":"r1"`) {
		t.Errorf("not all are in the object: %q", s.stdout.String())
	}
}

// TestListThatHasGrown: who has an account already is left, and nothing is said to be in a file that was not written.
func TestListThatHasGrown(t *testing.T) {
	for added, want := range map[int]string{1: "added 1 account to films", 0: "all 2 accounts are there already"} {
		s := newShell(t)
		s.stdin = strings.NewReader("name\nann\nbob\n")
		a := filmsAnswer()
		a.Added, a.Notes = added, nil
		if added > 0 {
			a.Wrote = "/x/o"
		} else {
			a.Notes = []string{want}
		}
		s.fake.groupAnswer = a
		s.want(0, a.Wrote, want, "group", "user", "add", "films", "--csv", "-", "--out", "o", "--skip-existing")
		if !s.fake.group.AddUsers.Skip || added == 0 && strings.Contains(s.stderr.String(), "the file has") {
			t.Errorf("asked %+v, says %q", s.fake.group.AddUsers, s.stderr.String())
		}
	}
}

// TestAnswersForEyes: on a terminal, lines that cannot be told apart say what they are.
func TestAnswersForEyes(t *testing.T) {
	for args, want := range map[string]string{
		"group create films --private":   "link      " + filmsLink + "\npassword  " + madePw + "\n",
		"group user add films bob":       "link      " + filmsLink + "\nuser      bob\npassword  " + madePw + "\n",
		"group user remove films bob":    "removed bob\nnew link      " + filmsLink + "\nnew password  " + madePw + "\n",
		"group audit films":              "TIME ",
		"group device remove films 5d5d": "removed 5d5d\nnew link      " + filmsLink,
		"group user role films bob member": "NAME  ROLE    TEAMS  UNTIL     MACHINES  LAST SIGNED\n" +
			"bob   member  crew   for ever  1         2023-11-14 22:13:20Z\n",
	} {
		s := newShell(t)
		s.width, s.height = 200, 30
		s.fake.groupAnswer = withPassword(filmsAnswer(), "bob")
		s.want(0, want, "", strings.Fields(args)...)
	}
}

// TestUserAddByKind: what a private group needs, a public one refuses, and the other way round.
func TestUserAddByKind(t *testing.T) {
	for _, c := range []struct {
		name, args, want string
		answer           *node.GroupAnswer
	}{
		{"public, no key", "group user add acme bob", "--key-file bob.key", acmeAnswer()},
		{"public, a password", "group user add acme bob --password-file pw", "public group, whose accounts have keys", acmeAnswer()},
		{"public, a role", "group user add acme bob --role mirror --key-file k", "--role mirror is for private groups", acmeAnswer()},
		{"private, a key", "group user add films bob --key-file k", "leave --key-file out", filmsAnswer()},
		{"private by its ID", "group user add " + acmeID + " bob --key-file k", "leave --key-file out", filmsAnswer()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.file("pw", pw)
			s.fake.groupAnswer = c.answer
			s.want(4, "", c.want, strings.Fields(c.args)...)
			for _, r := range s.fake.groupsAsked {
				if r.AddUser != nil {
					t.Error("the account was asked for all the same")
				}
			}
		})
	}
	s := newShell(t) // what is in no list is the node's to judge
	s.fake.groupAnswer = &node.GroupAnswer{}
	s.want(0, "bob\n", "", "group", "user", "add", "unknown", "bob")
	s = newShell(t)
	s.fake.storeErr = fault.New(fault.NotFound, "no such group")
	s.want(10, "", "no such group", "group", "user", "add", "unknown", "bob")
}

// TestPublishIntoAPrivateGroup: the answer is the name, as there is no link.
func TestPublishIntoAPrivateGroup(t *testing.T) {
	for _, args := range []string{"", "--no-seed"} {
		s := newShell(t)
		s.fake.do = func(ctx context.Context, on func(node.Event)) error {
			return everyPrivateEvent(ctx, func(e node.Event) {
				if e.Seeding == nil || args == "" {
					on(e)
				}
			})
		}
		s.want(0, "films/alien@1\n", "", append([]string{"publish", "x", "--group", "films", "--as", "alien@1", "--for", "@crew,ann", "--seal"}, strings.Fields(args)...)...)
		if got := s.stdout.String(); got != "films/alien@1\n" {
			t.Errorf("stdout: got %q, want the name alone", got)
		}
		if strings.Contains(s.stderr.String(), v1hex) {
			t.Errorf("stderr: got %q, want no infohash, which is of no use to anybody", s.stderr.String())
		}
		want := &node.InGroup{Group: "films", As: "alien@1", For: []string{"@crew", "ann"}, Seal: true}
		if got := s.fake.publish.In; !reflect.DeepEqual(got, want) {
			t.Errorf("request: got %+v, want %+v", got, want)
		}
	}
	s := newShell(t)
	s.fake.daemon, s.fake.do = true, everyPrivateEvent
	s.want(0, "films/alien@1\n", "", "publish", "x", "--group", "films", "--as", "alien@1")
}

func TestShowALockedKey(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer = filmsAnswer()
	s.fake.groupAnswer.Groups[0].Locked = true
	s.want(0, aKey+", with a passphrase\n", "", "group", "show", "films")
}

func TestLeaveAPrivateGroup(t *testing.T) {
	s := newShell(t)
	s.fake.groupAnswer = filmsAnswer()
	s.ask = func(q string) (string, error) {
		if !strings.Contains(q, "to come back takes a password") {
			t.Errorf("asked %q, want what goes", q)
		}
		return "y", nil
	}
	s.want(0, "left films\n", "", "group", "leave", "films")
}

// TestOverwritesNothing: files for secrets are new ones.
func TestOverwritesNothing(t *testing.T) {
	for _, args := range []string{"group user add films --csv people --out old", "group owner export films old --passphrase-file pw"} {
		s := newShell(t)
		s.file("old", "precious")
		s.file("people", "name\nbob\n")
		s.file("pw", pw)
		s.want(4, "", "is there already", strings.Fields(args)...)
		if b, err := os.ReadFile(filepath.Join(s.dir, "old")); err != nil || string(b) != "precious" || s.fake.opened != 0 {
			t.Errorf("%s: got %q, %v, and a node opened %d times", args, b, err, s.fake.opened)
		}
	}
}

// TestOwnerPassphrase: a key that has one is asked for, or read from a file, wherever an owner signs.
func TestOwnerPassphrase(t *testing.T) {
	get := func(r node.GroupRequest) node.Secret {
		if r.ChangeUser != nil {
			return r.ChangeUser.Passphrase
		}
		return r.Owners.Passphrase
	}
	for _, args := range []string{"owner rotate films", "owner add films " + aKey, "owner remove films " + aKey, "owner threshold films 1", "owner sign films draft", "user role films bob admin"} {
		t.Run(args, func(t *testing.T) {
			run := func(how string, want node.Secret, code int, locked bool, more ...string) {
				t.Helper()
				s := newShell(t)
				s.file("draft", "")
				s.file("pw", pw)
				s.fake.groupAnswer = filmsAnswer()
				s.fake.groupAnswer.Groups[0].Locked = locked
				if how == "typed" {
					s.types([2]string{"Passphrase of the owner key: ", pw})
				}
				if got := s.run(append(strings.Fields("group "+args), more...)...); got != code {
					t.Fatalf("%s: got code %d, want %d: %s", how, got, code, s.stderr.String())
				}
				if code != 0 {
					if !strings.Contains(s.stderr.String(), "--passphrase-file") {
						t.Errorf("%s: got %q, want the way out", how, s.stderr.String())
					}
					return
				}
				if got := get(s.fake.group); got != want || s.fake.group.Group != "films" || !s.fake.group.Offline {
					t.Errorf("%s: got the passphrase %q of %+v, want %q, for films, offline", how, string(got), s.fake.group, string(want))
				}
			}
			run("typed", pw, 0, true, "--offline")
			run("a file", pw, 0, true, "--offline", "--passphrase-file", "pw")
			run("no passphrase", "", 0, false, "--offline")
			run("nobody to ask", "", 4, true, "--offline")
		})
	}
}

// TestRoleWithoutTheOwner: no passphrase is asked for where no admin is made or unmade.
func TestRoleWithoutTheOwner(t *testing.T) {
	for was, asked := range map[string]bool{"member": false, "admin": true} {
		s := newShell(t)
		s.fake.groupAnswer = filmsAnswer()
		s.fake.groupAnswer.Groups[0].Locked, s.fake.groupAnswer.Accounts[0].Role = true, was
		if asked {
			s.types([2]string{"Passphrase of the owner key: ", pw})
		}
		s.want(0, "bob  "+was, "", "group", "user", "role", "films", "bob", "publisher")
		if got := s.fake.group.ChangeUser.Passphrase; (got == pw) != asked {
			t.Errorf("an account that was %s: got the passphrase %q", was, string(got))
		}
	}
}
