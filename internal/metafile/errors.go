package metafile

import (
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Error says what is wrong with a torrent.
type Error struct {
	Field string // where: "info", "piece length", "file 3"; may be empty
	Why   string
	Err   error // the cause, such as a *names.Error; may be nil
}

func (e *Error) Error() string {
	s := e.Why
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	if e.Field == "" {
		return s
	}
	return e.Field + ": " + s
}

func (e *Error) Unwrap() error { return e.Err }

// refuse makes an Error for a field.
func refuse(field, format string, args ...any) error {
	return &Error{Field: field, Why: fmt.Sprintf(format, args...)}
}

// refuseErr makes an Error for a field from its cause.
func refuseErr(field string, err error) error {
	return &Error{Field: field, Err: err}
}

// notTorrent reports that the bytes are not a torrent at all.
func notTorrent(err error) error {
	return &fault.Error{
		Kind: fault.Unverified,
		Hint: "give a .torrent file, a magnet link or an infohash; if it should be one, download it again",
		Err:  fmt.Errorf("not a torrent: %w", err),
	}
}

// refused reports that the bytes are a torrent that must not be used.
func refused(err error) error {
	return &fault.Error{
		Kind: fault.Unverified,
		Hint: "the torrent itself is broken: its creator has to make a new one",
		Err:  fmt.Errorf("torrent refused: %w", err),
	}
}
