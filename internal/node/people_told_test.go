package node

import (
	"slices"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

func TestSomeOfMany(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	for n, want := range map[int]string{0: "", 1: "a", 10: "a, b, c, d, e, f, g, h, i, j", 12: "a, b, c, d, e, f, g, h, i, j and 2 more"} {
		if got := some(names[:n]); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// TestPaceOfPasswords: how many are made, and how long the others take at that pace.
func TestPaceOfPasswords(t *testing.T) {
	now := time.Unix(1000, 0)
	var told []Progress
	made := progressOf(func(e Event) { told = append(told, *e.Progress) }, 4, func() time.Time { return now })
	for n := 1; n <= 4; n++ {
		now = now.Add(2 * time.Second)
		made(n)
	}
	var etas []time.Duration
	for i, p := range told {
		if p.Phase != PhasePasswords || p.Done != int64(i) || p.Total != 4 {
			t.Errorf("%d: told %+v", i, p)
		}
		etas = append(etas, p.ETA)
	}
	if !slices.Equal(etas, []time.Duration{0, 6 * time.Second, 4 * time.Second, 2 * time.Second, 0}) {
		t.Errorf("got %v", etas)
	}
}

// TestWhatRecordsAre: each has a kind, and what was shared or dropped its entry, as far as it is known whose it is.
func TestWhatRecordsAre(t *testing.T) {
	record := func(raw string) signed.Record {
		r, err := signed.ParseRecord([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	entries := published{}
	entries.note(record(`{"id":"s1","n":1,"op":"share","open":{"name":"app","version":"1.4"}}`), "ci", "")
	entries.note(record(`{"id":"s2","n":1,"op":"share","open":{"name":"lib"}}`), "ci", "")
	entries.note(record(`{"aud":"all","id":"s3","n":1,"op":"share"}`), "ci", "films/x@1")
	entries.note(record(`{"aud":"all","id":"s4","n":1,"op":"share"}`), "ci", "") // nobody here can open it
	entries.note(record(`{"id":"s5","n":1,"op":"share","open":{"name":"one"}}`), "ci", "")
	entries.note(record(`{"id":"s5","n":1,"op":"share","open":{"name":"two"}}`), "eve", "")
	for _, c := range []struct {
		raw, account, opened string
		kind, entry, what    string
	}{
		{`{"acct":"bob","label":"laptop","n":1,"op":"hello"}`, "bob", "", "device", "", `a device "laptop" joined as bob`},
		{`{"acct":"bob","inv":"join","label":"","n":1,"op":"hello"}`, "bob", "", "device", "", `a device "" joined as bob, a new account, by the invite join`},
		{`{"gone":true,"n":1,"name":"bob","op":"acct"}`, "admin", "", "account", "", "removed the account bob"},
		{`{"keep":{"423983fb262e0b1c":4},"n":1,"name":"ci","op":"acct","role":"publisher"}`, "admin", "", "account", "", "cut off 423983fb262e (ci)"},
		{`{"aud":"all","n":1,"op":"grant","to":["bob"]}`, "admin", "", "key", "", "gave bob the key of everyone"},
		{`{"aud":"mirrors","n":1,"op":"epoch"}`, "admin", "", "key", "", "made a new key for the mirrors"},
		{`{"n":1,"op":"tree"}`, "admin", "", "key", "", "closed the new keys to who may read"},
		{`{"n":1,"op":"link"}`, "admin", "", "link", "", "gave the group a link"},
		{`{"deny":true,"glob":"hr/**","id":"r1","may":"read","n":1,"op":"rule","who":["a","b"]}`, "admin", "", "rule", "", "set the rule r1: deny a,b read hr/**"},
		{`{"gone":true,"id":"r1","n":1,"op":"rule"}`, "admin", "", "rule", "", "took the rule r1 away"},
		{`{"id":"s1","n":1,"op":"share","open":{"name":"app","version":"1.4"}}`, "ci", "", "share", "app@1.4", "published app@1.4"},
		{`{"id":"s2","n":1,"op":"share","open":{"name":"lib"}}`, "ci", "", "share", "lib", "published lib"},
		{`{"aud":"all","id":"s3","n":1,"op":"share"}`, "ci", "films/x@1", "share", "films/x@1", "published films/x@1"},
		{`{"aud":"all","id":"s4","n":1,"op":"share"}`, "ci", "", "share", "", "shared something that is sealed, to everyone"},
		{`{"id":"s1","n":1,"op":"drop"}`, "ci", "", "drop", "app@1.4", "took back app@1.4"},
		{`{"id":"s1","n":1,"op":"drop"}`, "admin", "", "drop", "app@1.4", "took back app@1.4 (of ci)"},
		{`{"id":"s3","n":1,"op":"drop"}`, "admin", "", "drop", "films/x@1", "took back films/x@1 (of ci)"},
		{`{"id":"s4","n":1,"op":"drop"}`, "admin", "", "drop", "", "took back the entry with the ID s4"},
		{`{"id":"s5","n":1,"op":"drop"}`, "eve", "", "drop", "two", "took back two"},
		{`{"id":"s5","n":1,"op":"drop"}`, "admin", "", "drop", "", "took back the entry with the ID s5"},
		{`{"id":"none","n":1,"op":"drop"}`, "ci", "", "drop", "", "took back the entry with the ID none"},
		{`{"n":1,"op":"teleport"}`, "ci", "", "other", "", "a record of another kind (teleport)"},
		{`{"acct":5,"n":1,"op":"hello"}`, "ci", "", "other", "", "a record of another kind (hello)"},
	} {
		l := GroupLogRecord{Account: c.account}
		l.tell(record(c.raw), c.opened, entries)
		if l.Kind != c.kind || l.Entry != c.entry || l.What != c.what {
			t.Errorf("%s by %s: got %q, %q, %q, want %q, %q, %q", c.raw, c.account, l.Kind, l.Entry, l.What, c.kind, c.entry, c.what)
		}
	}
}
