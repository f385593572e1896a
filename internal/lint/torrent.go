package lint

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
	namerules "github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// empty finds torrents whose files have no bytes. libtorrent 2.0 refuses them with "invalid length of torrent".
func empty(t *metafile.Torrent) []Finding {
	if t.Pieces > 0 {
		return nil
	}
	return []Finding{{Error, "it has no bytes: all of its files are empty",
		"libtorrent refuses it, and with it qBittorrent and Deluge; p2pshare fetches it", "add a file that is not empty"}}
}

func format(t *metafile.Torrent) []Finding {
	if t.V1 == nil {
		return []Finding{{Error, "it is v2 only (BEP 52)",
			"aria2 and Transmission 3 refuse it; libtorrent 2 and p2pshare fetch it", "publish with --format v1 or hybrid"}}
	}
	var f []Finding
	if t.V2 != nil {
		// The table of docs/interop.md shows both, with hybrids of libtorrent too.
		f = append(f, Finding{Warning, "it is a hybrid of v1 and v2 (BEP 52)",
			"aria2 1.36 uses another infohash for it, and Transmission 3.00 cannot read it; newer versions can", "publish with --format v1"})
	}
	count, tail := padding(t)
	if count > 0 {
		f = append(f, Finding{Warning, fmt.Sprintf("it has %d pads (BEP 47)", count),
			"clients without BEP 47, such as aria2 and Transmission 3, fetch them and write files called .pad",
			"publish with --format v1, which has none"})
	}
	if tail {
		f = append(f, Finding{Warning, "it ends in a pad",
			"clients differ on whether a pad follows the last file, so the same files may get another infohash there",
			"publish with --format v1"})
	}
	return f
}

// padding counts the pads of the v1 file list; tail says whether the last entry is one.
func padding(t *metafile.Torrent) (count int, tail bool) {
	for _, f := range t.Info.Files {
		tail = metafile.IsPad(&f)
		if tail {
			count++
		}
	}
	return count, tail
}

func pieces(t *metafile.Torrent) []Finding {
	var f []Finding
	size := humanize.IBytes(uint64(t.PieceLength))
	switch {
	case t.PieceLength > largePiece:
		f = append(f, Finding{Warning, fmt.Sprintf("its pieces are %s", size),
			"some clients refuse pieces beyond 16 MiB, and one wrong byte costs every client that much",
			"publish with --piece-length 16MiB or less"})
	case t.Pieces > manyPieces:
		f = append(f, Finding{Warning, fmt.Sprintf("it has %s pieces", humanize.Comma(int64(t.Pieces))),
			"clients that start from a magnet link first need many megabytes of metadata, which small devices hold in memory",
			"publish with a larger --piece-length, or without that option"})
	}
	if t.Pieces < fewPieces && t.Size >= fewPiecesSize {
		f = append(f, Finding{Note, fmt.Sprintf("it has only %d pieces", t.Pieces),
			"peers have little to exchange before each has nearly everything", "publish with a smaller --piece-length"})
	}
	if t.PieceLength&(t.PieceLength-1) != 0 || t.PieceLength < 16<<10 {
		f = append(f, Finding{Warning, fmt.Sprintf("its piece length, %d bytes, is not a power of two of 16 KiB or more", t.PieceLength),
			"some clients refuse it", "publish with --piece-length 1MiB, or without that option"})
	}
	return f
}

// portable finds names that are not valid on every system.
func portable(t *metafile.Torrent) []Finding {
	first, why, n := "", "", 0
	note := func(path, what string) {
		if n++; n == 1 {
			first, why = path, what
		}
	}
	if err := namerules.Portable(t.Name); err != nil {
		note(t.Name, reason(err))
	}
	content.Tree(t).Place(func(dir string, name namerules.Name) string {
		if err := namerules.Portable(name.Own); err != nil {
			note(path.Join(dir, name.Own), reason(err))
		} else if name.Rival != "" {
			note(path.Join(dir, name.Own), fmt.Sprintf("it is the same name as %q on some systems", name.Rival))
		}
		return name.Own
	})
	if n == 0 {
		return nil
	}
	what := fmt.Sprintf("%q is not valid on every system: %s", first, why)
	if n > 1 {
		what += fmt.Sprintf(" (and %d more)", n-1)
	}
	return []Finding{{Warning, what, "clients on Windows and on Windows file systems refuse it, rename it or stop; p2pshare uses another name there, and says so",
		"rename it; publish --portable lists all such names"}}
}

func reason(err error) string {
	if e, is := errors.AsType[*namerules.Error](err); is {
		return e.Why
	}
	return err.Error()
}

