//go:build linux

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/netlab"
)

// Others returns the clients that start too slowly for most tests. Those of Peers are not among them.
func Others(w Way) []Peer { return []Peer{QBittorrent{w}, Deluge{w}, RTorrent{w}, WebTorrent{w}} }

// QBittorrent is qbittorrent-nox, controlled through its web API.
type QBittorrent struct{ Way }

// Name is "qBittorrent".
func (QBittorrent) Name() string { return "qBittorrent" }

// Seed implements Peer.
func (q QBittorrent) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	return seeded(ctx, t, h, torrent, data, q.start)
}

// Fetch implements Peer.
func (q QBittorrent) Fetch(ctx context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	return q.start(ctx, t, h, ref, out)
}

// starter starts a client with one torrent.
type starter func(ctx context.Context, t testing.TB, h *netlab.Host, ref, dir string) (*Process, error)

// seeded starts a client with existing content, and waits until it has checked it.
func seeded(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string, start starter) (*Process, error) {
	p, err := start(ctx, t, h, torrent, data)
	if err != nil {
		return nil, err
	}
	return p, p.Finished(ctx)
}

func (q QBittorrent) start(ctx context.Context, t testing.TB, h *netlab.Host, ref, dir string) (*Process, error) {
	const port = "8080"
	profile := t.TempDir()
	encryption := "0" // whatever the other side prefers
	if q.Encrypted {
		encryption = "1"
	}
	conf := `[LegalNotice]
Accepted=true
[BitTorrent]
Session\Port=` + strconv.Itoa(Port) + `
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\PeXEnabled=true
Session\BTProtocol=TCP
Session\AnonymousModeEnabled=false
Session\MultiConnectionsPerIp=true
Session\QueueingSystemEnabled=false
Session\Encryption=` + encryption + `
[Preferences]
Connection\UPnP=false
WebUI\Address=127.0.0.1
WebUI\Port=` + port + `
WebUI\LocalHostAuth=false
WebUI\UseUPnP=false
`
	if err := put(filepath.Join(profile, "qBittorrent", "config", "qBittorrent.conf"), conf); err != nil {
		return nil, err
	}
	cmd := h.Command(context.Background(), "qbittorrent-nox", "--profile="+profile)
	cmd.Env = append(os.Environ(), "HOME="+profile, "QT_QPA_PLATFORM=offscreen")
	p := Start(t, cmd)
	web := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return h.Dial(ctx, network, "127.0.0.1:"+port)
	}}}
	call := func(method, path, kind string, body io.Reader) (string, error) {
		req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+port+"/api/v2/"+path, body)
		if err != nil {
			return "", err
		}
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		res, err := web.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", res.Status, b)
		}
		return string(b), err
	}
	if err := p.Until(ctx, "qBittorrent answers", func() bool { _, err := call("GET", "app/version", "", nil); return err == nil }); err != nil {
		return nil, err
	}
	var body strings.Builder
	form := multipart.NewWriter(&body)
	form.WriteField("savepath", dir)
	form.WriteField("root_folder", "true")
	if strings.HasPrefix(ref, "magnet:") {
		form.WriteField("urls", ref)
	} else {
		b, err := os.ReadFile(ref)
		if err != nil {
			return nil, err
		}
		w, err := form.CreateFormFile("torrents", "t.torrent")
		if err != nil {
			return nil, err
		}
		w.Write(b)
	}
	form.Close()
	if said, err := call("POST", "torrents/add", form.FormDataContentType(), strings.NewReader(body.String())); err != nil || said != "Ok." {
		return nil, fmt.Errorf("qBittorrent refuses it: %v: %s", err, said)
	}
	p.finished = func(ctx context.Context) error {
		last := ""
		err := p.Until(ctx, "qBittorrent has all", func() bool {
			var list []struct {
				State    string
				Progress float64
			}
			said, err := call("GET", "torrents/info", "", nil)
			last = said
			return err == nil && json.Unmarshal([]byte(said), &list) == nil && len(list) == 1 && list[0].Progress == 1 &&
				(list[0].State == "uploading" || list[0].State == "stalledUP" || list[0].State == "forcedUP")
		})
		return withLast(err, last)
	}
	return p, nil
}

// withLast adds the last output of a client to an error.
func withLast(err error, last string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, tail(last))
}

func put(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// Deluge is deluged, controlled through deluge-console.
type Deluge struct{ Way }

// Name is "Deluge".
func (Deluge) Name() string { return "Deluge" }

// Seed implements Peer.
func (d Deluge) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	return seeded(ctx, t, h, torrent, data, d.start)
}

// Fetch implements Peer.
func (d Deluge) Fetch(ctx context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	return d.start(ctx, t, h, ref, out)
}

