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

// Swarm is the peers of the torrent. Its methods are called from several goroutines.
type Swarm interface {
	Look() View
	// Reserve keeps peers from being asked for pieces, or lets them be asked again.
	Reserve(pieces []int, reserved bool)
	// Have says that a piece is proven and in the store, and how many bytes of it a server sent.
	Have(piece int, bytes int64)
}

// View is how the torrent stands. The slices are by piece.
type View struct {
	Missing []bool  // neither here nor being hashed
	Begun   []bool  // a part came from peers
	Holders []int32 // connected peers that have it

	Me        [20]byte
	Rivals    [][20]byte // connected peers of our kind that lack something
	FromPeers int64      // useful bytes so far
}

// Store keeps pieces. Its methods are called from several goroutines.
type Store interface {
	Knows(piece int) bool // whether its hash is known
	// Put keeps a piece if its hash is right. fresh: it was not there before. An error ends everything.
	Put(piece int, b []byte) (right, fresh bool, err error)
}

// Limit holds the speed down.
type Limit interface {
	Most() int // bytes to read at a time; 0: there is no limit
	Wait(ctx context.Context, n int) error
}

// Options are all required, but for what is said of Near.
type Options struct {
	Torrent *metafile.Torrent
	Layout  *content.Layout // that the pieces of Swarm and Store are of
	Wanted  [][2]int        // pieces, end not included
	URLs    []string

	Swarm Swarm
	Store Store
	Limit Limit

	// Near says that URLs are of peers that give whole pieces: Path is added for pieces begin to end. They are asked for
	// whatever is missing. Answered, which may be nil, is told of every answer that is over, nil if it was right; gone if the
	// peer is not to be asked again.
	Near     bool
	Path     func(begin, end int) string
	Answered func(err error, gone bool)

	Outlook *Outlook // of what the servers will give; may be nil

	HTTP  http.RoundTripper // follows redirects
	Agent string
	Tell  func(message string) // one call at a time
	Log   *slog.Logger

	patience patience
}

// patience is limits.go's, but for tests.
type patience struct{ stall, slow, backoff, steal time.Duration }

// Run fetches from the servers until nothing is missing, no server is left, or ctx ends. Its error is the store's, else
// nil.
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
	ends := func(bug *panics.Error) { f.fail(bug) } // and nobody waits for who is gone
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
	_ = conns.Wait() // f.failed is what failed first
	close(f.whole)
	_ = hashers.Wait()
	return f.failed
}

// Outlook is what the servers of a Run may still give. The zero value knows of none.
type Outlook struct{ of atomic.Pointer[fetch] }

// Gives says of pieces whether a server is left that may give them, as far as is known at the moment of the call.
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
			if _, ever := f.can(s, piece, now); ever {
				return true
			}
		}
		return false
	}
}

// fetch is one Run.
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
	rivals int  // of the last look
	over   bool // nothing is missing

	telling sync.Mutex
}

// arrived is a piece whose bytes are all here.
type arrived struct {
	piece int
	b     []byte
	sent  int64 // by the servers: without pads
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
		f.sources = append(f.sources, &source{address: a, host: h, files: map[int]*standing{}, wrong: map[int]int{}})
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

// judge takes pieces until there are no more.
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
			f.fits(a)
			if fresh {
				f.o.Swarm.Have(a.piece, a.sent)
			}
		}
	}
}

// wrong notes that a piece does not fit its hash. A peer near us that sends one is not asked again.
func (f *fetch) wrong(a arrived) {
	if !f.o.Near {
		f.differs(a)
		return
	}
	err := gone("its content is not the torrent's: piece %d does not fit its hash", a.piece)
	for _, s := range a.from {
		f.drop(s, err)
	}
	if f.o.Answered != nil {
		f.o.Answered(err, true)
	}
}

// connection asks s for one range after the other.
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
		f.ended(s, w, time.Since(begun), err)
	}
}

// release gives the pieces from rest on back to the peers.
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

// buffers are the pieces in memory.
type buffers struct {
	length int64
	free   chan []byte
	fresh  chan struct{} // one for each that may yet be made
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