// names finds names that are allowed but cause trouble; metafile refuses those that are dangerous. There is one
// finding per kind of problem, with the first such name as its example.
func names(t *metafile.Torrent) []Finding {
	var f []Finding
	kinds := []struct {
		is               func(component, path string) bool
		level            Level
		what, who, remed string
	}{
		{func(_, p string) bool { return utf8.RuneCountInString(p) > longPath }, Warning, "has a path longer than 200 characters",
			"Windows programs without support for long paths cannot open it", "shorten it"},
		{func(c, _ string) bool { return !norm.NFC.IsNormalString(c) }, Warning, "is not in Unicode's composed form (NFC)",
			"macOS and Linux treat other forms of it as different names", "rename it, or publish with p2pshare, which composes names"},
		{func(c, _ string) bool { return namerules.Shows(c) != nil }, Warning, "is not displayed as it is: it contains invisible characters, or some that reverse text or control a terminal",
			"people mistake it for another name", "rename it"},
		{func(c, _ string) bool { return strings.HasPrefix(c, " ") || strings.HasPrefix(c, "-") }, Warning, "begins with a space or a hyphen",
			"shell commands read it as an option or as two words", "rename it"},
		{func(c, _ string) bool { return strings.HasPrefix(c, ".") }, Note, "begins with a dot",
			"file managers hide it", "leave it out with --exclude if it is not meant to be shared"},
		{func(c, _ string) bool { return strings.HasSuffix(strings.ToLower(c), ".torrent") }, Note, "is a .torrent file itself",
			"clients that watch the folder will add it", "leave it out with --exclude"},
	}
	for _, k := range kinds {
		first, n := "", 0
		for _, file := range t.Files {
			path := strings.Join(append([]string{t.Name}, file.Path...), "/")
			last := t.Name
			if len(file.Path) > 0 {
				last = file.Path[len(file.Path)-1]
			}
			if k.is(last, path) {
				if n++; n == 1 {
					first = path
				}
			}
		}
		if n > 0 {
			what := fmt.Sprintf("%q %s", first, k.what)
			if n > 1 {
				what += fmt.Sprintf(" (and %d more)", n-1)
			}
			f = append(f, Finding{k.level, what, k.who, k.remed})
		}
	}
	return f
}

// sources checks trackers, web seeds and DHT nodes.
func sources(t *metafile.Torrent) []Finding {
	var f []Finding
	if t.Meta == nil {
		return nil
	}
	trackers := t.Meta.Announce != ""
	for _, tier := range t.Meta.AnnounceList {
		trackers = trackers || len(tier) > 0
	}
	seeds := len(t.Meta.UrlList) > 0
	switch {
	case t.Private && !trackers && !seeds:
		f = append(f, Finding{Error, "it is private and names no tracker and no web seed",
			"every client: a private torrent may use no DHT, so there is no way to find peers",
			"publish with --tracker URL, or without --private"})
	case t.Private && !trackers:
		f = append(f, Finding{Warning, "it is private and names no tracker",
			"every client: no peers are found, and all bytes come from the web seeds", "publish with --tracker URL"})
	case !trackers && !seeds:
		f = append(f, Finding{Note, "it names no tracker and no web seed",
			"peers are found only by DHT and on the LAN; clients with DHT off find none",
			"publish with --tracker URL or --webseed URL"})
	}
	if t.Private && len(t.Meta.Nodes) > 0 {
		f = append(f, Finding{Warning, "it is private and names DHT nodes",
			"clients must not use them (BEP 27); one that does reveals the torrent to strangers", "publish it again"})
	}
	for _, u := range t.Meta.UpvertedAnnounceList().DistinctValues() {
		if err := catalog.CheckTracker(u); err != nil {
			f = append(f, Finding{Warning, fmt.Sprintf("p2pshare does not support a tracker: %s", webaddr.Redact(err.Error())),
				"p2pshare, and every client without support for its kind, ignores it", "write it as udp://HOST:PORT or http(s)://HOST, or leave it out"})
		}
	}
	for _, u := range t.Meta.UrlList {
		shown := webaddr.RedactURL(u)
		switch {
		case t.Dir && !strings.HasSuffix(u, "/"):
			f = append(f, Finding{Warning, fmt.Sprintf("the web seed %q of a folder does not end in a slash", shown),
				"clients differ on whether they add it before the folder's name (BEP 19)", "add a slash at its end"})
		case !t.Dir && strings.HasSuffix(u, "/"):
			f = append(f, Finding{Note, fmt.Sprintf("the web seed %q of a single file ends in a slash", shown),
				fmt.Sprintf("clients append the name to it: they will request %q", webaddr.RedactURL(u+t.Name)), ""})
		}
		if strings.HasPrefix(u, "ftp:") {
			f = append(f, Finding{Warning, fmt.Sprintf("the web seed %q is ftp", shown), "p2pshare and most clients ignore it", "offer it over https"})
		}
	}
	return f
}