func (d Deluge) start(ctx context.Context, t testing.TB, h *netlab.Host, ref, dir string) (*Process, error) {
	config := t.TempDir()
	policy := 1 // encryption: whatever the other side prefers
	if d.Encrypted {
		policy = 0
	}
	settings, err := json.Marshal(map[string]any{
		"listen_ports": []int{Port, Port}, "random_port": false, "dht": false, "upnp": false, "natpmp": false, "lsd": false, "utpex": true,
		"download_location": dir, "new_release_check": false, "allow_remote": false, "daemon_port": 58846, "send_info": false,
		"enc_in_policy": policy, "enc_out_policy": policy, "enc_level": 2,
	})
	if err != nil {
		return nil, err
	}
	if err := put(filepath.Join(config, "core.conf"), `{"file": 1, "format": 1}`+string(settings)); err != nil {
		return nil, err
	}
	console := func(ctx context.Context, command string) (string, error) {
		c := h.Command(ctx, "deluge-console", "-c", config, command)
		c.Env = append(os.Environ(), "HOME="+config, "TERM=dumb")
		b, err := c.CombinedOutput()
		return string(b), err
	}
	var p *Process
	// Its logging (2.0.3) fails under Python 3.11, and now and then the program exits because of that when it starts.
	for range 3 {
		cmd := h.Command(context.Background(), "deluged", "-d", "-c", config)
		cmd.Env = append(os.Environ(), "HOME="+config)
		p = Start(t, cmd)
		err = p.Until(ctx, "deluged answers", func() bool {
			c, err := h.Dial(ctx, "tcp", "127.0.0.1:58846")
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		if p.Running() {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if said, err := console(ctx, fmt.Sprintf("add -p '%s' '%s'", dir, ref)); err != nil || !strings.Contains(said, "Torrent added") {
		return nil, fmt.Errorf("deluge refuses it: %v: %s", err, tail(said))
	}
	p.finished = func(ctx context.Context) error {
		last, asked := "", time.Time{}
		err := p.Until(ctx, "Deluge has all", func() bool {
			if time.Since(asked) < 2*time.Second { // each call runs a program that takes a second to start
				return false
			}
			var err error
			defer func() { asked = time.Now() }()
			last, err = console(ctx, "info")
			return err == nil && (strings.Contains(last, "[S]") || strings.Contains(last, "Seeding"))
		})
		return withLast(err, last)
	}
	return p, nil
}

// RTorrent is rtorrent without a terminal.
type RTorrent struct{ Way }

// Name is "rtorrent".
func (RTorrent) Name() string { return "rtorrent" }

// Seed implements Peer.
func (r RTorrent) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	return seeded(ctx, t, h, torrent, data, r.start)
}

// Fetch implements Peer.
func (r RTorrent) Fetch(ctx context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	return r.start(ctx, t, h, ref, out)
}

func (r RTorrent) start(ctx context.Context, t testing.TB, h *netlab.Host, ref, dir string) (*Process, error) {
	config := t.TempDir()
	hook, mark := filepath.Join(config, "hook"), filepath.Join(config, "done")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\n[ \"$1\" = 1 ] && touch '"+mark+"'\nexit 0\n"), 0o700); err != nil {
		return nil, err
	}
	encryption := "allow_incoming,try_outgoing,enable_retry"
	if r.Encrypted {
		encryption = "allow_incoming,try_outgoing,require,require_RC4"
	}
	port := strconv.Itoa(Port)
	rc := `directory.default.set = "` + dir + `"
session.path.set = ` + config + `
network.port_range.set = ` + port + "-" + port + `
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = yes
trackers.use_udp.set = yes
protocol.encryption.set = ` + encryption + `
method.set_key = event.download.finished, mark, "execute=` + hook + `,1"
method.set_key = event.download.hash_done, mark, "execute=` + hook + `,$d.complete="
schedule2 = load, 0, 0, "load.start=\"` + ref + `\""
system.daemon.set = true
`
	file := filepath.Join(config, "rtorrent.rc")
	if err := put(file, rc); err != nil {
		return nil, err
	}
	cmd := h.Command(context.Background(), "rtorrent", "-n", "-o", "import="+file)
	cmd.Env = append(os.Environ(), "HOME="+config)
	p := Start(t, cmd)
	p.finished = func(ctx context.Context) error {
		return p.Until(ctx, "rtorrent has all", func() bool { _, err := os.Stat(mark); return err == nil })
	}
	return p, nil
}

// WebTorrent is the npm package under Node, with TCP only, as installed by deps.sh.
type WebTorrent struct{ Way }

// Name is "WebTorrent".
func (WebTorrent) Name() string { return "WebTorrent" }

// Seed implements Peer.
func (w WebTorrent) Seed(ctx context.Context, t testing.TB, h *netlab.Host, torrent, data string) (*Process, error) {
	p := w.start(t, h, "seed", torrent, data)
	return p, p.Finished(ctx)
}

// Fetch implements Peer.
func (w WebTorrent) Fetch(_ context.Context, t testing.TB, h *netlab.Host, ref, out string) (*Process, error) {
	return w.start(t, h, "fetch", ref, out), nil
}

func (w WebTorrent) start(t testing.TB, h *netlab.Host, mode, ref, dir string) *Process {
	script := filepath.Join("..", ".tools", "webtorrent", "peer.mjs")
	p := Start(t, h.Command(context.Background(), "node", script, mode, strconv.Itoa(Port), ref, dir, strconv.FormatBool(w.Encrypted)))
	p.finished = func(ctx context.Context) error {
		_, err := p.Stdout.Line(ctx, func(l string) bool { return l == "done" })
		return err
	}
	return p
}
