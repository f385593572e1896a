package grouplog_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"
	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// group makes a folder with so many publishers, of one device each, who have published so many entries each.
func group(t testing.TB, publishers, entries int) string {
	s, dir := newStore(t)
	n := now.UnixMilli()
	write := func(dev string, lines [][]byte) {
		t.Helper()
		c, err := s.Offline(key(dev))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Append(c, secret(dev), now.Add(time.Hour), lines...); err != nil {
			t.Fatal(err)
		}
	}
	must := func(raw []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		n++
		return raw
	}
	admin := [][]byte{must(acl.NewHello(s.Group(), key("alice1"), acl.Hello{Account: "alice"}, n, secret("alice"), nil))}
	for p := range publishers {
		k := key(fmt.Sprint("pub", p))
		admin = append(admin, must(acl.AccountChange{Name: fmt.Sprint("pub", p), Role: acl.Publisher, Key: &k}.Marshal(n)))
	}
	for i, r := range []string{"deny guest publish **", "allow @crew publish films/**"} {
		rule, err := acl.ParseRule(r)
		if err != nil {
			t.Fatal(err)
		}
		rule.ID, rule.Pos = fmt.Sprint("r", i), int64(i)
		admin = append(admin, must(acl.RuleChange{Rule: rule}.Marshal(n)))
	}
	write("alice1", admin)
	for p := range publishers {
		dev, name := fmt.Sprint("dev", p), fmt.Sprint("pub", p)
		lines := [][]byte{must(acl.NewHello(s.Group(), key(dev), acl.Hello{Account: name}, n, secret(name), nil))}
		for i := range entries {
			id := fmt.Sprintf("%d-%d", p, i)
			v1 := metainfo.HashBytes([]byte(id))
			share := catalog.Share{ID: id, Name: fmt.Sprintf("project%d/tool%d", p, i/10), Version: fmt.Sprintf("1.%d.%d", i%10, i%7),
				Content: fmt.Sprintf("tool%d-1.%d.tar.gz", i/10, i%10), Time: now, Size: int64(i) * 1000, Files: 1, V1: &v1,
				Info: signed.HashOf([]byte(id)), Torrent: signed.HashOf([]byte(id + "t")), Sums: []signed.Hash{signed.HashOf([]byte(id + "s"))},
				Note: "A release of the tool, built from its tag"}
			lines = append(lines, must(share.Marshal(n)))
		}
		write(dev, lines)
	}
	return dir
}

// load is the way from the disk to what can be asked.
func load(t testing.TB, dir string) (*acl.State, *catalog.Index) {
	t.Helper()
	s := open(t, dir)
	at := now.Add(time.Hour)
	heads := s.Heads()
	gov, shares := make([]*acl.Part, len(heads)), make([]*catalog.Part, len(heads))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, h := range heads {
		g.Go(func() error {
			log, err := s.Log(h.Device, at)
			if err != nil {
				return err
			}
			gov[i], shares[i] = acl.NewPart(s.Group(), h.Device), catalog.NewPart(h.Device)
			gov[i].Add(log)
			return shares[i].Add(log.Records, nil)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	roots, err := s.Roots()
	if err != nil {
		t.Fatal(err)
	}
	state, err := acl.Fold(roots, gov, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state, catalog.Build(shares, state, at)
}

// TestFromDiskToCatalog holds the parts together: acl is the catalog's authority.
func TestFromDiskToCatalog(t *testing.T) {
	dir := group(t, 3, 50)
	state, ix := load(t, dir)
	if list, more := state.Problems(); len(list)+more > 0 {
		t.Errorf("problems of the accounts: %v", list)
	}
	if list, more := ix.Problems(); len(list)+more > 0 || ix.Len() != 150 {
		t.Errorf("got %d entries, want 150; problems %v", ix.Len(), list)
	}
	e, err := ix.Resolve("project2/tool4", "1.x")
	if err != nil || e.Account != "pub2" {
		t.Fatalf("got %+v, %v", e, err)
	}
	lines, err := open(t, dir).Lines(e.Device, e.Index, 1)
	if err != nil {
		t.Fatal(err)
	}
	full, err := catalog.ReadShare(lines[:len(lines)-1])
	if err != nil || full.Ref() != e.Ref() || len(full.Sums) != 1 {
		t.Errorf("the entry's record: got %+v, %v", full, err)
	}
	// Who is removed keeps what was known, and adds nothing.
	s := open(t, dir)
	gone, err := state.Removal("pub2")
	if err != nil {
		t.Fatal(err)
	}
	at := now.Add(time.Hour).UnixMilli()
	raw, err := gone.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	appendTo := func(dev string, raw []byte) {
		t.Helper()
		c, err := s.Offline(key(dev))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Append(c, secret(dev), now.Add(time.Hour), raw); err != nil {
			t.Fatal(err)
		}
	}
	appendTo("alice1", raw)
	share := *full
	share.ID, share.Version = "late", "9.9.9"
	raw, err = share.Marshal(at - 1000) // backdated
	if err != nil {
		t.Fatal(err)
	}
	appendTo("dev2", raw)
	_, ix = load(t, dir)
	if e, err := ix.Resolve("project2/tool4", ""); err != nil || e.Version == "9.9.9" || ix.Len() != 150 {
		t.Errorf("after the removal: got %+v, %v, %d entries", e, err, ix.Len())
	}
}

// BenchmarkCatalog is a catalog of 100,000 entries by 20 publishers, on disk.
func BenchmarkCatalog(b *testing.B) {
	dir := group(b, 20, 5000)
	var ix *catalog.Index
	b.Run("open and list", func(b *testing.B) {
		for range b.N {
			_, ix = load(b, dir)
			if n := len(ix.Entries()); n != 100_000 {
				b.Fatalf("got %d entries", n)
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys-m.HeapReleased)/1e6, "MB-from-the-system")
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-kept")
	})
	b.Run("search", func(b *testing.B) {
		for range b.N {
			if n := len(ix.Search("project7 TOOL42 release")); n == 0 {
				b.Fatal("nothing found")
			}
		}
	})
	b.Run("resolve", func(b *testing.B) {
		for range b.N {
			if _, err := ix.Resolve("project7/tool42", "1.x"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
