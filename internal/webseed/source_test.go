package webseed_test

import (
	"testing"

	"github.com/p2pshare/p2pshare/internal/webseed"
)

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/1000", "bytes 5-6/*", "bytes -1-5/6", "bytes 7-3/9", "bytes */10", "items 1-2/3", "bytes 1-99999999999999999999/3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, total, ok := webseed.ContentRange(s)
		if ok && (from < 0 || to < from || total < -1) {
			t.Errorf("%q: got %d-%d/%d", s, from, to, total)
		}
	})
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string]struct {
		from, to, total int64
		ok              bool
	}{
		"bytes 0-99/1000": {0, 99, 1000, true},
		"bytes 5-6/*":     {5, 6, -1, true},
		"bytes 7-3/9":     {7, 3, 9, false},
		"bytes */10":      {0, 0, 0, false},
		"Bytes 0-99/1000": {0, 99, 1000, true},
		"BYTES=0-99/1000": {0, 99, 1000, true},
		"bytes: 0-9 / 10": {0, 9, 10, true},
		"bytes 0-99":      {0, 99, -1, true},
		"bytes 0-99/":     {0, 0, 0, false},
		"octets 0-9/10":   {0, 0, 0, false},
	} {
		from, to, total, ok := webseed.ContentRange(s)
		if ok != want.ok || ok && (from != want.from || to != want.to || total != want.total) {
			t.Errorf("%q: got %d-%d/%d %v, want %+v", s, from, to, total, ok, want)
		}
	}
}
