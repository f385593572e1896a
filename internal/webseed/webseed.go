package webseed

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// Swarm is the torrent's view of its peers. Its methods are called from several goroutines.
type Swarm interface {
	Look() View
	// Reserve makes the swarm not request pieces from peers, or undoes that.
	Reserve(pieces []int, reserved bool)
	// Have reports that a piece is verified and stored, and how many of its bytes a server sent.
	Have(piece int, bytes int64)
}

// View is a snapshot of the torrent. The slices are indexed by piece.
type View struct {
	Missing []bool  // neither stored nor being hashed
	Begun   []bool  // peers have sent a part
	Holders []int32 // number of connected peers that have it

	Me        [20]byte
	Rivals    [][20]byte // connected p2pshare peers that lack something
	FromPeers int64      // useful bytes from peers so far
}

// Store stores pieces. Its methods are called from several goroutines.
type Store interface {
	Knows(piece int) bool // whether its hash is known
	// Put stores a piece if its hash is right. fresh: it was not there before. An error ends the whole Run.
	Put(piece int, b []byte) (right, fresh bool, err error)
}

// Limit limits the speed.
type Limit interface {
	Most() int // bytes to read at a time; 0: no limit
	Wait(ctx context.Context, n int) error
}

// Options of Run. All are required, except as noted for Near and Outlook.
type Options struct {
	Torrent *metafile.Torrent
	Layout  *content.Layout // defines the pieces of Swarm and Store
	Wanted  [][2]int        // ranges of pieces, end not included
	URLs    []string

	Swarm Swarm
	Store Store
	Limit Limit

	// Near means that URLs are peers that send whole pieces: Path(begin, end) is appended for the pieces begin to end. They are
	// asked for any missing piece. Answered, which may be nil, is called after every answer: err is nil if it was right; gone
	// means that the peer is not asked again.
	Near     bool
	Path     func(begin, end int) string
	Answered func(err error, gone bool)

	Outlook *Outlook // shows what the servers can still send; may be nil

	HTTP  http.RoundTripper // follows redirects, and itself reports addresses that may not be asked (netguard.BlockedError)
	Agent string
	Tell  func(message string) // calls do not overlap
	Log   *slog.Logger

	patience patience
}

// patience holds waits of limits.go, which tests shorten.
type patience struct{ stall, slow, backoff, steal time.Duration }

// Run fetches from the servers until nothing is missing, no server is left, or ctx ends. It returns only errors of the store
// and panics; otherwise nil.
func Run(ctx context.Context, o Options) error {
	if o.patience == (patience{}) {
		o.patience = patience{stallTime, slowTime, backoffFirst, stealFirst}
	}
	f := newFetch(o)
	if len(f.sources) == 0 {
		return nil
	}
	if o.Outlook != nil {
		o.Outlook.of.Store(f)
	}
	ctx, f.stop = context.WithCancel(ctx)
	defer f.stop()
	ends := func(bug *panics.Error) { f.fail(bug) } // so that nobody waits for the goroutine that ended
	hashers, conns := panics.Group{Failed: ends}, panics.Group{Failed: ends}
	for range runtime.GOMAXPROCS(0) {
		hashers.Start(f.judge)
	}
	for i := range allConns {
		s := f.sources[i%len(f.sources)]
		if nth := i / len(f.sources); nth < hostConns {
			conns.Start(func() { f.connection(ctx, s, nth) })
		}
	}
	for i := allConns; i < len(f.sources); i++ {
		conns.Start(func() { f.connection(ctx, f.sources[i], 0) })
	}
	_ = conns.Wait() // f.failed is the first error
	close(f.whole)
	_ = hashers.Wait()
	return f.failed
}

// Outlook shows what the servers of a Run can still send. The zero value has no servers.
type Outlook struct{ of atomic.Pointer[fetch] }

// Gives returns a function that says whether a server is left that may send a piece, as far as is known at its call.
func (o *Outlook) Gives() func(piece int) bool {
	f := o.of.Load()
	if f == nil {
		return func(int) bool { return false }
	}
	return func(piece int) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		now := time.Now()
		for _, s := range f.sources {
			if _, ever := f.canFetch(s, piece, now); ever {
				return true
			}
		}
		return false
	}
}

