package metafile_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
)

// dict is a dictionary; encode sorts its keys.
type dict = map[string]any

const kib16 = 16 << 10

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := bencode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// with returns a copy of d with some keys set; nil removes one.
func with(d dict, keysAndValues ...any) dict {
	out := dict{}
	for k, v := range d {
		out[k] = v
	}
	for i := 0; i < len(keysAndValues); i += 2 {
		k := keysAndValues[i].(string)
		if keysAndValues[i+1] == nil {
			delete(out, k)
			continue
		}
		out[k] = keysAndValues[i+1]
	}
	return out
}

func path(p string) []any {
	var l []any
	for _, c := range strings.Split(p, "/") {
		l = append(l, c)
	}
	return l
}

func sha1s(n int) string { return strings.Repeat("x", 20*n) }

// v1File returns the info of one file, v1Folder of files in a folder.
func v1File() dict {
	return dict{"name": "a", "length": 40000, "piece length": kib16, "pieces": sha1s(3)}
}

func v1Folder(paths ...string) dict {
	var files []any
	for _, p := range paths {
		files = append(files, dict{"path": path(p), "length": 10})
	}
	n := (10*len(paths) + kib16 - 1) / kib16
	return dict{"name": "folder", "files": files, "piece length": kib16, "pieces": sha1s(n)}
}

func root(seed string) string {
	h := sha256.Sum256([]byte(seed))
	return string(h[:])
}

func leaf(length int, seed string) dict {
	props := dict{"length": length}
	if length > 0 {
		props["pieces root"] = root(seed)
	}
	return dict{"": props}
}

// v2Folder returns a folder of a (10 bytes), b/c (one piece) and d (empty).
func v2Folder() dict {
	return dict{
		"name": "folder", "meta version": 2, "piece length": kib16,
		"file tree": dict{"a": leaf(10, "a"), "b": dict{"c": leaf(kib16, "c")}, "d": leaf(0, "")},
	}
}

// hybridFolder returns v2Folder with the matching v1 fields.
func hybridFolder() dict {
	return with(v2Folder(), "pieces", sha1s(2), "files", hybridFiles())
}

func hybridFiles() []any {
	return []any{
		dict{"path": path("a"), "length": 10},
		dict{"path": path(".pad/16374"), "length": kib16 - 10, "attr": "p"},
		dict{"path": path("b/c"), "length": kib16},
		dict{"path": path("d"), "length": 0},
	}
}

func deepList(n int) string { return strings.Repeat("l", n) + strings.Repeat("e", n) }

// layered returns a v2 torrent of one file of two pieces, with its layer.
func layered() (info dict, layer string, fileRoot string) {
	l, r := root("left"), root("right")
	h := sha256.Sum256([]byte(l + r))
	fileRoot = string(h[:])
	info = dict{
		"name": "a", "meta version": 2, "piece length": kib16,
		"file tree": dict{"a": dict{"": dict{"length": kib16 + 1, "pieces root": fileRoot}}},
	}
	return info, l + r, fileRoot
}
