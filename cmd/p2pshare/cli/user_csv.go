package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

const (
	// maxPeopleFile is the largest list of people that is read: a line of a hundred bytes for each of maxPeople.
	maxPeopleFile = 1 << 20

	// maxPeople is how many accounts one command adds. Each password is hashed for about a second, and each account
	// takes some kilobytes of the group's history for ever.
	maxPeople = 2000
)

// addUsers adds everyone in a list.
func (s *session) addUsers(ctx context.Context, c *cli.Context) error {
	in, out := c.String("csv"), s.abs(c.String("out"))
	switch {
	case in == "":
		return fault.Hint(usagef("--out is for the passwords of --csv, and no --csv is named"), "add --csv FILE; for one account, leave --out out: its password is printed")
	case out == "":
		return fault.Hint(usagef("--csv needs a file for the passwords"), "add --out FILE")
	case c.NArg() > 1:
		return fault.Hint(usagef("--csv names the accounts, and so does the argument %q", c.Args().Get(1)), "leave one of them out")
	}
	for _, flag := range []string{"key-file", "password-file", "ask", "team", "until"} {
		if c.IsSet(flag) {
			return fault.Hint(usagef("--%s is for one account, and --csv adds many", flag), "leave it out; the columns of the list are name, role, teams and until")
		}
	}
	if _, err := os.Lstat(out); err == nil {
		return fault.Hint(usagef("--out %q is there already", out), "name another file: passwords are never written over anything")
	}
	if err := checkRole("--role", c.String("role")); err != nil {
		return err
	}
	users, err := s.peopleFile(in, c.String("role"))
	if err != nil {
		return err
	}
	a, err := s.askGroup(ctx, c, node.GroupRequest{Group: c.Args().First(), AddUsers: &node.AddUsers{Users: users, Out: out, Skip: c.Bool("skip-existing")}})
	if err != nil {
		return err
	}
	s.groupObject(a)
	if added := cmp.Or(a.Added, len(users)); a.Added > 0 || !c.Bool("skip-existing") {
		if !s.out.json {
			s.out.path(cmp.Or(a.Wrote, out))
		}
		s.out.say("added %s to %s; the file has a line for each, with the name, the password and the link", plural(added, "account"), printable(cmp.Or(the(a).Name, c.Args().First())))
	}
	s.notes(a)
	return nil
}

