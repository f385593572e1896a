package webseed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

// run is a range of pieces to request at once.
type run struct{ begin, end int }

// get requests the pieces of r from s, and hands each over when it is complete. Parts that s does not have are requested from
// others. The filler records the first incomplete piece, how many bytes came, and which server was asked last.
func (f *fetch) get(ctx context.Context, s *source, r run) (*filler, error) {
	w := &filler{f: f, ctx: ctx, first: r.begin, piece: r.begin, asked: s}
	defer w.close()
	if f.o.Near {
		return w, f.pieces(ctx, s, w, r)
	}
	l := f.o.Layout
	begin, end := int64(r.begin)*l.PieceLength, l.PieceEnd(r.end-1)
	for _, e := range l.Extents(begin, end) {
		from, to := max(e.Offset, begin), min(e.Offset+e.Length, end)
		var err error
		if e.File == content.Padding {
			err = w.zeros(to - from)
		} else if w.asked = f.giver(s, e.File, w.piece, to-e.Offset); w.asked == nil {
			return w, nil // meanwhile no server has it any more
		} else {
			err = f.file(ctx, w, e.File, from-e.Offset, to-from)
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// file requests bytes of one file, repeatedly if the server sends only a part of them.
func (f *fetch) file(ctx context.Context, w *filler, file int, off, length int64) error {
	w.file = file
	for length > 0 {
		n := length
		err := f.stream(ctx, w, &n, func(ctx context.Context) (r io.ReadCloser, err error) {
			r, n, err = f.open(ctx, w.asked, file, off, length)
			return r, err
		})
		if err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	f.fileSucceeded(w.asked, file)
	return nil
}

// pieces requests whole pieces, including pads, from a nearby peer.
func (f *fetch) pieces(ctx context.Context, s *source, w *filler, r run) error {
	length, l := int64(0), f.o.Layout
	for i := r.begin; i < r.end; i++ {
		length += l.PieceEnd(i) - int64(i)*l.PieceLength
	}
	return f.stream(ctx, w, &length, func(ctx context.Context) (io.ReadCloser, error) { return f.openPieces(ctx, s, r, length) })
}

// stream reads *length bytes from what open returns; open may change *length.
func (f *fetch) stream(ctx context.Context, w *filler, length *int64, open func(context.Context) (io.ReadCloser, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.o.patience.stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	body, err := open(ctx)
	if err == nil {
		defer body.Close()
		watchdog.Stop()
		err = w.read(ctx, body, *length, watchdog)
	}
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// filler puts bytes into the buffers of successive pieces.
type filler struct {
	f   *fetch
	ctx context.Context // of the connection: see close

	asked *source // the current server, for file
	file  int

	first int // piece
	piece int
	buf   []byte    // of piece; nil: not allocated
	n     int       // bytes in buf
	sent  int64     // the part of n that servers sent
	from  []*source // the servers that sent them
	total int64     // bytes from servers, over all pieces

	spent time.Duration // time spent waiting for bytes
	came  int64         // bytes received in that time
}

// zeros adds a pad.
func (w *filler) zeros(length int64) error {
	for length > 0 {
		room, err := w.room()
		if err != nil {
			return err
		}
		room = room[:min(length, int64(len(room)))]
		clear(room)
		length -= int64(len(room))
		if err := w.advance(len(room)); err != nil {
			return err
		}
	}
	return nil
}

// read reads length bytes of a body. Only the time spent waiting for the server counts for its speed, not the rate limit's.
func (w *filler) read(ctx context.Context, body io.Reader, length int64, watchdog *time.Timer) error {
	for length > 0 {
		room, err := w.room()
		if err != nil {
			return err
		}
		most := w.f.o.Limit.Most()
		if most == 0 {
			most = readSize
		}
		watchdog.Reset(w.f.o.patience.stall)
		at := time.Now()
		n, err := body.Read(room[:min(length, int64(len(room)), int64(most))])
		watchdog.Stop()
		w.spent += time.Since(at)
		w.came += int64(n)
		length -= int64(n)
		w.sent += int64(n)
		w.total += int64(n)
		if n > 0 && !slices.Contains(w.from, w.asked) {
			w.from = append(w.from, w.asked)
		}
		if n > 0 {
			if err := w.f.o.Limit.Wait(ctx, n); err != nil {
				return err
			}
			if err := w.advance(n); err != nil {
				return err
			}
		}
		switch {
		case length == 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the connection ended %d bytes early", length)
		case err != nil:
			return plain(err)
		}
		if w.spent >= w.f.o.patience.slow {
			if float64(w.came) < slowRate*w.spent.Seconds() {
				return errSlow
			}
			w.spent, w.came = 0, 0
		}
	}
	return nil
}

// room returns the free part of the piece's buffer.
func (w *filler) room() ([]byte, error) {
	if w.buf == nil {
		b, err := w.f.buffers.get(w.ctx)
		if err != nil {
			return nil, err
		}
		l := w.f.o.Layout
		w.buf = b[:l.PieceEnd(w.piece)-int64(w.piece)*l.PieceLength]
	}
	return w.buf[w.n:], nil
}

// advance records n more bytes, and hands the piece over once it is complete.
func (w *filler) advance(n int) error {
	if w.n += n; w.n < len(w.buf) {
		return nil
	}
	select {
	case w.f.whole <- arrived{w.piece, w.buf, w.sent, w.from}:
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
	w.buf, w.n, w.sent, w.from = nil, 0, 0, nil
	w.piece++
	return nil
}

// close returns the buffer of an incomplete piece.
func (w *filler) close() {
	if w.buf != nil {
		w.f.buffers.put(w.buf)
		w.buf = nil
	}
}
