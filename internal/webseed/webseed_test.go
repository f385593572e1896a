package webseed_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

const pieceLength = 16 << 10

// swarm is the peers of a test, and the store.
type swarm struct {
	hashes [][20]byte
	broken error // of the disk

	mu       sync.Mutex
	pieces   map[int][]byte
	puts     int
	sent     int64
	holders  []int32
	begun    []bool
	peers    func() int64
	me       [20]byte
	rivals   [][20]byte
	reserved map[int]bool
	order    []int
}

func (s *swarm) Look() webseed.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := webseed.View{Missing: make([]bool, len(s.hashes)), Begun: make([]bool, len(s.hashes)), Holders: make([]int32, len(s.hashes)), Me: s.me, Rivals: s.rivals}
	copy(v.Holders, s.holders)
	copy(v.Begun, s.begun)
	for i := range v.Missing {
		v.Missing[i] = s.pieces[i] == nil
	}
	if s.peers != nil {
		v.FromPeers = s.peers()
	}
	return v
}

func (s *swarm) Reserve(pieces []int, reserved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range pieces {
		s.reserved[i] = reserved
	}
}

func (s *swarm) Have(_ int, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += n
}

func (s *swarm) Knows(int) bool { return true }

func (s *swarm) Put(i int, b []byte) (right, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return false, false, s.broken
	}
	s.puts++
	if sha1.Sum(b) != s.hashes[i] {
		return false, false, nil
	}
	fresh = s.pieces[i] == nil
	s.pieces[i] = bytes.Clone(b)
	s.order = append(s.order, i)
	return true, fresh, nil
}

func (s *swarm) Most() int                       { return 0 }
func (s *swarm) Wait(context.Context, int) error { return nil }

// files is content in a folder that a test's server has, and a swarm that has nothing of it.
type files struct {
	*swarm
	dir    string
	t      *metafile.Torrent
	layout *content.Layout
	data   []byte

	outlook webseed.Outlook
}

// newFiles makes a v1 torrent: of one file called name if there is one size, else of a folder, with a pad between its first
// two files.
func newFiles(t *testing.T, name string, sizes ...int) *files {
	t.Helper()
	f := &files{dir: t.TempDir(), swarm: &swarm{pieces: map[int][]byte{}, reserved: map[int]bool{}, me: [20]byte{19: 1}}}
	info := metainfo.Info{Name: name, PieceLength: pieceLength}
	random := rand.NewChaCha8([32]byte{1})
	for i, size := range sizes {
		b := make([]byte, size)
		random.Read(b)
		f.data = append(f.data, b...)
		path := filepath.Join(f.dir, name)
		if len(sizes) == 1 {
			info.Length = int64(size)
		} else {
			file := fmt.Sprintf("file %d #%%.bin", i)
			path = filepath.Join(path, "süb", file)
			info.Files = append(info.Files, metainfo.FileInfo{Length: int64(size), Path: []string{"süb", file}})
			if pad := (pieceLength - size%pieceLength) % pieceLength; i == 0 && pad > 0 {
				info.Files = append(info.Files, metainfo.FileInfo{Length: int64(pad), Path: []string{".pad", fmt.Sprint(pad)}, ExtendedFileAttrs: metainfo.ExtendedFileAttrs{Attr: "p"}})
				f.data = append(f.data, make([]byte, pad)...)
			}
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for off := 0; off < len(f.data); off += pieceLength {
		h := sha1.Sum(f.data[off:min(off+pieceLength, len(f.data))])
		f.hashes = append(f.hashes, h)
		info.Pieces = append(info.Pieces, h[:]...)
	}
	b, err := bencode.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	if f.t, err = metafile.FromInfo(b); err != nil {
		t.Fatal(err)
	}
	if f.layout, err = content.LayoutOf(f.t, f.t.Info); err != nil {
		t.Fatal(err)
	}
	return f
}

// run fetches from urls, and gives what the user was told.
func (f *files) run(ctx context.Context, urls ...string) (told string, err error) {
	var said []string
	f.outlook = webseed.Outlook{}
	err = webseed.Run(ctx, webseed.WithPatience(webseed.Options{
		Outlook: &f.outlook,
		Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}}, URLs: urls,
		Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: follow{}, Agent: "test",
		Tell: func(m string) { said = append(said, m) }, Log: slog.New(slog.DiscardHandler),
	}, 300*time.Millisecond, 20*time.Millisecond))
	return strings.Join(said, "\n"), err
}

