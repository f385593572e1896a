package cli_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

var november = time.Unix(1_700_000_000, 0)

func TestListOfPeople(t *testing.T) {
	year := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		text string
		want []node.AddUser
	}{
		"names alone":       {"name\nann\nbob\n", []node.AddUser{{Name: "ann", Role: "member"}, {Name: "bob", Role: "member"}}},
		"all columns":       {"name,role,teams,until\nann,publisher,crew;x,2027-01-01\n", []node.AddUser{{Name: "ann", Role: "publisher", Teams: []string{"crew", "x"}, Until: year}}},
		"another order":     {"UNTIL, Name\n2027-01-01T00:00:00Z, ann\n", []node.AddUser{{Name: "ann", Role: "member", Until: year}}},
		"of a spreadsheet":  {"\ufeffname;teams;role\r\nann;a,b;backup\r\n", []node.AddUser{{Name: "ann", Role: "backup", Teams: []string{"a", "b"}}}},
		"quoted":            {"name,teams\n\"ann\",\"@a, @b\"\n", []node.AddUser{{Name: "ann", Role: "member", Teams: []string{"a", "b"}}}},
		"empty lines":       {"name\n\nann\n\n", []node.AddUser{{Name: "ann", Role: "member"}}},
		"no end of line":    {"name,until\nann,never", []node.AddUser{{Name: "ann", Role: "member"}}},
		"tabs":              {"name\tteams\trole\nann\ta, b\tbackup\nbob\t\t\n", []node.AddUser{{Name: "ann", Role: "backup", Teams: []string{"a", "b"}}, {Name: "bob", Role: "member"}}},
		"spaces as teams":   {"name,teams\nann,a b\n", []node.AddUser{{Name: "ann", Role: "member", Teams: []string{"a", "b"}}}},
		"roles of machines": {"name,role\nnas,backup\nvps,mirror\nkids,invite\n", []node.AddUser{{Name: "nas", Role: "backup"}, {Name: "vps", Role: "mirror"}, {Name: "kids", Role: "invite"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cli.ReadPeople([]byte(c.text), "member", november)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestListOfPeopleRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "the list is empty",
		"\n\n":                                  "the list is empty",
		"name\n":                                "nobody in it",
		"ann,publisher\n":                       "line 1, column 1: there is no such column",
		"name,mail\nann,a@b\n":                  "line 1, column 6: there is no such column",
		"role\nmember\n":                        "the column name is missing",
		"name,name\nann,ann\n":                  `line 1, column 6: the column "name" is there twice`,
		"name,role\nann,publisher\nBob,member":  "line 3, column 1: the name",
		"name,role\nann,boss\n":                 `line 2, column 5: the role "boss" is not known`,
		"name,role\nann,admin\n":                "line 2, column 5: the role cannot be admin",
		"name,teams\nann,\"a,B\"\n":             "line 2, column 5: the team",
		"name,until\nann,soon\n":                `line 2, column 5: the date "soon" is not a date`,
		"name,until\nann,2001-01-01\n":          `line 2, column 5: the date "2001-01-01" is past`,
		"name\nann\nbob\nann\n":                 `line 4: "ann" is in line 2 already`,
		"name,role\nann\n":                      "line 2, column 1: it has 1 cell, and the first line has 2",
		"name,role\nann,member,x\n":             "line 2, column 1: it has 3 cells, and the first line has 2",
		"name\n\"ann\n":                         "line 2, column 6",
		"name\nan\"n\n":                         "line 2, column 3",
		"name,role\n,member\n":                  "line 2, column 1: the name",
		"name\n" + strings.Repeat("x", 33):      "line 2, column 1: the name",
		"name\nadmin/../x\n":                    "line 2, column 1: the name",
		"name\n\xff\n":                          "line 2, column 1: the name",
		"name\n" + numbered(2001):               "more than 2000 people",
		"name;role\nann;publisher\nbob;Member;": "line 3, column 1: it has 3 cells, and the first line has 2",
	} {
		t.Run(fmt.Sprintf("%.40q", text), func(t *testing.T) {
			got, err := cli.ReadPeople([]byte(text), "member", november)
			if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("got %+v, %v (%q), want %q, a usage error with a hint", got, err, fault.HintOf(err), want)
			}
		})
	}
}

// TestEveryWrongLineIsTold: who mends a list mends it once.
func TestEveryWrongLineIsTold(t *testing.T) {
	const list = "name,role,teams,until\nann,member,cad,2027-01-01\nBob,member,cad,\ncarl,boss,cad,\ndora,member,cad,31.12.2027\nemil,member,cad\nann,member,hr,\nfred,member,HR,\n"
	s := newShell(t)
	s.stdin = strings.NewReader(list)
	s.want(4, "", "p2pshare: 6 lines of the list are wrong\n"+
		"  line 3, column 1: the name: ", "group", "user", "add", "films", "--csv", "-", "--out", "o")
	for _, want := range []string{
		"\n  line 4, column 6: the role \"boss\"", "\n  line 5, column 17: the date \"31.12.2027\"", "\n  line 6, column 1: it has 3 cells, and the first line has 4",
		"\n  line 7: \"ann\" is in line 2 already", "\n  line 8, column 13: the team: ", "\n  nobody was added; ", "choose publisher or member, ", "; write 2027-01-01, ", "; give each account a name of its own; ", "; mend the lines and try again\n",
	} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("stderr does not hold %q:\n%s", want, s.stderr.String())
		}
	}
	if len(s.fake.groupsAsked) > 0 {
		t.Errorf("the group was asked %+v", s.fake.groupsAsked)
	}
	s = newShell(t)
	s.stdin = strings.NewReader(list)
	s.want(4, `6 lines of the list are wrong: line 3, column 1: `, "", "group", "user", "add", "films", "--csv", "-", "--out", "o", "--json")
	// Of very many the first are told, and what cannot be taken apart ends the list.
	for text, want := range map[string]string{
		"name\n" + strings.Repeat("BAD\n", 30): "30 lines of the list are wrong, of which these are the first 20: ",
		"name\nBAD\n\"ann\nBAD\n":              "2 lines of the list are wrong: line 2, column 1",
		"name\tteams\nann\ta b\nBOB\t\n":       "line 3, column 1: the name",
		"name\tteams\nann\ta b\ncarl\tx\ty\n":  "line 3, column 1: it has 3 cells, and the first line has 2",
	} {
		_, err := cli.ReadPeople([]byte(text), "member", november)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "; line") > 19 {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d\n", i)
	}
	return b.String()
}

func TestListOfPeopleTooLarge(t *testing.T) {
	s := newShell(t)
	s.stdin = strings.NewReader("name\n" + strings.Repeat("\n", 1<<20))
	s.want(4, "", "is larger than 1.0 MiB", "group", "user", "add", "films", "--csv", "-", "--out", "o")
	s.want(10, "", "there is no file", "group", "user", "add", "films", "--csv", "none", "--out", "o")
}

func FuzzListOfPeople(f *testing.F) {
	for _, seed := range []string{"name\nann\n", "\ufeffname;role;teams;until\nann;member;a b;never\n", "name,teams\n\"ann\",\"a,b\"\n", "name\n\"", "name,name\n", "\n\n\r\n;,;"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		users, err := cli.ReadPeople(data, "member", november)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("got %v, want a usage error", err)
			}
			return
		}
		seen := make(map[string]bool)
		for _, u := range users {
			if u.Name == "" || seen[u.Name] || u.Role == "" || u.Role == "admin" || !u.Until.IsZero() && !u.Until.After(november) {
				t.Errorf("got %+v, want accounts that can be added", u)
			}
			seen[u.Name] = true
		}
		if len(users) == 0 {
			t.Error("got nobody, want an error")
		}
	})
}
