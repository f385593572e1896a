package cli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
)

func everyPrivateEvent(_ context.Context, on func(node.Event)) error {
	on(node.Event{Published: &node.Published{Name: "alien", Size: 4, Files: 1, PieceLength: 16384, Format: "hybrid", Infohash: v1hex, Entry: "films/alien@1"}})
	on(node.Event{Seeding: &node.Seeding{Name: "alien", Path: "/d/alien", Port: 7}})
	on(node.Event{Seeding: &node.Seeding{Name: "alien", Path: "/d/alien", Port: 7}})
	return nil
}

// ring is a keyring in memory.
type ring struct {
	entries map[string]string
	err     error
	wait    chan struct{} // nil: answers at once
}

func (r *ring) Get(entry string) (string, error) {
	if r.wait != nil {
		<-r.wait
	}
	if r.err != nil {
		return "", r.err
	}
	p, ok := r.entries[entry]
	if !ok {
		return "", cli.ErrNoEntry
	}
	return p, nil
}

func (r *ring) Set(entry, secret string) error {
	if r.err != nil {
		return r.err
	}
	r.entries[entry] = secret
	return nil
}

// TestPrivateUsageErrors are found before a node is opened.
func TestPrivateUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"group create films --private --open --no-join":                      "--open is for who joins by a password of the group",
		"group create films --public --strict":                               "--strict is for private groups",
		"group create films --public --no-join":                              "--no-join is for private groups",
		"group create films --public --password-file pw":                     "--password-file is for private groups",
		"group create films --public --ask":                                  "--ask is for private groups",
		"group create films --private --no-join --ask":                       "--no-join makes a group without a password",
		"group create films --private --ask --password-file pw":              "two sources",
		"group create films --private --ask":                                 "no terminal to ask",
		"group create films":                                                 "or --private",
		"group join " + filmsLink:                                            "no terminal to ask for it on\n  add --password-file FILE, or --password-file - and write it to stdin",
		"group join " + filmsLink + " --key-file k --user bob":               "--key-file is for public groups",
		"group join " + filmsLink + " --device-key k":                        "--device-key is for public groups",
		"group passwd films --group --old-password-file pw":                  "for the password of your own account",
		"group user role films bob admin --draft pw":                         "is there already",
		"group join " + filmsLink + " --user bob --account eve":              "leave one of them out",
		"group join " + filmsLink + " --account Bob":                         "--account",
		"group join " + filmsLink + " --keyring --password-file pw":          "two sources",
		"group join " + filmsLink + " --keyring":                             "no keyring",
		"group join " + acmeLink + " --password-file pw":                     "a public group needs no password",
		"group join " + acmeLink + " --keyring":                              "a public group needs no password",
		"group join " + acmeLink + " --account bob":                          "a public group needs no password",
		"group join pw --keyring":                                            "--keyring is for a join by link",
		"group join pw --user bob":                                           "no terminal to ask",
		"group restore . --password-file pw":                                 "add --user USER",
		"group restore . --user Bob --password-file pw":                      "--user",
		"group restore . --user nas":                                         "no terminal to ask",
		"group passwd films --group --user bob":                              "two passwords",
		"group passwd films --user Bob":                                      "--user",
		"group passwd films --ask":                                           "no terminal to ask",
		"group user add films bob --key-file k --ask":                        "leave one of them out",
		"group user add films":                                               "group user add needs GROUP NAME",
		"group user add films --csv pw":                                      "add --out FILE",
		"group user add films --out o":                                       "add --csv FILE",
		"group user add films bob --csv pw --out o":                          `the argument "bob"`,
		"group user add films --csv pw --out o --team x":                     "--team is for one account",
		"group user add films --csv pw --out o --key-file k":                 "--key-file is for one account",
		"group user add films --csv pw --out o --role admin":                 "--role cannot be admin",
		"group user add films --csv pw --out o":                              "there is no such column",
		"group user add films --csv - --out o":                               "there is no stdin",
		"group user role films bob boss":                                     "choose publisher or member",
		"group user role films Bob member":                                   "the name",
		"group user expire films bob soon":                                   "not a date",
		"group user expire films bob 2001-01-01":                             "is past",
		"group user devices films bob many":                                  "is not from 1 to 10000",
		"group user devices films bob 0":                                     "is not from 1 to 10000",
		"group user add films bob --devices 10001":                           "is not from 1 to 10000",
		"group user teams films bob Crew":                                    "the team",
		"group user teams films bob ,":                                       "names no team",
		"group audit films --lines 0":                                        "--lines 0",
		"group audit films --lines 10001":                                    "--lines 10001",
		"group audit films --since soon":                                     "neither a date nor a time ago",
		"group audit films --since 2099-01-01":                               "still to come",
		"group audit films --since -5m":                                      "neither a date nor a time ago",
		"group audit films --user Bob":                                       "--user",
		"group owner lock films":                                             "no terminal to ask",
		"group owner lock films --unlock --new-passphrase-file pw":           "leave one of them out",
		"group owner lock films --passphrase-file - --new-passphrase-file -": "stdin can be one",
		"group owner import films pw":                                        "no terminal to ask",
		"group owner import films pw --passphrase-file -":                    "there is no stdin",
		"publish x --seal":                                                   "add --group GROUP",
		"group join " + filmsLink + " --password-file empty":                 "the first line is empty",
		"group join " + filmsLink + " --password-file long":                  "longer than 1024 bytes",
		"group join " + filmsLink + " --password-file latin":                 "no text in UTF-8",
		"group join " + filmsLink + " --password-file .":                     "is a folder",
		"group user add films --csv empty --out o":                           "the list is empty",
	} {
		t.Run(args, func(t *testing.T) {
			s := newShell(t)
			s.file("pw", pw)
			s.file("empty", "")
			s.file("long", strings.Repeat("x", 1025))
			s.file("latin", "sch\xf6n genug, dieses\n")
			s.want(4, "", want, strings.Fields(args)...)
			if s.fake.opened != 0 {
				t.Error("a node was opened all the same")
			}
			if strings.Contains(s.stderr.String(), pw) || strings.Contains(s.stderr.String(), "genug") {
				t.Errorf("stderr: got %q, want no password in it", s.stderr.String())
			}
		})
	}
}