// follow follows redirects, as the transport of Options has to.
type follow struct{}

func (follow) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultClient.Do(r.Clone(r.Context()))
}

// got says which pieces are not there or wrong.
func (f *files) got() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.hashes {
		if want := f.data[i*pieceLength : min((i+1)*pieceLength, len(f.data))]; !bytes.Equal(f.pieces[i], want) {
			return fmt.Errorf("piece %d of %d is missing or wrong", i, len(f.hashes))
		}
	}
	return nil
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestWholeFromOneServer(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int
		tail  string // of the URL
	}{
		"a file, the folder's URL":    {[]int{3_000_001}, "/"},
		"a file, its own URL":         {[]int{3_000_001}, "/na%20me%25"},
		"a folder":                    {[]int{100_001, 7, 0, 2_000_000}, "/"},
		"a folder, no slash":          {[]int{100_001, 7, 0, 2_000_000}, ""},
		"a file less than one piece":  {[]int{5}, "/"},
		"a folder of very many files": {append(make([]int, 0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40_000, 3), "/"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "na me%", c.sizes...)
			var asked atomic.Int64
			files := http.FileServer(http.Dir(f.dir))
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, ".pad") {
					t.Errorf("a pad was asked for: %s", r.URL.Path)
				}
				asked.Add(1)
				files.ServeHTTP(w, r)
			})
			told, err := f.run(limited(t), url+c.tail)
			if err != nil || told != "" {
				t.Errorf("got %v, told %q", err, told)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
			if want := f.t.Size; f.sent != want {
				t.Errorf("%d bytes are said to come from the server, want %d", f.sent, want)
			}
			if n := asked.Load(); n > int64(len(f.hashes)+len(c.sizes)) {
				t.Errorf("%d requests for %d pieces", n, len(f.hashes))
			}
		})
	}
}

