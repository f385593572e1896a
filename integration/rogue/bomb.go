package rogue

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"sync/atomic"
)

// Bomb is a tracker whose answers never end, list impossibly many peers, or unpack to far more than they are.
type Bomb struct{ Asked atomic.Int64 }

// ServeHTTP implements http.Handler.
func (b *Bomb) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch n := b.Asked.Add(1); n % 4 {
	case 0: // an endless list of peers
		fmt.Fprint(w, "d8:intervali1e5:peers99999999:")
		pour(w, r, bytes.Repeat([]byte{203, 0, 113, 1, 0x1a, 0xe1}, 10_000))
	case 1: // an endless failure reason
		fmt.Fprint(w, "d14:failure reason99999999:")
		pour(w, r, bytes.Repeat([]byte("no "), 20_000))
	case 2: // nested lists
		pour(w, r, bytes.Repeat([]byte("l"), 60_000))
	default: // compressed zeros
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		for range 100 {
			_, _ = z.Write(make([]byte, 1<<20)) // cannot fail
		}
		_ = z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes()) // the client may have gone
	}
}

// pour writes b repeatedly until the client disconnects.
func pour(w http.ResponseWriter, r *http.Request, b []byte) {
	for r.Context().Err() == nil {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}