// fetch is the state of one Run.
type fetch struct {
	o       Options
	sources []*source
	stop    context.CancelFunc
	whole   chan arrived
	buffers buffers

	mu     sync.Mutex
	taken  map[int]bool // pieces on their way
	failed error
	pace   pace
	steal  steal
	rivals int  // at the last look
	over   bool // nothing is missing

	telling sync.Mutex
}

// arrived is a complete piece.
type arrived struct {
	piece int
	b     []byte
	sent  int64 // by servers, so without pads
	from  []*source
}

func newFetch(o Options) *fetch {
	f := &fetch{o: o, whole: make(chan arrived), taken: map[int]bool{}}
	f.buffers.init(o.Torrent.PieceLength)
	f.steal.wait = o.patience.steal
	hosts := map[string]*host{}
	var seen []string
	for _, raw := range o.URLs {
		if slices.Contains(seen, raw) || len(seen) == maxURLs {
			continue
		}
		seen = append(seen, raw)
		a, err := parseAddress(raw, o.Torrent)
		if err != nil {
			f.tell(fmt.Sprintf("the web seed %q is not used: %v", webaddr.RedactURL(raw), err))
			continue
		}
		h := hosts[a.base.Host]
		if h == nil {
			h = &host{allowed: 1}
			hosts[a.base.Host] = h
		}
		f.sources = append(f.sources, &source{address: a, host: h, files: map[int]*fileState{}, wrong: map[int]int{}})
	}
	return f
}

func (f *fetch) tell(message string) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.o.Tell(message)
}

// fail ends the fetch with its first error.
func (f *fetch) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = err
		f.stop()
	}
}

// judge verifies and stores pieces until there are no more.
func (f *fetch) judge() {
	for a := range f.whole {
		right, fresh, err := f.o.Store.Put(a.piece, a.b)
		f.buffers.put(a.b)
		f.mu.Lock()
		delete(f.taken, a.piece)
		if err == nil && right && fresh {
			f.pace.web += a.sent
		}
		f.mu.Unlock()
		switch {
		case err != nil:
			f.fail(err)
		case !right:
			f.o.Swarm.Reserve([]int{a.piece}, false)
			f.wrong(a)
		default:
			f.recordRight(a)
			if fresh {
				f.o.Swarm.Have(a.piece, a.sent)
			}
		}
	}
}

// wrong records that a piece does not match its hash. A nearby peer that sends one is not asked again.
func (f *fetch) wrong(a arrived) {
	if !f.o.Near {
		f.recordWrong(a)
		return
	}
	err := gone("its content differs from the torrent: piece %d does not match its hash", a.piece)
	for _, s := range a.from {
		f.drop(s, err, false)
	}
	if f.o.Answered != nil {
		f.o.Answered(err, true)
	}
}

// connection requests one range after the other from s.
func (f *fetch) connection(ctx context.Context, s *source, nth int) {
	cursor := -1
	for {
		r, wait, ok := f.next(s, nth, cursor)
		if !ok {
			return
		}
		if r.end == r.begin {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
				continue
			}
		}
		begun := time.Now()
		w, err := f.get(ctx, s, r)
		cursor = w.piece
		f.release(r, w.piece)
		if ctx.Err() != nil {
			return
		}
		f.finish(s, w, time.Since(begun), err)
	}
}

// release lets peers be asked again for the pieces from rest on.
func (f *fetch) release(r run, rest int) {
	var pieces []int
	f.mu.Lock()
	for i := max(rest, r.begin); i < r.end; i++ {
		if f.taken[i] {
			delete(f.taken, i)
			pieces = append(pieces, i)
		}
	}
	f.mu.Unlock()
	if len(pieces) > 0 {
		f.o.Swarm.Reserve(pieces, false)
	}
}

// buffers is a pool of buffers, one per piece in memory.
type buffers struct {
	length int64
	free   chan []byte
	fresh  chan struct{} // one for each buffer that may still be allocated
}

func (b *buffers) init(length int64) {
	n := int(min(max(bufferBytes/length, 1), maxBuffers))
	b.length, b.free, b.fresh = length, make(chan []byte, n), make(chan struct{}, n)
	for range n {
		b.fresh <- struct{}{}
	}
}

func (b *buffers) get(ctx context.Context) ([]byte, error) {
	select {
	case p := <-b.free:
		return p, nil
	default:
	}
	select {
	case p := <-b.free:
		return p, nil
	case <-b.fresh:
		return make([]byte, b.length), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *buffers) put(p []byte) { b.free <- p[:b.length] }
