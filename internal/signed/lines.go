package signed

import (
	"bufio"
	"errors"
	"io"
	"iter"
)

// ReadLines reads the records of a log from a stream, without their newlines; each is valid until the next one is
// read. It ends with an error if a record is too long, the records have more than MaxLog bytes, the last has no
// newline, or r fails.
func ReadLines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		var long []byte
		total := 0
		for {
			part, err := in.ReadSlice('\n')
			whole := err == nil
			if total += len(part); total > MaxLog {
				yield(nil, refuse("log", ErrTooLarge, "more than %d bytes", MaxLog))
				return
			}
			if len(long)+len(part) > MaxRecord+1 {
				yield(nil, refuse("record", ErrTooLarge, "more than %d bytes", MaxRecord))
				return
			}
			switch {
			case whole && long == nil:
				if !yield(part[:len(part)-1], nil) {
					return
				}
			case whole:
				long = append(long, part...)
				if !yield(long[:len(long)-1], nil) {
					return
				}
				long = nil
			case errors.Is(err, bufio.ErrBufferFull):
				long = append(long, part...)
			case errors.Is(err, io.EOF) && len(part)+len(long) == 0:
				return
			case errors.Is(err, io.EOF):
				yield(nil, refuse("record", ErrMalformed, "the last one has no newline"))
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}