// peopleFile reads a list of people; - is stdin.
func (s *session) peopleFile(name, role string) ([]node.AddUser, error) {
	var r io.Reader = s.env.Stdin
	if name == "-" {
		if s.env.Stdin == nil {
			return nil, usagef("--csv -: there is no stdin")
		}
	} else {
		f, err := os.Open(s.abs(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fault.New(fault.NotFound, "--csv: there is no file %q", s.abs(name))
		case err != nil:
			return nil, fmt.Errorf("--csv: %w", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxPeopleFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading --csv %q: %w", name, err)
	case len(data) > maxPeopleFile:
		return nil, usagef("--csv %q is larger than %s", name, ibytes(maxPeopleFile))
	}
	return readPeople(data, role, s.env.Now())
}

// mendTheLine is what to do about a line that says by itself what is wrong with it.
const mendTheLine = "mend the line and try again"

// maxWrong is how many wrong lines of a list are told.
const maxWrong = 20

// readPeople reads a list of people: a head that names the columns, and a line for each. role is that of a line that
// gives none. The error tells every line that is wrong, with its number and column.
func readPeople(data []byte, role string, now time.Time) ([]node.AddUser, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // which spreadsheets begin with
	r := csv.NewReader(bytes.NewReader(data))
	switch head, _, _ := bytes.Cut(data, []byte("\n")); {
	case bytes.ContainsRune(head, ','):
	case bytes.ContainsRune(head, ';'):
		r.Comma = ';' // as they write it where a comma is in numbers
	case bytes.ContainsRune(head, '\t'):
		r.Comma = '\t' // as it comes from the clipboard
	}
	r.TrimLeadingSpace, r.ReuseRecord = r.Comma != '\t', true
	columns, err := peopleColumns(r)
	if err != nil {
		return nil, err
	}
	var users []node.AddUser
	var wrong []error
	lines := make(map[string]int) // where a name was seen
	for {
		cells, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			wrong = append(wrong, csvError(err, len(cells), r.FieldsPerRecord))
			if errors.Is(err, csv.ErrFieldCount) {
				continue
			}
			break // what follows cannot be told apart
		}
		u, at, err := person(r, columns, cells, role, now)
		if first, again := lines[u.Name]; err == nil && again {
			err = fault.Hint(usagef("line %d: %q is in line %d already", at, u.Name, first), "nobody was added; give each account a name of its own")
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		lines[u.Name] = at
		if users = append(users, u); len(users) > maxPeople {
			return nil, fault.Hint(usagef("the list has more than %d people", maxPeople), "divide it into several")
		}
	}
	switch {
	case len(wrong) == 1:
		return nil, wrong[0]
	case len(wrong) > 1:
		title := fmt.Sprintf("%d lines of the list are wrong", len(wrong))
		if len(wrong) > maxWrong {
			title += fmt.Sprintf(", of which these are the first %d", maxWrong)
		}
		return nil, fault.Hint(fault.New(fault.Usage, "%w", &several{title, wrong[:min(len(wrong), maxWrong)]}), "nobody was added; %s", strings.Join(waysOut(wrong), "; "))
	case len(users) == 0:
		return nil, fault.Hint(usagef("the list has nobody in it"), "below the line that names the columns, write a line for each person")
	}
	return users, nil
}

// waysOut are what the errors of single lines say to do, each once, and last what holds for all of them.
func waysOut(wrong []error) []string {
	var ways []string
	for _, err := range wrong[:min(len(wrong), maxWrong)] {
		way := strings.TrimPrefix(fault.HintOf(err), "nobody was added; ")
		if way != "" && way != mendTheLine && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	return append(ways, "mend the lines and try again")
}

// peopleColumns reads the head: where in a line each column is.
func peopleColumns(r *csv.Reader) (map[string]int, error) {
	known := []string{"name", "role", "teams", "until"}
	const hint = "the first line names the columns: name,role,teams,until"
	head, err := r.Read()
	switch {
	case err == io.EOF:
		return nil, fault.Hint(usagef("the list is empty"), hint)
	case err != nil:
		return nil, csvError(err, 0, 0)
	}
	columns := make(map[string]int)
	for i, cell := range head {
		name := strings.ToLower(strings.TrimSpace(cell))
		line, at := r.FieldPos(i)
		if !slices.Contains(known, name) {
			return nil, fault.Hint(usagef("line %d, column %d: there is no such column", line, at), hint) // what stands there may be a password, if the wrong file was named
		}
		if _, again := columns[name]; again {
			return nil, fault.Hint(usagef("line %d, column %d: the column %q is there twice", line, at, name), hint)
		}
		columns[name] = i
	}
	if _, ok := columns["name"]; !ok {
		return nil, fault.Hint(usagef("line 1: the column name is missing"), hint)
	}
	return columns, nil
}

// person is one line of the list, and its number.
func person(r *csv.Reader, columns map[string]int, cells []string, role string, now time.Time) (u node.AddUser, at int, err error) {
	cell := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	bad := func(name string, err error) (node.AddUser, int, error) {
		line, column := r.FieldPos(columns[name])
		return u, line, fault.Hint(usagef("line %d, column %d: %w", line, column, err), "nobody was added; %s", cmp.Or(fault.HintOf(err), mendTheLine))
	}
	at, _ = r.FieldPos(0)
	u = node.AddUser{Name: cell("name"), Role: cmp.Or(cell("role"), role)}
	if err := checkAccount("the name", u.Name); err != nil {
		return bad("name", err)
	}
	if err := checkRole("the role", u.Role); err != nil {
		return bad("role", err)
	}
	if u.Teams, err = readTeams("the team", []string{cell("teams")}); err != nil {
		return bad("teams", err)
	}
	if v := cell("until"); v != "" && v != "never" {
		if u.Until, err = comingDate(now, "the date", v); err != nil {
			return bad("until", err)
		}
	}
	return u, at, nil
}

// csvError is a line that cannot be taken apart, or has other than want cells.
func csvError(err error, got, want int) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return fmt.Errorf("reading the list: %w", err)
	}
	what := p.Err.Error()
	if errors.Is(p.Err, csv.ErrFieldCount) {
		what = fmt.Sprintf("it has %s, and the first line has %d", plural(got, "cell"), want)
	}
	return fault.Hint(usagef("line %d, column %d: %s", p.Line, p.Column, what), "nobody was added; "+mendTheLine)
}
