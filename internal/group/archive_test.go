package group_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// entry is one of an archive.
type entry struct {
	name string
	body []byte
	pax  map[string]string
	kind byte
}

func exported(t testing.TB, g *group.Group) []entry {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	if _, _, err := g.WriteArchive(path, 0o644); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []entry
	r := tar.NewReader(bytes.NewReader(raw))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{name: h.Name, body: b})
	}
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.body)), Format: tar.FormatPAX, PAXRecords: e.pax, Typeflag: e.kind}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readArchive(t testing.TB, raw []byte) (*group.Archive, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return group.ReadArchive(path)
}

// TestArchive brings a group of some devices from machine to machine, in whatever order they stand in the file.
func TestArchive(t *testing.T) {
	alice := create(t)
	const people = 8
	for i := range people {
		g := join(t, alice)
		key := addUser(t, alice, fmt.Sprintf("u%d", i), acl.Publisher)
		must(t, sync(t, alice, g))
		must(t, g.BecomeDevice(key, "pc"))
		must(t, sync(t, g, alice))
	}
	a, err := readArchive(t, archiveOf(t, exported(t, alice)...))
	must(t, err)
	bob, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	n, err := a.Into(t.Context(), bob)
	must(t, err)
	s, err := bob.State()
	must(t, err)
	if got := len(s.Devices()); got != people+1 || n != 2*people+1 {
		t.Errorf("%d devices and %d records came, want %d and %d", got, n, people+1, 2*people+1)
	}
	if n, err := a.Into(t.Context(), bob); err != nil || n != 0 {
		t.Errorf("again: %d records, %v", n, err)
	}
}

// TestArchiveRefuses is what WriteArchive never writes. None of it is as large in memory as it says it is.
func TestArchiveRefuses(t *testing.T) {
	alice := create(t)
	must(t, share(alice, "app", "1"))
	good := exported(t, alice)
	root, head, log := good[0], good[1], good[2]
	h, records := stranger(t, alice, `{"n":1,"op":"junk"}`)
	other := []entry{{name: "heads/" + h.Device.String(), body: h.Raw}, {name: "logs/" + h.Device.String(), body: append(records[0], '\n')}}
	named := func(e entry, name string) entry { e.name = name; return e }
	body := func(e entry, b []byte) entry { e.body = b; return e }
	for name, entries := range map[string][]entry{
		"nothing":                    {},
		"no root":                    {head, log},
		"a root after the logs":      {head, log, root},
		"a root twice":               {root, root, head, log},
		"a root with another number": {named(root, "roots/2"), head, log},
		"a number with a zero":       {named(root, "roots/01"), head, log},
		"a damaged root":             {body(root, bytes.Replace(root.body, []byte("acme"), []byte("acmf"), 1)), head, log},
		"a root that is too large":   {body(root, bytes.Repeat([]byte("x"), 100_000)), head, log},
		"a second root of nobody":    {root, named(root, "roots/2"), head, log},
		"a log without its head":     {root, log},
		"a head without its log":     {root, head},
		"a head twice":               {root, head, head, log},
		"a log twice":                {root, head, log, log},
		"a device twice":             {root, head, log, head, log},
		"heads before logs":          {root, head, other[0], log, other[1]},
		"another device's log":       {root, head, named(log, other[1].name)},
		"another device's head":      {root, named(other[0], head.name), log},
		"a damaged head":             {root, body(head, bytes.Replace(head.body, []byte("\n2\n"), []byte("\n3\n"), 1)), log},
		"a record more":              {root, head, body(log, append(bytes.Clone(log.body), "{}\n"...))},
		"a record less":              {root, head, body(log, log.body[:bytes.IndexByte(log.body, '\n')+1])},
		"a changed record":           {root, head, body(log, bytes.Replace(log.body, []byte("app"), []byte("abb"), 1))},
		"a record that does not end": {root, head, body(log, log.body[:len(log.body)-1])},
		"a record that is too large": {root, head, body(log, append(bytes.Repeat([]byte("x"), 2<<20), '\n'))},
		"another entry":              {root, head, log, {name: "x/y"}},
		"another entry below logs":   {root, head, log, {name: "logs/../../etc/passwd"}},
		"a folder":                   {root, {name: "heads/", kind: tar.TypeDir}, head, log},
		"a link":                     {root, {name: head.name, kind: tar.TypeLink}, log},
		"an attribute":               {{name: root.name, body: root.body, pax: map[string]string{"SCHILY.xattr.a": "b"}}, head, log},
		"a log of a million records": {root, head, body(log, bytes.Repeat([]byte("x\n"), 1<<20))},
	} {
		a, err := readArchive(t, archiveOf(t, entries...))
		if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, %v, want a usage error with a hint", name, a, err)
		}
	}
	raw := archiveOf(t, good...)
	for _, n := range []int{1, 512, 700, 1500, len(raw) / 2} {
		if _, err := readArchive(t, raw[:n]); fault.KindOf(err) != fault.Usage {
			t.Errorf("cut after %d bytes: got %v, want a usage error", n, err)
		}
	}
	if _, err := group.ReadArchive(filepath.Join(t.TempDir(), "none")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no file: %v", err)
	}
}

