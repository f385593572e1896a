package metafile

import (
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Error says what is wrong with a torrent.
type Error struct {
	Field string // where: "info", "piece length", "file 3"; may be empty
	Why   string
	Err   error // what the judge of that field said, such as a *names.Error; may be nil
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

// refuse makes an Error about a field.
func refuse(field, format string, args ...any) error {
	return &Error{Field: field, Why: fmt.Sprintf(format, args...)}
}

// refuseErr makes an Error about a field from what its judge said.
func refuseErr(field string, err error) error {
	return &Error{Field: field, Err: err}
}

// notTorrent says that the bytes are no torrent at all.
func notTorrent(err error) error {
	return &fault.Error{
		Kind: fault.Unverified,
		Hint: "give a .torrent file, a magnet link or an infohash; if it should be one, download it again",
		Err:  fmt.Errorf("not a torrent: %w", err),
	}
}

// refused says that the bytes are a torrent that must not be used.
func refused(err error) error {
	return &fault.Error{
		Kind: fault.Unverified,
		Hint: "the torrent itself is at fault: whoever made it has to make it anew",
		Err:  fmt.Errorf("torrent refused: %w", err),
	}
}