func TestPasswordFiles(t *testing.T) {
	join := func(s *shell, file string) int {
		s.fake.groupAnswer = filmsAnswer()
		return s.run("group", "join", filmsLink, "--password-file", file)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o622} {
		s := newShell(t)
		path := s.file("o'dd name", pw)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if code := join(s, "o'dd name"); code != 12 || s.fake.opened != 0 {
			t.Errorf("mode %o: got code %d, and %d nodes opened, want 12 and none", mode, code, s.fake.opened)
		}
		if want := `chmod 600 '` + strings.ReplaceAll(path, "'", `'\''`) + `'`; !strings.Contains(s.stderr.String(), want) {
			t.Errorf("mode %o: got %q, want %q in it", mode, s.stderr.String(), want)
		}
	}
	s := newShell(t)
	if code := join(s, "none"); code != 10 {
		t.Errorf("no file: got code %d, want 10", code)
	}
	s = newShell(t)
	s.stdin = iotest.ErrReader(errors.New("torn"))
	if code := join(s, "-"); code != 1 || !strings.Contains(s.stderr.String(), "torn") {
		t.Errorf("a stdin that fails: got code %d, %q", code, s.stderr.String())
	}
	r, w, err := os.Pipe() // as of a process substitution
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString(pw); err != nil {
		t.Fatal(err)
	}
	w.Close()
	defer r.Close()
	s = newShell(t)
	s.stdin = r
	if code := join(s, "-"); code != 0 || s.fake.group.Join.Password != pw {
		t.Errorf("a pipe without an end of line: got code %d, %q", code, s.stderr.String())
	}
}

func TestPasswordsThatDiffer(t *testing.T) {
	s := newShell(t)
	s.types([2]string{"New password of your account (empty: one is made): ", "abcdefghijkl"}, [2]string{"Once more: ", "abcdefghijkm"})
	s.want(4, "", "the two are not the same", "group", "passwd", "films", "--ask")
	if s.fake.opened != 0 {
		t.Error("a node was opened all the same")
	}
	for _, args := range []string{"group join " + filmsLink, "group restore . --user nas"} {
		s = newShell(t)
		s.secret = func(string) (string, error) { return "", nil }
		s.want(4, "", "the password is empty", strings.Fields(args)...)
	}
	s = newShell(t)
	s.types([2]string{"Passphrase of the owner key (empty: it has none): ", ""}, [2]string{"New passphrase: ", ""})
	s.want(4, "", "--unlock takes the passphrase away", "group", "owner", "lock", "films")
	s = newShell(t)
	s.fake.groupAnswer = filmsAnswer()
	s.fake.groupAnswer.Groups[0].Locked = true
	s.types([2]string{"Passphrase of the owner key, which is the file's too: ", ""})
	s.want(4, "", "the passphrase is empty", "group", "owner", "export", "films", "f")
	s = newShell(t)
	s.secret = func(string) (string, error) { return "", context.Canceled }
	s.want(1, "", "canceled", "group", "join", filmsLink)
}