// Addresses are read as browsers read them, and a query stays.
func TestAddressesAreRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		format string // of the server's URL
		sizes  []int
		query  string
	}{
		"a percent that is none":    {"%s/100%%%% fü.iso", []int{50_000}, ""},
		"blanks and a line break":   {" \t%s/100%%25%%25%%20f%%c3%%bc.iso\r\n", []int{50_000}, ""},
		"a blank in the query":      {"%s/100%%25%%25%%20f%%C3%%BC.iso?a=b c", []int{50_000}, "a=b%%20c"},
		"a fragment":                {"%s/100%%25%%25%%20f%%C3%%BC.iso#top", []int{50_000}, ""},
		"a folder's with a query":   {"%s/?t=1&u=%%", []int{50_000}, "t=1&u=%%25"},
		"no slash, with a query":    {"%s?t=1", []int{50_000, 7}, "t=1"},
		"slash, of a folder":        {"\ufeff%s/ ", []int{50_000, 7}, ""},
		"one slash for two":         {"HTTP:/%.0s%s", []int{50_000, 7}, ""},
		"backslashes, of a folder":  {`%s\`, []int{50_000, 7}, ""},
		"a line break in the midst": {"%s/\n", []int{50_000, 7}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t, "100%% fü.iso", c.sizes...)
			files := http.FileServer(http.Dir(f.dir))
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if want := strings.ReplaceAll(c.query, "%%", "%"); r.URL.RawQuery != want {
					t.Errorf("asked with the query %q, want %q", r.URL.RawQuery, want)
				}
				files.ServeHTTP(w, r)
			})
			at := fmt.Sprintf(c.format, u)
			if strings.HasPrefix(c.format, "HTTP:/") {
				at = "HTTP:/" + strings.TrimPrefix(u, "http://")
			}
			told, err := f.run(limited(t), at)
			if err != nil || told != "" {
				t.Errorf("%q: got %v, told %q", at, err, told)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is wrong with a server is told, and another brings what it does not.
func TestTroubleIsToldAndSurvived(t *testing.T) {
	status := func(code int, header ...string) func(*files, http.Handler) http.HandlerFunc {
		return func(*files, http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				for i := 0; i+1 < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
			}
		}
	}
	for _, c := range []struct {
		name string
		bad  func(f *files, good http.Handler) http.HandlerFunc
		want string
	}{
		{"403", status(403), "403"},
		{"404", status(404), "404"},
		{"410", status(410), "410"},
		{"416", status(416), "and the torrent 3000001"},
		{"500", status(500), "500"},
		{"busy", status(503, "Retry-After", "7"), "for 7s"},
		{"too many", status(429, "Retry-After", "100000"), "for 10m0s"},
		{"wrong range", status(206, "Content-Range", "bytes 5-6/3000001"), "5 to 6"},
		{"no range", status(206), "does not say"},
		{"another size", status(206, "Content-Range", "bytes 0-1/7"), "7 bytes"},
		{"a page instead", func(*files, http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>no such file</html>")) }
		}, "25 bytes"},
		{"wrong bytes", func(f *files, _ http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "x", time.Unix(1, 0), bytes.NewReader(make([]byte, len(f.data))))
			}
		}, "does not fit its hash"},
		{"compressed", status(206, "Content-Range", "bytes 0-1/*", "Content-Encoding", "br"), "bytes 0 to 1"},
		{"hangs", func(*files, http.Handler) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}, "sends nothing"},
		{"stalls in the middle", func(f *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				good.ServeHTTP(&stalling{w, r.Context(), 1000}, r)
			}
		}, "sends nothing"},
		{"ends in the middle", func(f *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				good.ServeHTTP(&stalling{w, ctx, 1000}, r)
				panic(http.ErrAbortHandler)
			}
		}, "left alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFiles(t, "name", 3_000_001)
			good := http.FileServer(http.Dir(f.dir))
			bad := serve(t, c.bad(f, good))
			first := make(chan struct{})
			var once sync.Once
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				select { // the other is judged first
				case <-first:
				case <-r.Context().Done():
				}
				good.ServeHTTP(w, r)
			})
			ctx, cancel := context.WithCancel(limited(t))
			defer cancel()
			var said []string
			err := webseed.Run(ctx, webseed.WithPatience(webseed.Options{
				Torrent: f.t, Layout: f.layout, Wanted: [][2]int{{0, len(f.hashes)}}, URLs: []string{"http://me:secret@" + strings.TrimPrefix(bad, "http://") + "/name", url + "/"},
				Swarm: f.swarm, Store: f.swarm, Limit: f.swarm, HTTP: follow{}, Agent: "test",
				Tell: func(m string) {
					said = append(said, m)
					if strings.Contains(m, strings.TrimPrefix(bad, "http://")) {
						once.Do(func() { close(first) })
					}
				}, Log: slog.New(slog.DiscardHandler),
			}, 300*time.Millisecond, 20*time.Millisecond))
			told := strings.Join(said, "\n")
			if err != nil {
				t.Errorf("got %v", err)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(told, c.want) {
				t.Errorf("told %q, want %q in it", told, c.want)
			}
			if strings.Contains(told, "secret") {
				t.Errorf("told the password: %q", told)
			}
		})
	}
}

// stalling sends n bytes and then nothing until ctx ends.
type stalling struct {
	http.ResponseWriter
	ctx context.Context
	n   int
}

func (s *stalling) Write(b []byte) (int, error) {
	n, _ := s.ResponseWriter.Write(b[:min(len(b), s.n)])
	s.n -= n
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	if n < len(b) {
		<-s.ctx.Done()
		return n, s.ctx.Err()
	}
	return n, nil
}

// A server without ranges is a stream where it is the only one.
func TestRangesIgnored(t *testing.T) {
	f := newFiles(t, "name", 3_000_001)
	files := http.FileServer(http.Dir(f.dir))
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		r.Header.Del("Range")
		files.ServeHTTP(w, r)
	})
	if told, err := f.run(limited(t), url+"/name"); err != nil || told != "" {
		t.Errorf("got %v, told %q", err, told)
	}
	if err := f.got(); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n > 8 {
		t.Errorf("the whole file was asked for %d times, want a few", n)
	}
}

// A server that is in trouble for a moment is asked again.
func TestTroubleThatPasses(t *testing.T) {
	f := newFiles(t, "name", 500_000)
	files := http.FileServer(http.Dir(f.dir))
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 4 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		files.ServeHTTP(w, r)
	})
	told, err := f.run(limited(t), url+"/")
	if err != nil || f.got() != nil {
		t.Errorf("got %v and %v", err, f.got())
	}
	if strings.Count(told, "502") != 1 {
		t.Errorf("told %q, want it told once", told)
	}
}

// Of several servers behind one address, which tell other versions of a file, one that has a wrong byte does not end the piece.
func TestOneOfSeveralServersIsWrong(t *testing.T) {
	for _, tells := range []bool{true, false} {
		t.Run(fmt.Sprintf("tells versions %v", tells), func(t *testing.T) {
			f := newFiles(t, "name", 500_000)
			const wrong = 200_000
			bad := bytes.Clone(f.data)
			bad[wrong] ^= 1
			var answers, wrongs atomic.Int64
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				data := f.data
				var from, to int
				if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err == nil && from <= wrong && wrong <= to && wrongs.Add(1) <= 6 {
					data = bad
				}
				if n := answers.Add(1); tells {
					w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n%2))
				}
				http.ServeContent(w, r, "x", time.Unix(1, 0), bytes.NewReader(data))
			})
			told, err := f.run(limited(t), url+"/")
			if err != nil {
				t.Fatal(err)
			}
			if got := f.got(); (got == nil) != tells || strings.Contains(told, "not asked for piece 12 any more") == tells {
				t.Errorf("got %v after %d answers, told %q", got, answers.Load(), told)
			}
		})
	}
}

// With no server left Run ends, and peers may be asked for everything.
func TestNoServerLeft(t *testing.T) {
	f := newFiles(t, "name", 500_000)
	told, err := f.run(limited(t), serve(t, http.NotFound)+"/", "ftp://x/y", "http://%zz")
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"404", "neither http nor https", "no URL"} {
		if !strings.Contains(told, want) {
			t.Errorf("told %q, want %q in it", told, want)
		}
	}
	for i, r := range f.reserved {
		if r {
			t.Errorf("piece %d is still kept from peers", i)
		}
	}
}

func TestErrorOfTheStoreEndsIt(t *testing.T) {
	f := newFiles(t, "name", 500_000)
	f.broken = errors.New("disk full")
	url := serve(t, http.FileServer(http.Dir(f.dir)).ServeHTTP)
	if _, err := f.run(limited(t), url+"/"); !errors.Is(err, f.broken) {
		t.Errorf("got %v, want the store's error", err)
	}
}

// What peers have is asked for last, and what the least have first.
func TestRarestFirst(t *testing.T) {
	f := newFiles(t, "name", 40*pieceLength)
	f.holders = make([]int32, 40)
	for i := range 20 {
		f.holders[i] = int32(1 + i%2)
	}
	url := serve(t, http.FileServer(http.Dir(f.dir)).ServeHTTP)
	f.rivals = [][20]byte{} // alone: everything that nobody has is ours
	if _, err := f.run(limited(t), url+"/"); err != nil {
		t.Fatal(err)
	}
	// Hashing goes on beside, so neighbours may change places.
	if err := f.got(); err != nil {
		t.Fatal(err)
	}
	for k, i := range f.order[:12] {
		if i < 20 {
			t.Errorf("piece %d, which a peer has, came as number %d", i, k)
		}
	}
}

// What falls to another that is there is left to it, and is fetched after all when it does not come.
func TestRivalsShareOut(t *testing.T) {
	f := newFiles(t, "name", 60*pieceLength)
	f.rivals = [][20]byte{{19: 2}}
	g := &files{dir: f.dir, t: f.t, layout: f.layout, data: f.data, swarm: &swarm{hashes: f.hashes, pieces: map[int][]byte{}, reserved: map[int]bool{}, me: [20]byte{19: 2}, rivals: [][20]byte{{19: 1}}}}
	url := serve(t, http.FileServer(http.Dir(f.dir)).ServeHTTP)
	for _, x := range []*files{f, g} {
		if _, err := x.run(limited(t), url+"/"); err != nil {
			t.Fatal(err)
		}
		if err := x.got(); err != nil {
			t.Error(err)
		}
	}
	first := map[int]bool{}
	for _, i := range f.order[:20] {
		first[i] = true
	}
	for _, i := range g.order[:20] {
		if first[i] {
			t.Errorf("both began with piece %d", i)
		}
	}
}
