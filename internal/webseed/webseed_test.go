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

// swarm is a test's peers and store.
type swarm struct {
	hashes [][20]byte
	broken error // of the store

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

// files is content in a folder that a test's server serves, and a swarm that has none of it.
type files struct {
	*swarm
	dir    string
	t      *metafile.Torrent
	layout *content.Layout
	data   []byte

	outlook webseed.Outlook
}

// newFiles makes a v1 torrent: with one size a single file called name, else a folder with a pad between its first two
// files.
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

// run fetches from urls, and returns the messages for the user.
func (f *files) run(ctx context.Context, urls ...string) (messages string, err error) {
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

// follow follows redirects, as Options.HTTP must.
type follow struct{}

func (follow) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultClient.Do(r.Clone(r.Context()))
}

// got returns an error if a piece is missing or wrong.
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
		"a file, the folder's URL":   {[]int{3_000_001}, "/"},
		"a file, its own URL":        {[]int{3_000_001}, "/na%20me%25"},
		"a folder":                   {[]int{100_001, 7, 0, 2_000_000}, "/"},
		"a folder, no slash":         {[]int{100_001, 7, 0, 2_000_000}, ""},
		"a file less than one piece": {[]int{5}, "/"},
		"a folder of many files":     {append(make([]int, 0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40_000, 3), "/"},
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
			messages, err := f.run(limited(t), url+c.tail)
			if err != nil || messages != "" {
				t.Errorf("got %v, messages %q", err, messages)
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

// TestAddressesAreRepaired checks that addresses are read as browsers read them, and that queries are kept.
func TestAddressesAreRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		format string // of the server's URL
		sizes  []int
		query  string
	}{
		"an unescaped percent sign": {"%s/100%%%% fü.iso", []int{50_000}, ""},
		"spaces and a line break":   {" \t%s/100%%25%%25%%20f%%c3%%bc.iso\r\n", []int{50_000}, ""},
		"a space in the query":      {"%s/100%%25%%25%%20f%%C3%%BC.iso?a=b c", []int{50_000}, "a=b%%20c"},
		"a fragment":                {"%s/100%%25%%25%%20f%%C3%%BC.iso#top", []int{50_000}, ""},
		"a folder's with a query":   {"%s/?t=1&u=%%", []int{50_000}, "t=1&u=%%25"},
		"no slash, with a query":    {"%s?t=1", []int{50_000, 7}, "t=1"},
		"slash, of a folder":        {"\ufeff%s/ ", []int{50_000, 7}, ""},
		"one slash for two":         {"HTTP:/%.0s%s", []int{50_000, 7}, ""},
		"backslashes, of a folder":  {`%s\`, []int{50_000, 7}, ""},
		"a line break inside":       {"%s/\n", []int{50_000, 7}, ""},
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
			messages, err := f.run(limited(t), at)
			if err != nil || messages != "" {
				t.Errorf("%q: got %v, messages %q", at, err, messages)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTroubleIsReportedAndSurvived checks that problems of a server are reported, and that another server provides what it
// does not.
func TestTroubleIsReportedAndSurvived(t *testing.T) {
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
		{"416", status(416), "and 3000001 in the torrent"},
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
		}, "does not match its hash"},
		{"compressed", status(206, "Content-Range", "bytes 0-1/*", "Content-Encoding", "br"), "bytes 0 to 1"},
		{"hangs", func(*files, http.Handler) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}, "stopped sending"},
		{"stalls in the middle", func(f *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				good.ServeHTTP(&stalling{w, r.Context(), 1000}, r)
			}
		}, "stopped sending"},
		{"ends in the middle", func(f *files, good http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				good.ServeHTTP(&stalling{w, ctx, 1000}, r)
				panic(http.ErrAbortHandler)
			}
		}, "paused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFiles(t, "name", 3_000_001)
			good := http.FileServer(http.Dir(f.dir))
			bad := serve(t, c.bad(f, good))
			first := make(chan struct{})
			var once sync.Once
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				select { // wait until the bad server is judged
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
			messages := strings.Join(said, "\n")
			if err != nil {
				t.Errorf("got %v", err)
			}
			if err := f.got(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(messages, c.want) {
				t.Errorf("got messages %q, want %q in it", messages, c.want)
			}
			if strings.Contains(messages, "secret") {
				t.Errorf("the messages contain the password: %q", messages)
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

// TestRangesIgnored checks that a server without ranges is read as a stream if it is the only one.
func TestRangesIgnored(t *testing.T) {
	f := newFiles(t, "name", 3_000_001)
	files := http.FileServer(http.Dir(f.dir))
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		r.Header.Del("Range")
		files.ServeHTTP(w, r)
	})
	if messages, err := f.run(limited(t), url+"/name"); err != nil || messages != "" {
		t.Errorf("got %v, messages %q", err, messages)
	}
	if err := f.got(); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n > 8 {
		t.Errorf("the whole file was requested %d times, want a few", n)
	}
}

// TestTroubleThatPasses checks that a server with a temporary problem is asked again.
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
	messages, err := f.run(limited(t), url+"/")
	if err != nil || f.got() != nil {
		t.Errorf("got %v and %v", err, f.got())
	}
	if strings.Count(messages, "502") != 1 {
		t.Errorf("got messages %q, want one about the 502", messages)
	}
}

// TestOneOfSeveralServersIsWrong checks that if several servers behind an address report different versions of a file, a wrong
// byte at one of them does not end the piece.
func TestOneOfSeveralServersIsWrong(t *testing.T) {
	for _, versioned := range []bool{true, false} {
		t.Run(fmt.Sprintf("versioned %v", versioned), func(t *testing.T) {
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
				if n := answers.Add(1); versioned {
					w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n%2))
				}
				http.ServeContent(w, r, "x", time.Unix(1, 0), bytes.NewReader(data))
			})
			messages, err := f.run(limited(t), url+"/")
			if err != nil {
				t.Fatal(err)
			}
			if got := f.got(); (got == nil) != versioned || strings.Contains(messages, "no longer asked for piece 12") == versioned {
				t.Errorf("got %v after %d answers, messages %q", got, answers.Load(), messages)
			}
		})
	}
}

// TestNoServerLeft checks that Run ends without servers, and that peers may then be asked for everything.
func TestNoServerLeft(t *testing.T) {
	f := newFiles(t, "name", 500_000)
	messages, err := f.run(limited(t), serve(t, http.NotFound)+"/", "ftp://x/y", "http://%zz")
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"404", "neither http nor https", "not a URL"} {
		if !strings.Contains(messages, want) {
			t.Errorf("got messages %q, want %q in it", messages, want)
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

// TestRarestFirst checks that pieces of peers are requested last, the rarest first.
func TestRarestFirst(t *testing.T) {
	f := newFiles(t, "name", 40*pieceLength)
	f.holders = make([]int32, 40)
	for i := range 20 {
		f.holders[i] = int32(1 + i%2)
	}
	url := serve(t, http.FileServer(http.Dir(f.dir)).ServeHTTP)
	f.rivals = [][20]byte{} // without rivals every piece that nobody has is ours
	if _, err := f.run(limited(t), url+"/"); err != nil {
		t.Fatal(err)
	}
	// Pieces are hashed in parallel, so neighbours may change places.
	if err := f.got(); err != nil {
		t.Fatal(err)
	}
	for k, i := range f.order[:12] {
		if i < 20 {
			t.Errorf("piece %d, which a peer has, came as number %d", i, k)
		}
	}
}

// TestRivalsShareOut checks that a piece assigned to a connected peer is left to it, and is fetched after all if it does not
// come.
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
			t.Errorf("both started with piece %d", i)
		}
	}
}
