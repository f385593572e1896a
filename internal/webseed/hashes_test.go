package webseed_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/webseed"
)

// rewrite changes the headers of an answer before it is sent.
type rewrite struct {
	http.ResponseWriter
	change func(http.Header)
}

func (w rewrite) WriteHeader(code int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(code)
}

// mirrors forwards requests to several servers in turn.
func mirrors(t *testing.T, handlers ...http.Handler) http.HandlerFunc {
	t.Helper()
	var to []string
	for _, h := range handlers {
		to = append(to, serve(t, h.ServeHTTP))
	}
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to[int(n.Add(1))%len(to)]+r.URL.EscapedPath(), http.StatusFound)
	}
}

// TestHeadersDecideNothing checks that no header ends a server that sends the right bytes.
func TestHeadersDecideNothing(t *testing.T) {
	header := func(change func(n int64, h http.Header)) func(*testing.T, *files, http.Handler) http.HandlerFunc {
		return func(_ *testing.T, _ *files, good http.Handler) http.HandlerFunc {
			var n atomic.Int64
			return func(w http.ResponseWriter, r *http.Request) {
				good.ServeHTTP(rewrite{w, func(h http.Header) { change(n.Add(1), h) }}, r)
			}
		}
	}
	set := func(key, value string) func(*testing.T, *files, http.Handler) http.HandlerFunc {
		return header(func(_ int64, h http.Header) { h.Set(key, value) })
	}
	spelled := func(from, to string) func(*testing.T, *files, http.Handler) http.HandlerFunc {
		return header(func(_ int64, h http.Header) {
			h.Set("Content-Range", strings.Replace(h.Get("Content-Range"), from, to, 1))
		})
	}
	behind := func(other func(f *files, good http.Handler) http.Handler) func(*testing.T, *files, http.Handler) http.HandlerFunc {
		return func(t *testing.T, f *files, good http.Handler) http.HandlerFunc {
			return mirrors(t, good, other(f, good))
		}
	}
	for name, server := range map[string]func(*testing.T, *files, http.Handler) http.HandlerFunc{
		"another ETag each time": header(func(n int64, h http.Header) { h.Set("ETag", fmt.Sprintf(`"%d"`, n)) }),
		"another date each time": header(func(n int64, h http.Header) {
			h.Set("Last-Modified", fmt.Sprintf("Mon, 01 Jan 2024 10:00:%02d GMT", n%60))
		}),
		"gzip":              set("Content-Encoding", "gzip"),
		"x-gzip":            set("Content-Encoding", "x-gzip"),
		"aws-chunked":       set("Content-Encoding", "aws-chunked"),
		"a type of text":    set("Content-Type", "text/html; charset=utf-16"),
		"range in capitals": spelled("bytes", "Bytes"),
		"range with =":      spelled("bytes ", "bytes="),
		"range without a total": header(func(_ int64, h http.Header) {
			before, _, _ := strings.Cut(h.Get("Content-Range"), "/")
			h.Set("Content-Range", before)
		}),
		"another total": header(func(_ int64, h http.Header) { h.Set("Content-Range", h.Get("Content-Range")+"9") }),
		"no range in the answer": header(func(_ int64, h http.Header) {
			h.Del("Content-Range")
		}),
		"a longer file": func(t *testing.T, f *files, _ http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(append(bytes.Clone(f.data), "more"...)))
			}
		},
		"less than requested": func(_ *testing.T, _ *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				var from, to int
				fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, min(to, from+20_000)))
				good.ServeHTTP(w, r)
			}
		},
		"more than requested": func(_ *testing.T, _ *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				var from, to int
				fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", max(from-1000, 0), to+1000))
				good.ServeHTTP(w, r)
			}
		},
		"mirrors": behind(func(_ *files, good http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				good.ServeHTTP(rewrite{w, func(h http.Header) { h.Set("ETag", `"other"`); h.Del("Last-Modified") }}, r)
			})
		}),
		"mirrors, one ignores ranges": behind(func(_ *files, good http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); good.ServeHTTP(w, r) })
		}),
		"mirrors, one lacks it": behind(func(*files, http.Handler) http.Handler { return http.NotFoundHandler() }),
		"mirrors, one fails": behind(func(*files, http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		}),
		"mirrors, one has half of it": behind(func(f *files, _ http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data[:len(f.data)/2]))
			})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "name", 3_000_001)
			h := server(t, f, http.FileServer(http.Dir(f.dir)))
			var encodings atomic.Int64
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("If-Range") != "" {
					encodings.Add(1)
				}
				h(w, r)
			})
			messages, err := f.run(limited(t), u+"/")
			if err != nil {
				t.Error(err)
			}
			if err := f.got(); err != nil {
				t.Errorf("%v; messages %q", err, messages)
			}
			if strings.Contains(messages, "no longer") {
				t.Errorf("got messages %q, want no file given up", messages)
			}
			if n := encodings.Load(); n > 0 {
				t.Errorf("%d requests asked for an encoding or on a condition", n)
			}
		})
	}
}

