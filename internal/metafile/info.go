package metafile

import (
	"bytes"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/names"
)

// presence records which keys the info has, and the bytes of those that are read elsewhere.
type presence struct {
	length, files, pieces bool
	tree                  []byte
	alone                 bool   // there is only the info
	salt                  []byte // torrents of private groups have one
}

// hasV1 says whether the info can be read as version 1. The engine's own check looks at values, and takes a hybrid of an
// empty file for v2 only.
func (t *Torrent) hasV1(p presence) bool {
	return t.Info.HasV1() || p.pieces && (p.length || p.files)
}

// readInfo reads the keys of an info that scan has accepted, except the file tree. Keys that say which bytes belong where
// must be of the right type; keys that only describe them (attributes, source, names in UTF-8) are ignored if they are not.
// If a key occurs twice, the last one counts, as in the engine.
func readInfo(b []byte) (*metainfo.Info, presence, error) {
	info := new(metainfo.Info)
	var p presence
	c := &cursor{b: b}
	number := func(key string, v *int64) error {
		n, ok, at := int64(0), c.kind() == 'i', c.i
		if ok {
			n, ok = c.integer()
		}
		if !ok {
			return refuse(key, "not a 64-bit integer: %.26q", c.b[at:])
		}
		*v = n
		return nil
	}
	err := c.fields(func(key string) error {
		switch key {
		case "piece length":
			return number(key, &info.PieceLength)
		case "length":
			p.length = true
			return number(key, &info.Length)
		case "meta version":
			return number(key, &info.MetaVersion)
		case "pieces":
			p.pieces = true
			if c.kind() != 's' {
				return refuse(key, "not a string of hashes")
			}
			info.Pieces = bytes.Clone(c.str())
		case "name":
			info.Name, _ = c.text() // without one, names.Check refuses it
		case "name.utf-8":
			info.NameUtf8, _ = c.text()
		case "source":
			info.Source, _ = c.text()
		case "attr":
			info.Attr, _ = c.text()
		case "private":
			info.Private = readPrivate(c)
		case "files":
			p.files, info.Files = true, nil
			if c.kind() != 'l' {
				return refuse(key, "not a list")
			}
			return c.list(func() error {
				if len(info.Files) == maxEntries {
					return refuse(key, "more than %d entries", maxEntries)
				}
				fi, err := readFile(c, len(info.Files))
				info.Files = append(info.Files, fi)
				return err
			})
		case "file tree":
			if c.kind() != 'd' {
				return refuse(key, "not a dictionary")
			}
			p.tree = c.skip()
		case "salt":
			p.salt = nil
			if text, ok := c.text(); ok && len(text) == saltSize {
				p.salt = []byte(text)
			}
		default:
			c.skip()
		}
		return nil
	})
	return info, p, err
}

// readPrivate reads the flag of BEP 27. An odd value means private unless it is zero or empty: treating a public torrent as
// private still allows fetching it, while the reverse would reveal it to strangers.
func readPrivate(c *cursor) *bool {
	yes := true
	switch c.kind() {
	case 'i':
		yes = len(bytes.Trim(c.skip(), "ie-0")) > 0
	case 's':
		text := string(c.str())
		yes = text != "" && text != "0"
	default:
		c.skip()
	}
	return &yes
}

// readFile reads entry i of the file list.
func readFile(c *cursor, i int) (fi metainfo.FileInfo, err error) {
	length := false
	isDict, err := c.dictFields(func(key string) error {
		switch key {
		case "length":
			if c.kind() == 'i' {
				fi.Length, length = c.integer()
				return nil
			}
			length = false
			c.skip()
		case "path":
			fi.Path, _ = c.texts(names.MaxDepth + 1) // without one, names.CheckPath refuses it
		case "path.utf-8":
			fi.PathUtf8, _ = c.texts(names.MaxDepth + 1)
		case "attr":
			fi.Attr, _ = c.text()
		case "symlink path":
			fi.SymlinkPath, _ = c.texts(names.MaxDepth + 1)
		default:
			c.skip()
		}
		return nil
	})
	switch {
	case err != nil:
		return fi, err
	case !isDict:
		return fi, refuse("files", "entry %d is not a dictionary", i)
	case !length && !isLink(fi.Attr, 0, fi.SymlinkPath):
		return fi, refuse("files", "entry %d has no 64-bit length", i)
	}
	return fi, nil
}