// TestAWrongPasswordIsAskedForAgain: three times where somebody types it, and once where it comes from a file.
func TestAWrongPasswordIsAskedForAgain(t *testing.T) {
	for _, args := range []string{"group join " + filmsLink, "group restore . --user nas"} {
		s := newShell(t)
		asked := 0
		s.secret = func(string) (string, error) { asked++; return pw, nil }
		s.fake.storeErr = seal.WrongGroupPassword()
		s.want(12, "", "that is not the password of this group; once more, or Ctrl-C\n", strings.Fields(args)...)
		if asked != 3 {
			t.Errorf("%s: asked %d times, want 3", args, asked)
		}
		s = newShell(t)
		asked = 0
		s.secret = func(string) (string, error) { asked++; return pw, nil }
		s.fake.groupAnswer, s.fake.storeErr = filmsAnswer(), seal.WrongPassword()
		s.fake.failures = 1
		s.want(0, "films\n", "once more", strings.Fields(args)...)
		if asked != 2 {
			t.Errorf("%s: asked %d times, want twice", args, asked)
		}
		s = newShell(t)
		s.secret = func(string) (string, error) { t.Error("asked though there is a file"); return pw, nil }
		s.file("pw", pw)
		s.fake.storeErr = seal.WrongGroupPassword()
		s.want(12, "", "that is not the password", strings.Fields(args+" --password-file pw")...)
	}
	s := newShell(t)
	asked := 0
	s.secret = func(string) (string, error) { asked++; return pw, nil }
	s.fake.storeErr = fault.New(fault.Denied, "another reason")
	s.want(12, "", "another reason", "group", "join", filmsLink)
	if asked != 1 {
		t.Errorf("another refusal: asked %d times", asked)
	}
}

// TestInterruptedAtTheQuestion: Ctrl-C instead of a password is 130, and nothing is asked of a node.
func TestInterruptedAtTheQuestion(t *testing.T) {
	s := newShell(t)
	env := s.cliEnv([]string{"group", "join", filmsLink})
	env.Secret = func(ctx context.Context, _ string) (string, error) {
		s.sig <- os.Interrupt
		<-ctx.Done()
		return "", ctx.Err()
	}
	if code := cli.Main(env); code != 130 || s.fake.opened != 0 {
		t.Errorf("got code %d, and %d nodes opened, want 130 and none: %s", code, s.fake.opened, s.stderr.String())
	}
	s = newShell(t)
	r := &ring{wait: make(chan struct{})}
	defer close(r.wait)
	s.ring = r
	go func() { s.sig <- os.Interrupt }()
	s.want(130, "", "interrupted", "group", "join", filmsLink, "--keyring")
}

func TestKeyring(t *testing.T) {
	entry, office := acmeID+"/join", acmeID+"/office"
	t.Run("an entry", func(t *testing.T) {
		s := newShell(t)
		s.ring, s.fake.groupAnswer = &ring{entries: map[string]string{entry: pw}}, filmsAnswer()
		s.want(0, "films\n", "", "group", "join", filmsLink, "--keyring")
		if got := s.fake.group.Join; got.Password != pw || !reflect.DeepEqual(got, &node.JoinGroup{Password: pw, Timeout: 2 * time.Minute}) {
			t.Errorf("request: got %+v", got)
		}
	})
	t.Run("none yet", func(t *testing.T) {
		s := newShell(t)
		r := &ring{entries: map[string]string{entry: "another"}}
		s.ring, s.fake.groupAnswer = r, filmsAnswer()
		s.types([2]string{"Password of office: ", pw})
		s.want(0, "films\n", "the keyring has the password now", "group", "join", filmsLink, "--keyring", "--user", "office")
		if r.entries[office] != pw || r.entries[entry] != "another" {
			t.Errorf("keyring: got %q", r.entries)
		}
	})
	t.Run("none yet, and it is wrong", func(t *testing.T) {
		s := newShell(t)
		r := &ring{entries: map[string]string{}}
		s.ring, s.fake.storeErr = r, fault.New(fault.Denied, "the password or the name is wrong")
		s.types([2]string{"Password of the group: ", pw})
		s.want(12, "", "is wrong", "group", "join", filmsLink, "--keyring")
		if len(r.entries) != 0 {
			t.Errorf("keyring: got %q, want nothing that does not open", r.entries)
		}
	})
	t.Run("an entry that is wrong", func(t *testing.T) {
		s := newShell(t)
		s.ring, s.fake.storeErr = &ring{entries: map[string]string{entry: pw}}, fault.New(fault.Denied, "the password or the name is wrong")
		s.want(12, "", "mend it there", "group", "join", filmsLink, "--keyring")
	})
	t.Run("no desktop", func(t *testing.T) {
		s := newShell(t)
		s.ring = &ring{err: errors.New("no session bus")}
		s.want(1, "", "no session bus\n  leave --keyring out", "group", "join", filmsLink, "--keyring")
	})
	t.Run("none yet, and no terminal", func(t *testing.T) {
		s := newShell(t)
		s.ring = &ring{}
		s.want(4, "", "no entry "+entry, "group", "join", filmsLink, "--keyring")
	})
	t.Run("it takes none", func(t *testing.T) {
		s := newShell(t)
		s.ring, s.fake.groupAnswer = readOnly{}, filmsAnswer()
		s.types([2]string{"Password of the group: ", pw})
		s.want(0, "films\n", "warning: the password could not be put into the keyring: locked", "group", "join", filmsLink, "--keyring")
	})
}

