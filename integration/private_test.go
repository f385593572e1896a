//go:build linux

package integration_test

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// answer is what a command about a group answers with --json.
type answer struct {
	Group struct {
		ID, Name, Account, Role, Device string
		Accounts, Devices, Entries      int
		Warnings                        []string
	}
	Link, User, Password, Wrote string
	Notes                       []string
}

// asks types a command about a group that has to succeed.
func (m *machine) asks(args ...string) (a answer) {
	m.t.Helper()
	raw := m.must(append(args, "--json")...)
	if err := json.Unmarshal([]byte(raw), &a); err != nil {
		m.t.Fatalf("%q: %v: %s", args, err, raw)
	}
	return a
}

// secret is a file with a password in it.
func secret(t testing.TB, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// joins has the machine join a private group, with the group's password, or an account's and --user.
func (m *machine) joins(link, password string, flags ...string) (string, error) {
	m.t.Helper()
	return m.types(append([]string{"group", "join", link, "--password-file", secret(m.t, password)}, flags...)...)
}

// refuses types a command that must end with a code and say something.
func (m *machine) refuses(code int, words string, args ...string) (talk string) {
	m.t.Helper()
	out, err := m.types(args...)
	exit := exitOf(err)
	if exit == nil || exit.ExitCode() != code || !strings.Contains(err.Error(), words) || out != "" {
		m.t.Errorf("%q: got %q, %v, want exit code %d, %q in the message and no answer", args, out, err, code, words)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// says types a command, however it ends.
func (m *machine) says(args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	cmd := m.h.Command(within(m.t, 90*time.Second), us.Bin, append(args, "--home", m.home)...)
	var out, talk strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil && exitOf(err) == nil {
		m.t.Fatal(err)
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// shown is an entry as catalog show tells of it.
type shown struct {
	Ref, Name, Content, Infohash string
	InfoSHA256                   string `json:"info_sha256"`
	Size                         int64
	Account                      string
	Others                       []string
}

// entry is what the machine knows of GROUP/NAME.
func (m *machine) entry(ref string) shown {
	m.t.Helper()
	raw := m.must("catalog", "show", ref, "--json")
	var s struct{ Entries []shown }
	if err := json.Unmarshal([]byte(raw), &s); err != nil || len(s.Entries) != 1 {
		m.t.Fatalf("%v: want one entry in %s", err, raw)
	}
	return s.Entries[0]
}

// stolen is the key of the machine in a group, as somebody takes it who has its disk.
func (m *machine) stolen(gid string) rogue.Member {
	m.t.Helper()
	key, err := rogue.StolenKey(filepath.Join(m.home, "groups", gid, "device.key"))
	if err != nil {
		m.t.Fatal(err)
	}
	return rogue.Member{Key: key}
}

// reaching is who from, at the port of the machine m, by a group's name of today.
func (m *machine) reaching(from *netlab.Host, who rogue.Member, link rogue.Link) rogue.Member {
	who.Name = link.ServerName(rogue.Today())
	who.Connect = func(ctx context.Context) (net.Conn, error) {
		return from.Dial(ctx, "tcp", net.JoinHostPort(m.h.IP, strconv.Itoa(client.Port)))
	}
	return who
}

// parsed is what somebody who has a link makes of it.
func parsed(t testing.TB, link string) rogue.Link {
	t.Helper()
	l, err := rogue.ParseLink(link)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// encodings are bytes as they are written, each way.
func encodings(b []byte) [][]byte {
	return [][]byte{b, []byte(hex.EncodeToString(b)), []byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)),
		[]byte(base64.RawStdEncoding.EncodeToString(b)[:len(b)]), []byte(base64.RawURLEncoding.EncodeToString(b)[:len(b)])}
}

// unhex is what a hash in hex stands for.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		t.Fatalf("%q is no hash: %v", s, err)
	}
	return b
}

// step is t.Run for tests that type on these machines: what fails is the test that runs.
func step(t *testing.T, machines []*machine, name string, f func(*testing.T)) bool {
	was := make([]testing.TB, len(machines))
	for i, m := range machines {
		was[i] = m.t
	}
	defer func() {
		for i, m := range machines {
			m.t = was[i]
		}
	}()
	return t.Run(name, func(t *testing.T) {
		for _, m := range machines {
			m.t = t
		}
		f(t)
	})
}

// eventually looks again until ok is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(busy * 40 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
