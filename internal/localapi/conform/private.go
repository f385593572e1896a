package conform

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// films makes a private group and publishes a release into it; port is where its member listens.
func (s *suite) films(dir string) (link string, password node.Secret, port int) {
	s.Helper()
	a := s.group(s.b, node.GroupRequest{Group: "films", Create: &node.CreateGroup{Kind: "private"}})
	if len(a.Groups) != 1 || a.Groups[0].Kind != "private" || a.Password == "" || !strings.HasPrefix(a.Link, "p2pshare:") {
		s.Fatalf("a private group that was made: got %+v, want it, its link and a password", a)
	}
	pub, port, _ := s.share(node.PublishRequest{Path: dir, In: &node.InGroup{Group: "films", As: "alien@1"}})
	if pub.Entry != "films/alien@1" || pub.Magnet != "" {
		s.Errorf("published: got the entry %q and the magnet %q, want films/alien@1 and none", pub.Entry, pub.Magnet)
	}
	return a.Link, a.Password, port
}

func (s *suite) privateGroups() {
	dir := s.release(1<<20, 1)
	link, password, port := s.films(dir)
	reader := s.other()
	join := func(p node.Secret, user string) error {
		r := node.JoinGroup{Peers: []string{addr(port)}, Timeout: patience, Password: p, User: user}
		if user == "" {
			r.Account = "bob"
		}
		_, err := reader.Group(s.Context(), node.GroupRequest{Group: link, Join: &r}, ignore)
		return err
	}
	s.refused("a wrong password", join("not-the-right-words-at-all", ""), fault.Denied, true)
	s.refused("an unknown user", join(password, "nobody"), fault.Denied, true)
	if l := s.group(reader, node.GroupRequest{List: asked}).Groups; len(l) != 0 {
		s.Errorf("after joins that were refused: got %+v, want nothing left behind", l)
	}
	if err := join(password, ""); err != nil {
		s.Fatalf("joining: %v (%s)", err, fault.HintOf(err))
	}
	g := s.group(reader, node.GroupRequest{Group: "films", Show: asked}).Groups[0]
	if g.Account != "bob" || g.Role != "member" || g.Entries != 1 {
		s.Errorf("joined: got %+v, want the member bob and an entry", g)
	}
	out := s.TempDir()
	if err := reader.Fetch(s.Context(), node.FetchRequest{Ref: "films/alien", Dir: out, Timeout: patience}, ignore); err != nil {
		s.Fatalf("fetching: %v (%s)", err, fault.HintOf(err))
	}
	s.same(filepath.Join(out, "release"), dir)
	_, err := reader.Group(s.Context(), node.GroupRequest{Group: "films", Passwd: &node.ChangePassword{Group: true}}, ignore)
	s.refused("a password of the group by a member", err, fault.Denied, true)
	if a := s.group(reader, node.GroupRequest{Group: "films", Passwd: &node.ChangePassword{}}); a.Password == "" || a.User != "bob" {
		s.Errorf("a password of one's own: got %+v, want one that was made, bob's", a)
	}
	if a := s.group(s.b, node.GroupRequest{Group: "films", Audit: &node.AuditQuery{User: "bob"}}); len(a.Audit) == 0 || a.Audit[0].Account != "bob" {
		s.Errorf("audit: got %+v, want that bob was let in", a.Audit)
	}
	bob := "bob"
	a := s.group(s.b, node.GroupRequest{Group: "films", RemoveUser: &bob})
	if a.Password == "" || a.Password == password || a.Link == "" || a.Link == link || len(a.Notes) == 0 {
		s.Errorf("after he was removed: got %+v, want another link and password, and what he keeps", a)
	}
	if now := s.group(s.b, node.GroupRequest{Group: "films", Link: &node.LinkGroup{}}).Link; now != a.Link {
		s.Errorf("the link: got %q, want %q, which the removal has told", now, a.Link)
	}
	err = reader.Fetch(s.Context(), node.FetchRequest{Ref: "films/alien", Dir: s.TempDir(), Timeout: patience}, ignore)
	if err == nil {
		s.Error("the removed member fetched all the same")
	}
}

func (s *suite) privatePeople() {
	s.films(s.release(1000, 1))
	a := s.group(s.b, node.GroupRequest{Group: "films", AddUser: &node.AddUser{Name: "carl", Role: "publisher", Teams: []string{"crew"}}})
	if a.Password == "" || a.User != "carl" || a.Link == "" {
		s.Errorf("an account: got %+v, want a link, carl and a password", a)
	}
	chosen := node.Secret("lemon tree under five stars")
	if a := s.group(s.b, node.GroupRequest{Group: "films", AddUser: &node.AddUser{Name: "dora", Role: "member", Password: chosen}}); a.Password != "" {
		s.Errorf("with a password that was chosen: got %q, want it not said again", string(a.Password))
	}
	_, err := s.b.Group(s.Context(), node.GroupRequest{Group: "films", AddUser: &node.AddUser{Name: "eve", Role: "member", Password: "short"}}, ignore)
	s.refused("a short password", err, fault.Usage, true)
	file := filepath.Join(s.TempDir(), "invites")
	list := &node.AddUsers{Users: []node.AddUser{{Name: "ann", Role: "member"}, {Name: "ned", Role: "mirror"}}, Out: file}
	if a := s.group(s.b, node.GroupRequest{Group: "films", AddUsers: list}); a.Wrote != file {
		s.Errorf("many: got %+v, want the file", a)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		s.Errorf("the file of passwords: got %v, %v, want it for its owner alone", info, err)
	}
	list.Out = file + "2"
	_, err = s.b.Group(s.Context(), node.GroupRequest{Group: "films", AddUsers: list}, ignore)
	s.refused("accounts that are there", err, fault.Usage, true)
	role := "member"
	a = s.group(s.b, node.GroupRequest{Group: "films", ChangeUser: &node.ChangeUser{Name: "carl", Role: &role, Teams: &[]string{}}})
	for _, x := range a.Accounts {
		if x.Name == "carl" && (x.Role != role || len(x.Teams) != 0) {
			s.Errorf("carl: got %+v, want a member of no team", x)
		}
	}
	locked, wrong := node.Secret("a long passphrase"), node.Secret("another passphrase")
	s.group(s.b, node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Lock: &locked}})
	if g := s.group(s.b, node.GroupRequest{Group: "films", Show: asked}).Groups[0]; !g.Locked || g.Owner == "" {
		s.Errorf("an owner key with a passphrase: got %+v, want it said", g)
	}
	_, err = s.b.Group(s.Context(), node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Rotate: true, Passphrase: wrong}}, ignore)
	s.refused("a wrong passphrase", err, fault.Denied, true)
	key := filepath.Join(s.TempDir(), "owner.age")
	if a := s.group(s.b, node.GroupRequest{Group: "films", Owners: &node.ChangeOwners{Export: key, Passphrase: locked}}); a.Wrote != key {
		s.Errorf("an export: got %+v, want the file", a)
	}
}
