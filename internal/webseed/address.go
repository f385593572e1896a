package webseed

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// address is where the files of a torrent are below one URL.
type address struct {
	base  *url.URL
	files bool // base is a folder that holds what is called as the torrent
}

// parseAddress reads a web seed's URL (BEP 19) as browsers do: that of a single file, or of the folder that the torrent's
// file or folder is in.
func parseAddress(raw string, t *metafile.Torrent) (address, error) {
	u, err := url.Parse(webaddr.Repair(raw))
	if err != nil {
		return address{}, fmt.Errorf("it is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return address{}, fmt.Errorf("it is neither http nor https")
	}
	u.Fragment, u.RawFragment = "", ""
	return address{base: u, files: t.Dir || strings.HasSuffix(u.Path, "/")}, nil
}

// of is the URL of a file.
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
	// What is escaped here can be unescaped, which is all that PathUnescape complains of.
	u.Path, _ = url.PathUnescape(escaped)
	u.RawPath = escaped
	return u.String()
}

// escape escapes what is in a name but the few characters that no server reads as anything else (RFC 3986, 2.3): a plus
// is a blank to S3, and others take their own meaning from = & @ : $ ; and commas.
func escape(name string) string {
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
