package localapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// refusal is a request that is not carried out: what is wrong with it, and the status that says so.
type refusal struct {
	status int
	code   string
	err    error
}

func refuse(status int, code string, kind fault.Kind, format string, args ...any) *refusal {
	return &refusal{status, code, fault.New(kind, format, args...)}
}

// read is the body of a request as a T: one JSON object of known fields, at most maxBody bytes.
func read[T any](body io.Reader) (T, *refusal) {
	var v T
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return v, refuse(http.StatusBadRequest, "", fault.Failed, "reading the request: %w", err)
	}
	if len(data) > maxBody {
		return v, refuse(http.StatusRequestEntityTooLarge, "", fault.Usage, "the request is larger than %d bytes", maxBody)
	}
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return v, refuse(http.StatusBadRequest, "", fault.Usage, "the request is no JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, malformed(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return v, refuse(http.StatusBadRequest, "", fault.Usage, "the request has more than one JSON value")
	}
	if err := checkPaths(any(v)); err != nil {
		return v, &refusal{http.StatusBadRequest, "", err}
	}
	return v, nil
}

func malformed(err error) *refusal {
	// The decoder has no type for an unknown field.
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(http.StatusBadRequest, codeField, fault.Usage, "the request has an unknown field %s", name)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return refuse(http.StatusBadRequest, "", fault.Usage, "the field %q of the request cannot be a %s", wrong.Field, wrong.Value)
	}
	return refuse(http.StatusBadRequest, "", fault.Usage, "the request is malformed: %w", err)
}

// checkPaths refuses relative paths: the daemon's working folder is not the caller's.
func checkPaths(r any) error {
	var paths []string
	switch r := r.(type) {
	case node.PublishRequest:
		paths = []string{r.Path, r.Output, r.Sums}
	case node.FetchRequest:
		paths = []string{r.Dir, r.Sums, r.Receipt}
	case node.SeedRequest:
		paths = append([]string{r.Data}, r.Torrents...)
	case node.VerifyRequest:
		paths = []string{r.Torrent, r.Data}
	case node.GroupRequest:
		paths = groupPaths(r)
	case node.CatalogRequest:
		for _, p := range []*string{r.Export, r.Import} {
			if p != nil {
				paths = append(paths, *p)
			}
		}
	}
	for _, p := range paths {
		if p != "" && !filepath.IsAbs(p) {
			return fault.Hint(fault.New(fault.Usage, "the path %q is not absolute", p), "the daemon has a working folder of its own")
		}
		if strings.ContainsRune(p, 0) {
			return fault.New(fault.Usage, "the path %q has a zero byte", p)
		}
	}
	return nil
}

// groupPaths are the paths in a request. What a group is joined by may be one, or a link; what it is restored from is one.
func groupPaths(r node.GroupRequest) (paths []string) {
	if j := r.Join; j != nil {
		paths = append(paths, j.Key, j.DeviceKey)
		if len(r.Group) < len(linkScheme) || !strings.EqualFold(r.Group[:len(linkScheme)], linkScheme) {
			paths = append(paths, r.Group)
		}
	}
	if r.Restore != nil {
		paths = append(paths, r.Group)
	}
	if u := r.AddUser; u != nil {
		paths = append(paths, u.Key)
	}
	if u := r.AddUsers; u != nil {
		paths = append(paths, u.Out)
		for _, x := range u.Users {
			paths = append(paths, x.Key)
		}
	}
	if u := r.ChangeUser; u != nil {
		paths = append(paths, u.Draft)
	}
	if o := r.Owners; o != nil {
		paths = append(paths, o.Draft, o.Export, o.Import)
	}
	if f := r.Follow; f != nil {
		paths = append(paths, f.Dir)
	}
	return paths
}

// linkScheme is how the link of a group begins.
const linkScheme = "p2pshare:"

// checkCaller refuses what is not a client of ours: whatever a browser can be made to send by a page has at least
// one of these marks, and none of ours has.
func checkCaller(r *http.Request) *refusal {
	if r.Host != host {
		return refuse(http.StatusForbidden, codeRefused, fault.Denied, "the host %q is not served here", r.Host)
	}
	for name := range r.Header {
		switch {
		case name == "Origin", name == "Referer", name == "Cookie", strings.HasPrefix(name, "Sec-"), strings.HasPrefix(name, "Access-Control-"):
			return refuse(http.StatusForbidden, codeRefused, fault.Denied, "browsers are not served: the request has the header %q", name)
		}
	}
	if strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		return refuse(http.StatusForbidden, codeRefused, fault.Denied, "browsers are not served: %q", r.UserAgent())
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != typeJSON {
		return refuse(http.StatusUnsupportedMediaType, codeRefused, fault.Usage, "the content type %q is not %s", r.Header.Get("Content-Type"), typeJSON)
	}
	return nil
}

// encode is v as JSON on one line, with & < > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return b.Bytes(), nil
}