// A mirror that has the file counts from when it answers, even if not all of what was requested comes: the refusals before and
// after it are not consecutive.
func TestRefusalsBetweenAnswers(t *testing.T) {
	f := newFiles(t, "name", 50_000)
	f.rivals = [][20]byte{{1}} // one connection at a time
	good := http.FileServer(http.Dir(f.dir))
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n, _ := strconv.Atoi(r.URL.Query().Get("n")); {
		case n <= 6 && n%2 == 1:
			http.NotFound(w, r)
		case n <= 6:
			good.ServeHTTP(&stalling{w, r.Context(), 1000}, r)
		default:
			good.ServeHTTP(w, r)
		}
	})
	var n atomic.Int64
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("%s%s?n=%d", target, r.URL.EscapedPath(), n.Add(1)), http.StatusFound)
	})
	messages, err := f.run(limited(t), u+"/")
	if err != nil {
		t.Error(err)
	}
	if err := f.got(); err != nil {
		t.Errorf("%v; messages %q", err, messages)
	}
}

// TestFaultOfOneFile checks that a problem with one file ends only that file, and that the message names it.
func TestFaultOfOneFile(t *testing.T) {
	const bad = "file 1 #%.bin"
	code := func(code int) func([]byte) http.HandlerFunc {
		return func([]byte) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
		}
	}
	sends := func(change func([]byte) []byte) func([]byte) http.HandlerFunc {
		return func(b []byte) http.HandlerFunc {
			changed := change(bytes.Clone(b))
			return func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(changed))
			}
		}
	}
	for name, c := range map[string]struct {
		h     func(b []byte) http.HandlerFunc
		want  string
		least int // pieces of it that come all the same
	}{
		"401": {code(401), "401", 0},
		"403": {code(403), "403", 0},
		"404": {code(404), "404", 0},
		"410": {code(410), "410", 0},
		"418": {code(418), "418", 0},
		"500": {code(500), "500", 0},
		"504": {code(504), "504", 0},
		"a page": {func([]byte) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("gone")) }
		}, "4 bytes", 0},
		"empty":    {sends(func([]byte) []byte { return nil }), "", 0},
		"changed":  {sends(func(b []byte) []byte { return make([]byte, len(b)) }), "does not match its hash", 0},
		"shifted":  {sends(func(b []byte) []byte { return append([]byte{1}, b...) }), "does not match its hash", 0},
		"cut off":  {sends(func(b []byte) []byte { return b[:len(b)/2] }), "and 1000000 in the torrent", 25},
		"one byte": {sends(func(b []byte) []byte { b[len(b)/2]++; return b }), "does not match its hash", 59},
		"half":     {sends(func(b []byte) []byte { clear(b[len(b)*3/4:]); return b }), "does not match its hash", 45},
		"elsewhere": {func([]byte) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "ftp://x/y", http.StatusFound) }
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, "name", 600_001, 1_000_000, 800_000, 0, 5)
			good := http.FileServer(http.Dir(f.dir))
			b, err := os.ReadFile(filepath.Join(f.dir, "name", "süb", bad))
			if err != nil {
				t.Fatal(err)
			}
			h := c.h(b)
			var asked atomic.Int64
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if path.Base(r.URL.Path) == bad {
					asked.Add(1)
					h(w, r)
					return
				}
				good.ServeHTTP(w, r)
			})
			messages, err := f.run(limited(t), u+"/")
			if err != nil {
				t.Error(err)
			}
			if !strings.Contains(messages, c.want) || !strings.Contains(messages, "süb/"+bad) && !strings.Contains(messages, "piece") {
				t.Errorf("got messages %q, want %q and the file in it", messages, c.want)
			}
			if strings.Contains(messages, "no longer used") {
				t.Errorf("messages %q: the server was given up", messages)
			}
			if n := asked.Load(); n > 100 {
				t.Errorf("the file was asked for %d times", n)
			}
			begin := (600_001 + pieceLength - 1) / pieceLength
			end := begin + 1_000_000/pieceLength // the first piece of the next file
			n := 0
			for i := range f.hashes {
				switch {
				case begin <= i && i <= end:
					if f.pieces[i] != nil {
						n++
					} else if f.outlook.Gives()(i) {
						t.Errorf("piece %d of the file is still expected", i)
					}
				case f.pieces[i] == nil:
					t.Errorf("piece %d of another file is missing", i)
				}
			}
			if n < c.least {
				t.Errorf("%d pieces of the file came, want %d", n, c.least)
			}
		})
	}
}

