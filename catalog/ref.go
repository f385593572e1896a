package catalog

import (
	"encoding/base32"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// Kind is the form a reference was written in.
type Kind int

const (
	Magnet   Kind = iota + 1 // a magnet link
	Infohash                 // a bare infohash
	File                     // a .torrent file on this machine
	URL                      // the http or https address of a .torrent file
	Named                    // an entry of a group: GROUP/NAME[@VERSION] or LINK/NAME[@VERSION]
)

func (k Kind) String() string {
	switch k {
	case Magnet:
		return "magnet"
	case Infohash:
		return "infohash"
	case File:
		return "file"
	case URL:
		return "url"
	case Named:
		return "name"
	}
	return "unknown"
}

// Ref is what the user asked for. A Magnet or Infohash has V1, V2 or both; a File has Path; a URL has URL; a Named
// one has Name, and Group or Link.
type Ref struct {
	Kind Kind
	V1   *metainfo.Hash // SHA-1 infohash (BEP 3)
	V2   *[32]byte      // SHA-256 infohash (BEP 52)

	DisplayName string   // dn: what the link calls the content; unproven
	Trackers    []string // tr: udp, http or https URLs
	WebSeeds    []string // ws and as: http or https URLs (BEP 19)
	Sources     []string // xs, and as that end in .torrent: http or https URLs of the .torrent; unproven
	Peers       []string // x.pe: host:port (BEP 9)
	Select      []int    // so: file indexes, ascending (BEP 53); nil: all files
	Ignored     []string // what of the link was passed over, and why, for the user to see

	Path string // of the .torrent file, as given
	URL  string // of the .torrent file

	Group   string       // the local name of a joined group
	Link    *signed.Link // of a group that need not be joined
	Name    string       // of the entry
	Version string       // a version, latest, stable or a range; empty: see Index.Resolve
}

const accepted = "give a magnet link, an infohash of 40 or 64 hex digits, a .torrent file, the http(s) address of one, or GROUP/NAME"

// ParseRef reads a reference. A string of the length and letters of an infohash is one even if a file
// has that name: write ./NAME for the file. Named references are taken where the caller says that it can resolve
// them; a file that is there goes before a name. Errors are of fault.Usage and name what is wrong.
func ParseRef(s string, also ...Kind) (Ref, error) {
	named := slices.Contains(also, Named)
	s = bare(s)
	switch {
	case s == "":
		return Ref{}, usage("the reference is empty")
	case len(s) > maxRefLen:
		return Ref{}, usage("the reference is %d bytes long, more than %d", len(s), maxRefLen)
	}
	switch scheme(s) {
	case "magnet":
		return parseMagnet(s)
	case "http", "https":
		return parseURL(s)
	case "file":
		return parseFileURL(s)
	case "p2pshare":
		if named {
			return parseInLink(s)
		}
		return Ref{}, fault.Hint(fault.New(fault.Usage, "%q is a link of a group, and no torrent", s), accepted)
	}
	if r, ok, err := bareHash(s); ok {
		return r, err
	}
	r, err := parsePath(s)
	if err != nil && named {
		if group, rest, found := strings.Cut(s, "/"); found && !strings.Contains(s, "://") && signed.CheckName(group) == nil && group != "." && group != ".." {
			return parseNamed(Ref{Group: group}, rest)
		}
	}
	return r, err
}

// bare takes off white space and what people copy along with a reference: invisible characters of web pages, quotes of any kind
// that stand around it, and angle brackets.
func bare(s string) string {
	for {
		s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
		next := s
		for _, pair := range []struct{ open, end string }{{"\"'`", "\"'`"}, {"“”„‟‘’‚‛«»‹›", "“”„‟‘’‚‛«»‹›"}, {"<", ">"}} {
			first, size := utf8.DecodeRuneInString(s)
			last, lastSize := utf8.DecodeLastRuneInString(s)
			if len(s) > size && strings.ContainsRune(pair.open, first) && strings.ContainsRune(pair.end, last) {
				next = s[size : len(s)-lastSize]
			}
		}
		if next == s {
			return s
		}
		s = next
	}
}

// parseInLink reads LINK/NAME[@VERSION]. A link has no slash, but behind it.
func parseInLink(s string) (Ref, error) {
	text, rest, found := strings.Cut(s, "/")
	link, err := signed.ParseLink(text)
	if err != nil {
		return Ref{}, err
	}
	if !found {
		return Ref{}, fault.Hint(fault.New(fault.Usage, "the link is of a group, and names nothing in it"),
			"join the group with `p2pshare group join LINK`, or give LINK/NAME")
	}
	return parseNamed(Ref{Link: &link}, rest)
}

func parseNamed(r Ref, rest string) (Ref, error) {
	if name, _, _ := strings.Cut(rest, "@"); name == "" || strings.ContainsAny(name, "*?") {
		group := r.Group
		if group == "" {
			group = "GROUP"
		}
		return Ref{}, fault.Hint(fault.New(fault.Usage, "one entry of a group is fetched at a time, by its name"),
			"p2pshare catalog list %s shows the names; p2pshare group follow %s -o DIR fetches all of them, --match some", group, group)
	}
	var err error
	r.Kind = Named
	if r.Name, r.Version, err = SplitName(rest); err != nil {
		return Ref{}, err
	}
	return r, nil
}

// scheme is the lower-case URL scheme of s. Single letters are none: C:\x is a path.
func scheme(s string) string {
	before, _, found := strings.Cut(s, ":")
	if !found || len(before) < 2 || strings.ContainsAny(before, `/\. `) {
		return ""
	}
	return strings.ToLower(before)
}

func usage(format string, args ...any) error {
	return fault.Hint(fault.New(fault.Usage, format, args...), accepted)
}

// bareHash reads an infohash that stands alone; ok says whether s is the digits of one.
func bareHash(s string) (r Ref, ok bool, err error) {
	r.Kind = Infohash
	digits := s
	if strings.HasPrefix(s, "1220") && len(s) == 68 {
		digits = s[4:]
	}
	if h, ok := parseV2(digits); ok {
		r.V2 = &h
		err = infohash.Check(h[:])
	} else if h, ok := parseV1(s); ok {
		r.V1 = &h
		err = infohash.Check(h[:])
	} else {
		return Ref{}, false, nil
	}
	if err != nil {
		return Ref{}, true, usage("%q cannot be an infohash: %v", s, err)
	}
	return r, true, nil
}

// parseV1 reads 40 hex digits or 32 letters of base32, in either case.
func parseV1(s string) (h metainfo.Hash, ok bool) {
	switch len(s) {
	case 40:
		_, err := hex.Decode(h[:], []byte(s))
		return h, err == nil
	case 32:
		_, err := base32.StdEncoding.Decode(h[:], []byte(strings.ToUpper(s)))
		return h, err == nil
	}
	return h, false
}

func parseV2(s string) (h [32]byte, ok bool) {
	if len(s) != 64 {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

func parseURL(s string) (Ref, error) {
	u, err := url.Parse(webaddr.Repair(s))
	if err != nil {
		return Ref{}, usage("%q is no web address: %v", s, cause(err))
	}
	if u.Hostname() == "" {
		return Ref{}, usage("%q names no host", s)
	}
	u.Fragment = ""
	return Ref{Kind: URL, URL: u.String()}, nil
}

func parseFileURL(s string) (Ref, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Ref{}, usage("%q is no file address: %v", s, cause(err))
	}
	if u.Host != "" && u.Host != "localhost" {
		return Ref{}, usage("%q names a file on another machine", s)
	}
	p := u.Path
	if p == "" {
		return Ref{}, usage("%q names no file", s)
	}
	if runtime.GOOS == "windows" {
		p = strings.TrimPrefix(p, "/") // file:///C:/x
	}
	return Ref{Kind: File, Path: filepath.FromSlash(p)}, nil
}

func parsePath(s string) (Ref, error) {
	info, err := os.Stat(s)
	if err == nil && info.IsDir() {
		return Ref{}, usage("%q is a folder, not a .torrent file", s)
	}
	if err == nil || strings.HasSuffix(strings.ToLower(s), ".torrent") {
		return Ref{Kind: File, Path: s}, nil
	}
	if n := len(s); allHex(s) && n >= 20 && n <= 80 {
		return Ref{}, usage("%q has %d hex digits; an infohash has 40 (v1) or 64 (v2)", s, n)
	}
	if at := strings.Index(s, "://"); at > 0 {
		return Ref{}, usage("%q begins with %s, and no content is fetched by such an address", s, s[:at+3])
	}
	if strings.Contains(s, "/") {
		return Ref{}, usage("%q is no file here", s)
	}
	return Ref{}, usage("%q is neither a reference nor a file", s)
}

func allHex(s string) bool {
	return strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// cause strips the URL that net/url puts in front of its errors: the caller quotes it already.
func cause(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}
