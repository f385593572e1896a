//go:build linux

package client

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/p2pshare/p2pshare/integration/netlab"
)

//go:embed libtorrent_create.py
var libtorrentCreate string

// Mktorrent makes a v1 torrent of path with mktorrent. pieceLog is the base-2 logarithm of the piece length.
func Mktorrent(ctx context.Context, path, out, announce string, pieceLog int) error {
	args := []string{"-l", strconv.Itoa(pieceLog), "-o", out}
	if announce != "" {
		args = append(args, "-a", announce)
	}
	return run(ctx, "mktorrent", append(args, path)...)
}

// LibtorrentCreate makes a torrent of path with libtorrent; format is v1, v2 or hybrid.
func LibtorrentCreate(ctx context.Context, path, out, format, announce string, pieceLength int) error {
	return run(ctx, "/usr/bin/python3", "-c", libtorrentCreate, path, out, format, strconv.Itoa(pieceLength), announce)
}

// Nginx serves the folder root over HTTP on a host's port 8080, and returns the base URL.
func Nginx(ctx context.Context, t testing.TB, h *netlab.Host, root string) (string, error) {
	_, url, err := SlowNginx(ctx, t, h, root, "0")
	return url, err
}

// SlowNginx is Nginx with a limit of rate bytes per second for each connection, as in "500k"; "0" is no limit. Stdout of the
// process is its access log.
func SlowNginx(ctx context.Context, t testing.TB, h *netlab.Host, root, rate string) (*Process, string, error) {
	return NginxWith(ctx, t, h, root, "limit_rate "+rate+";")
}

// NginxWith is SlowNginx with the given lines in its server block instead of a rate.
func NginxWith(ctx context.Context, t testing.TB, h *netlab.Host, root, lines string) (*Process, string, error) {
	dir := t.TempDir()
	conf := fmt.Sprintf(`user root; daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events {}
http {
  access_log /dev/stdout; client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2;
  fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
  server { listen %[2]s:8080; root %[3]s; %[4]s }
}`, dir, h.IP, root, lines)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, "", err
	}
	p := Start(t, h.Command(context.Background(), "nginx", "-e", "stderr", "-c", file))
	err := p.Until(ctx, "nginx listens", func() bool {
		c, err := h.Dial(ctx, "tcp", h.IP+":8080")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p, "http://" + h.IP + ":8080/", err
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, tail(string(out)))
	}
	return nil
}
