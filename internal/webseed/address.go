package webseed

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// address is the location of a torrent's files below one URL.
type address struct {
	base  *url.URL
	files bool // base is a folder that contains the torrent's file or folder
}

// parseAddress reads a web seed's URL (BEP 19) as browsers do: the URL of a single file, or of the folder that contains the
// torrent's file or folder.
func parseAddress(raw string, t *metafile.Torrent) (address, error) {
	u, err := url.Parse(webaddr.Repair(raw))
	if err != nil {
		return address{}, fmt.Errorf("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return address{}, fmt.Errorf("neither http nor https")
	}
	u.Fragment, u.RawFragment = "", ""
	return address{base: u, files: t.Dir || strings.HasSuffix(u.Path, "/")}, nil
}

// of returns the URL of a file.
func (a address) of(t *metafile.Torrent, file int) string {
	if !a.files {
		return a.base.String()
	}
	parts := append([]string{t.Name}, t.Files[file].Path...)
	for i, p := range parts {
		parts[i] = escape(p)
	}
	u := *a.base
	escaped := strings.TrimSuffix(u.EscapedPath(), "/") + "/" + strings.Join(parts, "/")
	// The only error of PathUnescape is a bad escape, and there is none here.
	u.Path, _ = url.PathUnescape(escaped)
	u.RawPath = escaped
	return u.String()
}

// escape escapes all characters of a name except the few that no server interprets (RFC 3986, 2.3): a plus is a space to S3,
// and other servers interpret = & @ : $ ; and commas.
func escape(name string) string {
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
