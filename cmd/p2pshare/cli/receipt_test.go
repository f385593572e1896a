package cli_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// receiptOf makes the receipt of files that were fetched, signed by a device of the group acmeID.
func receiptOf(t *testing.T, content string, files map[string]string) []byte {
	t.Helper()
	gid, err := signed.ParseGroupID(acmeID)
	if err != nil {
		t.Fatal(err)
	}
	device, err := signed.SigningKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	share := catalog.Share{ID: "a1", Name: "app", Version: "1.4.2", Content: content, Time: time.Unix(1_700_000_000, 0).UTC(), V1: &metainfo.Hash{1}, Info: signed.Hash{1}, Torrent: signed.Hash{1}, Files: len(files)}
	var list []catalog.ReceiptFile
	for _, name := range []string{"", "app", "docs/manual"} {
		text, ok := files[name]
		if !ok {
			continue
		}
		sum := signed.Hash(sha256.Sum256([]byte(text)))
		share.Sums, share.Size = append(share.Sums, sum), share.Size+int64(len(text))
		list = append(list, catalog.ReceiptFile{Path: name, Size: int64(len(text)), SHA256: sum})
	}
	record, err := share.Marshal(1_700_000_000_000)
	if err != nil {
		t.Fatal(err)
	}
	tree := &signed.Tree{}
	hashes := []signed.Hash{tree.Append(record)}
	head, err := signed.SignHead(gid, device, 1, tree.Root(), time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.NewReceipt("acme", &catalog.Entry{Share: &share, Account: "b\x1bob", Device: device.Public()}, head, record, hashes, list, time.Unix(1_700_000_001, 0))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestVerifyReceipt(t *testing.T) {
	files := map[string]string{"app": "program", "docs/manual": "manual"}
	put := func(s *shell, name, text string) {
		t.Helper()
		path := filepath.Join(s.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := strings.Replace(acmeID, "0a", "0b", 1)
	otherID, err := signed.ParseGroupID(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		change         func(s *shell)
		args           []string
		code           int
		stdout, stderr string
	}{
		{"beside the receipt", func(*shell) {}, nil, 0, "/rel: 2 files, 13 B\n", "as app@1.4.2 in the group " + acmeID},
		{"elsewhere", func(s *shell) { _ = os.Rename(filepath.Join(s.dir, "rel"), filepath.Join(s.dir, "there")) }, []string{"there"}, 0, "/there: 2 files, 13 B\n", "whether that is the group"},
		{"of the group, by its ID", func(*shell) {}, []string{"--group", acmeID}, 0, "OK ", ""},
		{"of the group, by its link", func(*shell) {}, []string{"--group", acmeLink}, 0, "OK ", ""},
		{"of the group, by its name", func(*shell) {}, []string{"--group", "acme"}, 0, "OK ", ""},
		{"of another group, by its ID", func(*shell) {}, []string{"--group", other}, 13, "", "the receipt is of the group " + acmeID},
		{"of another group, by its link", func(*shell) {}, []string{"--group", signed.Link{Group: otherID, Kind: signed.Public}.String()}, 13, "", "the receipt is of the group"},
		{"of another group, by its name", func(s *shell) { s.fake.groupAnswer.Groups[0].ID = other }, []string{"--group", "acme"}, 13, "", "the receipt is of the group"},
		{"a link that is none", func(*shell) {}, []string{"--group", acmeLink + "x"}, 4, "", "mistyped"},
		{"changed", func(s *shell) { put(s, "rel/app", "Program") }, nil, 13, "app: changed\n", "1 file is not as the receipt says"},
		{"missing", func(s *shell) { _ = os.Remove(filepath.Join(s.dir, "rel", "app")) }, nil, 13, "app: missing\n", "gets good ones"},
		{"more", func(s *shell) { put(s, "rel/x\x07", "") }, nil, 13, `x\a: not in the receipt` + "\n", ""},
		{"a link out of the folder", func(s *shell) {
			path := filepath.Join(s.dir, "rel", "app")
			put(s, "outside", "program")
			_ = os.Remove(path)
			_ = os.Symlink(filepath.Join(s.dir, "outside"), path)
		}, nil, 13, "app: missing\n", ""},
		{"a link within", func(s *shell) {
			path := filepath.Join(s.dir, "rel", "app")
			_ = os.Rename(path, filepath.Join(s.dir, "rel", "x"))
			_ = os.Symlink("x", path)
		}, nil, 13, "x: not in the receipt\n", ""},
		{"no content", func(s *shell) { _ = os.RemoveAll(filepath.Join(s.dir, "rel")) }, nil, 10, "", "there is no"},
		{"no receipt", func(s *shell) { _ = os.Remove(filepath.Join(s.dir, "r.json")) }, nil, 10, "", "there is no file"},
		{"a receipt that was changed", func(s *shell) {
			raw, _ := os.ReadFile(filepath.Join(s.dir, "r.json"))
			put(s, "r.json", strings.Replace(string(raw), "1.4.2", "1.4.3", 1))
		}, nil, 13, "", "the receipt does not hold"},
		{"no receipt at all", func(s *shell) { put(s, "r.json", "hello") }, nil, 13, "", "is no receipt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.groupAnswer = acmeAnswer()
			put(s, "r.json", string(receiptOf(t, "rel", files)))
			for name, text := range files {
				put(s, "rel/"+name, text)
			}
			c.change(s)
			s.want(c.code, c.stdout, c.stderr, append([]string{"verify", "--receipt", "r.json"}, c.args...)...)
			if byName := len(c.args) == 2 && c.args[1] == "acme"; (s.fake.opened == 1) != byName {
				t.Errorf("opened %d nodes, want one for a local name alone", s.fake.opened)
			}
		})
	}
	t.Run("taken back since", func(t *testing.T) {
		s := newShell(t)
		put(s, "r.json", string(receiptOf(t, "rel", files)))
		for name, text := range files {
			put(s, "rel/"+name, text)
		}
		s.env["P2PSHARE_HOME"] = s.dir
		s.fake.catalogAnswer = &node.CatalogAnswer{Taken: &node.Taken{By: "admin", Time: time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local), Note: "crashes\x1b"}}
		s.want(0, "OK ", `warning: app@1.4.2 was taken back by admin on 2026-11-29: crashes\x1b`, "verify", "--receipt", "r.json")
		if r := s.fake.catalog; r.Group != acmeID || r.Taken == nil || *r.Taken != "app@1.4.2" {
			t.Errorf("asked: %+v", r)
		}
		s.stdout = buffer{}
		s.want(0, `"taken":{"by":"admin"`, "", "verify", "--receipt", "r.json", "--json")
		s.stdout, s.fake.openErr = buffer{}, errors.New("busy")
		s.want(0, "OK ", "", "verify", "--receipt", "r.json")
	})
	t.Run("one file", func(t *testing.T) {
		s := newShell(t)
		put(s, "r.json", string(receiptOf(t, "app.iso", map[string]string{"": "image"})))
		put(s, "app.iso", "image")
		s.want(0, "/app.iso: 1 file, 5 B\n", "", "verify", "--receipt", "r.json")
		put(s, "app.iso", "imagf")
		s = &shell{t: t, fake: &fake{}, clock: s.clock, dir: s.dir, env: s.env, sig: s.sig}
		s.want(13, "/app.iso: changed\n", "", "verify", "--receipt", "r.json")
	})
	t.Run("JSON", func(t *testing.T) {
		s := newShell(t)
		put(s, "r.json", string(receiptOf(t, "rel", files)))
		put(s, "rel/app", "program")
		s.want(13, `"files":2,"size":13,"ok":false,"group_checked":false,"bad":[{"path":"docs/manual","problem":"missing"}]}`, "", "verify", "--receipt", "r.json", "--json")
		if got := s.stdout.String(); !strings.Contains(got, `{"version":1,"type":"receipt","path":"`) || !strings.Contains(got, `"account":"b\u001bob"`) {
			t.Errorf("got %s, want a receipt", got)
		}
	})
	t.Run("asks the group offline", func(t *testing.T) {
		s := newShell(t)
		s.fake.groupAnswer = acmeAnswer()
		put(s, "r.json", string(receiptOf(t, "rel", files)))
		s.run("verify", "--receipt", "r.json", "--group", "acme")
		if got := s.fake.group; got.Show == nil || !got.Offline || got.Group != "acme" {
			t.Errorf("request: got %+v", got)
		}
	})
}
