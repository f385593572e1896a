package rogue

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dict is a bencode dictionary.
type Dict map[string]any

// Raw is bencode that is written as it is, valid or not.
type Raw string

// Encode encodes v, a Dict, []any, string, Raw or int, as bencode, without any checks.
func Encode(v any) string {
	switch v := v.(type) {
	case Dict:
		var b strings.Builder
		b.WriteByte('d')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(&b, "%d:%s%s", len(k), k, Encode(v[k]))
		}
		return b.String() + "e"
	case []any:
		var b strings.Builder
		b.WriteByte('l')
		for _, e := range v {
			b.WriteString(Encode(e))
		}
		return b.String() + "e"
	case string:
		return fmt.Sprintf("%d:%s", len(v), v)
	case Raw:
		return string(v)
	case int:
		return fmt.Sprintf("i%de", v)
	}
	panic(fmt.Sprintf("bencode of %T", v)) // a mistake in a test
}

// Torrent returns a .torrent file with the given info.
func Torrent(info any) string {
	return Encode(Dict{"announce": "http://127.0.0.1:1/announce", "info": info})
}

// File returns the v1 info of one file of 10 bytes, with changed keys: a nil value removes one.
func File(change Dict) Dict {
	sum := sha1.Sum([]byte("0123456789"))
	return changed(Dict{"name": "file.bin", "length": 10, "piece length": 16384, "pieces": string(sum[:])}, change)
}

// Files returns the v1 info of a folder with a file of 10 bytes at each path.
func Files(paths ...[]any) Dict {
	var files []any
	for _, p := range paths {
		files = append(files, Dict{"length": 10, "path": p})
	}
	pieces := (10*len(paths) + 16383) / 16384
	return Dict{"name": "folder", "files": files, "piece length": 16384, "pieces": strings.Repeat("x", 20*pieces)}
}

func changed(d, change Dict) Dict {
	for k, v := range change {
		if v == nil {
			delete(d, k)
		} else {
			d[k] = v
		}
	}
	return d
}