// TestArchiveThatChanges: what changes after it was read is judged again when it is taken.
func TestArchiveThatChanges(t *testing.T) {
	alice := create(t)
	path := filepath.Join(t.TempDir(), "export")
	_, _, err := alice.WriteArchive(path, 0o644)
	must(t, err)
	a, err := group.ReadArchive(path)
	must(t, err)
	entries := exported(t, alice)
	entries[2].body = bytes.Replace(entries[2].body, []byte("laptop"), []byte("loptap"), 1)
	must(t, os.WriteFile(path, archiveOf(t, entries...), 0o600))
	bob, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	if n, err := a.Into(t.Context(), bob); err == nil || n != 0 {
		t.Errorf("%d records of another file were taken, %v", n, err)
	}
}

// FuzzArchive reads and takes archives as anybody could make them.
func FuzzArchive(f *testing.F) {
	alice, err := group.Create(f.TempDir(), group.Created{Name: "acme", User: "alice", Label: "laptop", Stale: 720}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	good := exported(f, alice)
	f.Add(archiveOf(f, good...))
	f.Add(archiveOf(f, good[0]))
	f.Add(archiveOf(f, good[1], good[0], good[2]))
	h, records := stranger(f, alice, `{"n":1,"op":"junk"}`)
	f.Add(archiveOf(f, good[0], entry{name: "heads/" + h.Device.String(), body: h.Raw}, entry{name: "logs/" + h.Device.String(), body: append(records[0], '\n')}))
	f.Add(archiveOf(f, append(slices.Clone(good), entry{name: "roots/2", body: good[0].body})...))
	f.Add([]byte(strings.Repeat("x", 512)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(dir, "export")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := group.ReadArchive(path)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("%v is no usage error", err)
			}
			return
		}
		bob, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Into(t.Context(), bob)
		if err != nil && bytes.Equal(raw, archiveOf(t, good...)) {
			t.Fatal(err)
		}
		// Whatever it brought, nothing was taken that alice has not signed.
		for i, root := range bob.Roots(1) {
			if i > 0 || !bytes.Equal(root, good[0].body) {
				t.Fatalf("took the root %q", root)
			}
		}
		for _, head := range bob.AllHeads() {
			records, rerr := bob.Records(head.Device, 0, 1<<20)
			if rerr != nil || !bytes.Equal(head.Raw, good[1].body) || !bytes.Equal(records, good[2].body) {
				t.Fatalf("took the log %q of the head %q, %v", records, head.Raw, rerr)
			}
		}
		if len(bob.AllHeads()) > 0 && a.Group != alice.ID() {
			t.Fatalf("took an archive of %v", a.Group)
		}
	})
}

// TestAChainOfLogs: an archive whose logs each vouch for the one before it is read a number of times, and not once for each.
func TestAChainOfLogs(t *testing.T) {
	alice := create(t)
	eve := addUser(t, alice, "eve", acl.Member)
	const chain = 17 // of one day, on which an account's key changes 16 times
	devices := make([]signed.SigningKey, chain)
	for i := range devices {
		devices[i] = newDevice(t)
	}
	// An archive has them in the order of their keys.
	slices.SortFunc(devices, func(a, b signed.SigningKey) int {
		one, other := b.Public(), a.Public()
		return bytes.Compare(one[:], other[:])
	})
	by, now := eve.Secret, time.Now()
	for i, d := range devices {
		next := newDevice(t) // any key
		key, ms := next.Public(), now.UnixMilli()+int64(10*i)
		hello, err := acl.NewHello(alice.ID(), d.Public(), acl.Hello{Account: "eve"}, ms, by, nil)
		must(t, err)
		records := [][]byte{hello}
		if i < chain-1 { // and every device stays
			keep := map[signed.Key]int64{}
			for _, o := range devices[:i+1] {
				keep[o.Public()] = -1
			}
			rekey, err := acl.AccountChange{Name: "eve", Key: &key, Keep: keep}.Marshal(ms + 1)
			must(t, err)
			records = append(records, rekey)
		}
		var tree signed.Tree
		for _, r := range records {
			tree.Append(r)
		}
		h, err := signed.SignHead(alice.ID(), d, tree.Size(), tree.Root(), now)
		must(t, err)
		must(t, alice.AddLog(t.Context(), h, 0, records))
		by = next
	}
	if n := admitted(t, alice, "eve"); n != chain {
		t.Fatalf("eve has %d machines", n)
	}
	path := filepath.Join(t.TempDir(), "export")
	if _, _, err := alice.WriteArchive(path, 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := group.ReadArchive(path)
	must(t, err)
	bob, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
	must(t, err)
	for i, want := range []string{"some", "all"} {
		if _, err := a.Into(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		if n := admitted(t, bob, "eve"); n == chain != (i == 1) || n < chain-2 {
			t.Errorf("got %d of eve's %d machines, want %s of them", n, chain, want)
		}
	}
}
