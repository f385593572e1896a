//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
	"github.com/p2pshare/p2pshare/integration/rogue"
)

// account is the origin of a fetch's bytes, as reported at its end.
type account struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	From struct {
		Peers    int64 `json:"peers"`
		WebSeeds int64 `json:"webseeds"`
	} `json:"bytes_from"`
}

// accountOf waits for a fetch with --json, and compares what it fetched.
func accountOf(ctx context.Context, t testing.TB, p *client.Process, want string) account {
	t.Helper()
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(p.Stdout.String()), "\n")
	var a account
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &a); err != nil || a.Path == "" {
		t.Fatalf("the last line is not an answer: %v: %q", err, lines[len(lines)-1])
	}
	if err := payload.Same(want, a.Path); err != nil {
		t.Error(err)
	}
	return a
}

// torrentOf makes a torrent of path, with web seeds from flags.
func torrentOf(t testing.TB, path string, flags ...string) string {
	t.Helper()
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	args := slices.Concat(nothing, flags, []string{"--no-seed", "-o", torrent, path})
	if out, err := us.Command(t, nil, "publish", args...).CombinedOutput(); err != nil {
		t.Fatalf("publish: %v: %s", err, out)
	}
	return torrent
}

// TestAcceptableSourceOfAMagnet checks that a magnet's acceptable source is used as a web seed, if its host is allowed, and that
// the source of a .torrent is requested once.
func TestAcceptableSourceOfAMagnet(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{true, false} {
		name := map[bool]string{true: "with --allow-private", false: "without"}[allowed]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 3)
			path := made(t, payload.OneFile)
			web := &rogue.WebSeed{Root: filepath.Dir(path)}
			at := serveHTTP(t, lab.Host(1), web)
			other := &rogue.WebSeed{Root: filepath.Dir(path)}
			torrents := serveHTTP(t, lab.Host(1), other)
			_, magnet := published(t, lab.Host(2), path, append([]string{"--max-up", "500KiB", "--piece-length", "32KiB"}, nothing...)...)
			ref := "magnet:?xt=urn:btih:" + infohash(t, magnet) + "&as=" + url.QueryEscape(at+"/"+payload.OneFile.Name) +
				"&as=" + url.QueryEscape(torrents+"/one.torrent")
			flags := append(peerFlag(lab.Host(2)), nothing...)
			if allowed {
				flags = append(flags, "--allow-private")
			}
			p := client.Start(t, us.Command(t, lab.Host(3), "fetch", append(flags, "--json", "-o", t.TempDir(), ref)...))
			got := accountOf(within(t, 2*time.Minute), t, p, path)
			if n := web.Requests.Load(); (n > 0) != allowed {
				t.Errorf("%d requests reached the acceptable source, want some %v", n, allowed)
			}
			if (got.From.WebSeeds > 0) != allowed {
				t.Errorf("got %d bytes from it, want some %v", got.From.WebSeeds, allowed)
			}
			if n := other.Requests.Load(); n > 1 || n > 0 && !allowed {
				t.Errorf("%d requests for a .torrent, want at most one, and none if its host is not allowed", n)
			}
		})
	}
}