type readOnly struct{}

func (readOnly) Get(string) (string, error) { return "", cli.ErrNoEntry }
func (readOnly) Set(string, string) error   { return errors.New("locked") }

// TestPasswordsStayOutOfErrors: whatever fails, neither words nor log have one.
func TestPasswordsStayOutOfErrors(t *testing.T) {
	for _, args := range []string{
		"group join " + filmsLink + " --password-file pw -v", "group create films --private --password-file pw -v", "group passwd films --password-file pw --json",
		"group user add films bob --password-file pw -v", "group restore . --user nas --password-file pw -v", "group owner export films o --passphrase-file pw -v",
	} {
		s := newShell(t)
		s.file("pw", pw)
		s.fake.do = func(context.Context, func(node.Event)) error {
			s.fake.settings.Log.Debug("asked", "request", s.fake.group, "join", s.fake.group.Join, "passwd", s.fake.group.Passwd)
			panic("broken")
		}
		if code := s.run(strings.Fields(args)...); code != 1 {
			t.Errorf("%s: got code %d, want 1", args, code)
		}
		if all := s.stdout.String() + s.stderr.String(); strings.Contains(all, pw) || !strings.Contains(all, "broken") {
			t.Errorf("%s: got %q, want no password in it", args, all)
		}
	}
}

func TestRestoreNeedsAFolder(t *testing.T) {
	s := newShell(t)
	s.file("pw", pw)
	for _, dir := range []string{"none", "pw"} {
		s.want(10, "", "there is no folder", "group", "restore", dir, "--user", "nas", "--password-file", "pw")
	}
	s.want(10, "", "there is no file", "group", "owner", "import", "films", filepath.Join("no", "file"))
	if s.fake.opened != 0 {
		t.Error("a node was opened for nothing")
	}
}

// TestOldPassword: an admin is asked for it when the node wants it, and nobody else.
func TestOldPassword(t *testing.T) {
	denied := fault.Hint(fault.New(fault.Denied, "the keys of an admin stay"), "give the old password too")
	run := func(args string, turns [][2]string, code int, want node.Secret) {
		t.Helper()
		s := newShell(t)
		s.file("pw", pw)
		s.fake.groupAnswer = filmsAnswer()
		s.fake.do = func(context.Context, func(node.Event)) error {
			if s.fake.group.Passwd.Old == "" {
				return denied
			}
			return nil
		}
		if turns != nil {
			s.types(turns...)
		}
		if got := s.run(strings.Fields(args)...); got != code {
			t.Errorf("%s: got code %d, want %d: %s", args, got, code, s.stderr.String())
		}
		if got := s.fake.group.Passwd.Old; got != want {
			t.Errorf("%s: got the old password %q, want %q", args, string(got), string(want))
		}
		if strings.Contains(s.stdout.String()+s.stderr.String(), pw) {
			t.Errorf("%s: the password was shown: %q", args, s.stderr.String())
		}
	}
	const question = "The password that you have now (empty: leave it as it is): "
	run("group passwd films", [][2]string{{question, pw}}, 0, pw)
	run("group passwd films", [][2]string{{question, ""}}, 12, "")
	run("group passwd films --old-password-file pw", nil, 0, pw)
	run("group passwd films", nil, 12, "")
	run("group passwd films --user bob", [][2]string{}, 12, "")
}