// TestServersMakeAWhole checks that servers that lack one file each provide all of it together, including pieces that span
// both files.
func TestServersMakeAWhole(t *testing.T) {
	f := newFiles(t, "name", 600_001, 1_000_000, 800_000, 5)
	good := http.FileServer(http.Dir(f.dir))
	without := func(name string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if path.Base(r.URL.Path) == name {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			good.ServeHTTP(w, r)
		}) + "/"
	}
	messages, err := f.run(limited(t), without("file 1 #%.bin"), without("file 2 #%.bin"))
	if err != nil {
		t.Error(err)
	}
	if err := f.got(); err != nil {
		t.Errorf("%v; messages %q", err, messages)
	}
	if gives := f.outlook.Gives(); !gives(0) || (new(webseed.Outlook)).Gives()(0) {
		t.Error("Outlook does not match what the servers sent")
	}
}

// TestWrongBytesAreBounded checks that a server with wrong bytes can waste only a few of them, whatever it answers.
func TestWrongBytesAreBounded(t *testing.T) {
	f := newFiles(t, "name", 40_000_000)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, len(f.data))))
	})
	messages, err := f.run(limited(t), u+"/")
	if err != nil || !strings.Contains(messages, "does not match its hash") {
		t.Errorf("got %v, messages %q", err, messages)
	}
	if f.puts > 200 {
		t.Errorf("%d wrong pieces of %d were taken, want a few", f.puts, len(f.hashes))
	}
}

// TestNamesAreEscaped checks that names work with servers that read a plus as a space, and with those that do not.
func TestNamesAreEscaped(t *testing.T) {
	const marks = "=&@$;,!'()[]#%+ ~^`{}ü日.%20"
	for name, unescape := range map[string]func(string) (string, error){"S3": url.QueryUnescape, "others": url.PathUnescape} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "a+b "+marks, 100_000)
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got, err := unescape(strings.TrimPrefix(r.RequestURI, "/")); err != nil || got != f.t.Name {
					t.Errorf("asked for %q, which is %q (%v), want %q", r.RequestURI, got, err, f.t.Name)
				}
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
			})
			if messages, err := f.run(limited(t), u+"/"); err != nil || messages != "" {
				t.Errorf("got %v, messages %q", err, messages)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAddressOfAnother checks that a server that has none of many files is given up before it is asked for all of them.
func TestAddressOfAnother(t *testing.T) {
	sizes := make([]int, 400)
	for i := range sizes {
		sizes[i] = pieceLength
	}
	f := newFiles(t, "name", sizes...)
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); http.NotFound(w, r) }))
	defer s.Close()
	messages, err := f.run(limited(t), s.URL+"/")
	if err != nil || !strings.Contains(messages, "none of the first 100 files") {
		t.Errorf("got %v, messages %q", err, messages)
	}
	if n := asked.Load(); n > 110 {
		t.Errorf("asked %d times", n)
	}
	if n := strings.Count(messages, "no longer asked"); n > 20 {
		t.Errorf("got %d messages about single files", n)
	}
}