// TestNginxGivesFilesOfEveryName fetches files of all names from nginx, whether it supports ranges, claims a content encoding,
// redirects to a mirror, or has faults in some files that another server does not have.
func TestNginxGivesFilesOfEveryName(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 2)
	root := t.TempDir()
	path := filepath.Join(root, "odd ü+#%")
	for i, name := range []string{"a+b.txt", "c#d.txt", "50%.txt", "x;y.txt", "[z].txt", "ü 日.txt", "q&a=1.txt", "it's (1).txt", "~$!@,.txt", "%41.txt", "e.tar.gz"} {
		file := filepath.Join(path, "in [it]", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.Repeat([]byte(name), 3000*(i+1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, at, err := client.NginxWith(within(t, time.Minute), t, lab.Host(1), root, `
		location /whole/ { alias `+root+`/; max_ranges 0; }
		location /coded/ { alias `+root+`/; add_header Content-Encoding gzip; }
		location /mirror/ { if ($request_uri ~ "^/mirror(/.*)$") { return 302 http://$http_host$1; } }
		location ~ "^/faults/.*/a.b.txt" { return 403; }
		location ~ "^/faults/.*/c.d.txt" { return 404; }
		location ~ "^/faults/.*/50" { return 410; }
		location ~ "^/faults/.*/x" { return 500; }
		location /faults/ { alias `+root+`/; }
	`)
	if err != nil {
		t.Fatal(err)
	}
	torrent := torrentOf(t, path, "--format", "v1", "--piece-length", "16KiB")
	for _, seeds := range [][]string{{""}, {"whole/"}, {"coded/"}, {"mirror"}, {"faults/", "whole/"}} {
		t.Run(strings.Join(seeds, " and "), func(t *testing.T) {
			t.Parallel()
			flags := slices.Concat(nothing, []string{"--json", "--timeout", "1m", "-o", t.TempDir()})
			for _, s := range seeds {
				flags = append(flags, "--webseed", at+s)
			}
			p := client.Start(t, us.Command(t, lab.Host(2), "fetch", append(flags, torrent)...))
			accountOf(within(t, time.Minute), t, p, path)
		})
	}
}

// TestNginxAndAPeerTogether fetches one torrent from a web server and another client, both slow.
func TestNginxAndAPeerTogether(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	for _, peer := range []client.Peer{client.Aria2{MaxUp: most}, client.Libtorrent{MaxUp: most}} {
		t.Run(peer.Name(), func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, 3)
			path := made(t, payload.Large)
			ctx := within(t, 2*time.Minute)
			_, at, err := client.SlowNginx(ctx, t, lab.Host(1), filepath.Dir(path), "600k")
			if err != nil {
				t.Fatal(err)
			}
			torrent := torrentOf(t, path, "--webseed", at)
			if _, err := peer.Seed(ctx, t, lab.Host(2), torrent, filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			flags := slices.Concat(peerFlag(lab.Host(2)), nothing, []string{"--json", "--allow-private", "-o", t.TempDir(), torrent})
			got := accountOf(ctx, t, client.Start(t, us.Command(t, lab.Host(3), "fetch", flags...)), path)
			// Bytes that both a peer and a server sent count once for each.
			if got.From.Peers <= 0 || got.From.WebSeeds <= 0 || got.From.Peers+got.From.WebSeeds < got.Size {
				t.Errorf("got %+v of %d bytes, want all of them and some of each", got.From, got.Size)
			}
		})
	}
}

// TestAria2FromUsAndNginx checks that aria2 fetches a torrent of ours from us and from a web server.
func TestAria2FromUsAndNginx(t *testing.T) {
	t.Parallel()
	lab := newLab(t, 3)
	_, announce := httpTracker(t, lab)
	path := made(t, payload.Large)
	ctx := within(t, 2*time.Minute)
	web, at, err := client.SlowNginx(ctx, t, lab.Host(1), filepath.Dir(path), "400k")
	if err != nil {
		t.Fatal(err)
	}
	torrent := filepath.Join(t.TempDir(), "t.torrent")
	flags := append([]string{"--json", "--port", "6881", "--format", "v1", "--tracker", announce, "--webseed", at, "--max-up", "2MiB", "-o", torrent}, nothing...)
	seeder := client.Start(t, us.Command(t, lab.Host(2), "publish", append(flags, path)...))
	if _, err := seeder.Stdout.Line(ctx, func(l string) bool { return strings.Contains(l, `"type":"seeding"`) }); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	p, err := client.Aria2{}.Fetch(ctx, t, lab.Host(3), torrent, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(path, filepath.Join(out, payload.Large.Name)); err != nil {
		t.Error(err)
	}
	if _, err := seeder.Stdout.Line(ctx, func(l string) bool {
		return strings.Contains(l, `"uploaded":`) && !strings.Contains(l, `"uploaded":0`)
	}); err != nil {
		t.Errorf("no bytes came from us: %v", err)
	}
	if _, err := web.Stdout.Line(ctx, func(l string) bool {
		return strings.Contains(l, "GET /large/") && (strings.Contains(l, `" 206 `) || strings.Contains(l, `" 200 `))
	}); err != nil {
		t.Errorf("no bytes came from the web server: %v", err)
	}
}

// changes are changes to a file while a web server serves it.
var changes = []struct {
	name   string
	change func(file string, old os.FileInfo) error
	want   string // in the fetch's message
	alone  bool   // also tested without a peer
}{
	{"replaced", func(file string, _ os.FileInfo) error {
		return replace(file, payload.Bytes(3_000_001, 99), time.Unix(1_000_000_000, 0))
	}, "does not match its hash", true},
	{"replaced, the same size and time", func(file string, old os.FileInfo) error {
		return replace(file, payload.Bytes(3_000_001, 99), old.ModTime())
	}, "does not match its hash", false},
	{"replaced by a shorter one", func(file string, _ os.FileInfo) error {
		return replace(file, payload.Bytes(2_000_000, 99), time.Unix(1_000_000_000, 0))
	}, "web seed", false},
	{"written into", func(file string, old os.FileInfo) error {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(bytes.Repeat([]byte("other"), 600_000)); err != nil {
			return err
		}
		return os.Chtimes(file, old.ModTime(), old.ModTime())
	}, "does not match its hash", true},
	{"removed", func(file string, _ os.FileInfo) error { return os.Remove(file) }, "404", false},
}

// replace replaces the content of a file atomically.
func replace(file string, b []byte, modified time.Time) error {
	if err := os.WriteFile(file+".new", b, 0o644); err != nil {
		return err
	}
	if err := os.Chtimes(file+".new", modified, modified); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// TestWebSeedChangesMeanwhile changes the content of a web seed after some of it was fetched. A peer that comes later provides
// the rest; without one the fetch ends without a file.
func TestWebSeedChangesMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range changes {
		for _, rescued := range []bool{true, false} {
			if !rescued && !c.alone {
				continue
			}
			t.Run(c.name+map[bool]string{true: ", a peer comes", false: ", nobody comes"}[rescued], func(t *testing.T) {
				t.Parallel()
				lab := newLab(t, 3)
				path := made(t, payload.OneFile)
				served := made(t, payload.OneFile)
				old, err := os.Stat(served)
				if err != nil {
					t.Fatal(err)
				}
				ctx := within(t, 2*time.Minute)
				_, at, err := client.SlowNginx(ctx, t, lab.Host(1), filepath.Dir(served), "64k")
				if err != nil {
					t.Fatal(err)
				}
				shape := []string{"--format", "v1", "--piece-length", "32KiB"}
				torrent := torrentOf(t, path, append(shape, "--webseed", at)...)
				out := t.TempDir()
				flags := slices.Concat(peerFlag(lab.Host(2)), nothing, []string{"--json", "--allow-private", "-o", out})
				if !rescued {
					flags = append(flags, "--timeout", "25s")
				}
				p := client.Start(t, us.Command(t, lab.Host(3), "fetch", append(flags, torrent)...))
				if _, err := p.Stdout.Line(ctx, func(l string) bool {
					return strings.Contains(l, `"webseeds":`) && !strings.Contains(l, `"webseeds":0`)
				}); err != nil {
					t.Fatal(err)
				}
				if err := c.change(served, old); err != nil {
					t.Fatal(err)
				}
				if _, err := p.Stdout.Line(ctx, func(l string) bool {
					return strings.Contains(l, " no longer ") && strings.Contains(l, c.want)
				}); err != nil {
					t.Fatal(err)
				}
				if !rescued {
					code, err := p.Exit(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if code != 14 {
						t.Errorf("exit code: got %d, want 14", code)
					}
					for _, want := range []string{"not fetched within 25s", "nobody who has it answers", "of 3000001 bytes were there"} {
						if said := p.Stdout.String(); !strings.Contains(said, want) {
							t.Errorf("said %q, want %q in it", said, want)
						}
					}
					nothingIn(t, out)
					return
				}
				published(t, lab.Host(2), path, append(shape, nothing...)...)
				got := accountOf(ctx, t, p, path)
				if got.From.Peers <= 0 || got.From.WebSeeds <= 0 {
					t.Errorf("got %+v, want some of each", got.From)
				}
			})
		}
	}
}
