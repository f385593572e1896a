package signed

import (
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Reason is why something was refused. It is an error so that errors.Is finds it.
type Reason string

func (r Reason) Error() string { return string(r) }

// The reasons. If there are several, the one found first is returned. Their texts are part of the protocol: a member
// that refuses what a peer sent answers with the text.
const (
	ErrTooLarge     Reason = "too large"
	ErrMalformed    Reason = "malformed"
	ErrNotCanonical Reason = "not canonical"
	ErrUnsigned     Reason = "not signed by who should have"
	ErrThreshold    Reason = "not enough owners signed"
	ErrWrongGroup   Reason = "of another group"
	ErrWrongDevice  Reason = "of another device"
	ErrOld          Reason = "older than what is known"
	ErrGap          Reason = "something is missing before it"
	ErrForked       Reason = "two histories"
	ErrDisagrees    Reason = "does not agree with what was signed"
	ErrOutOfOrder   Reason = "out of order"
	ErrFuture       Reason = "from the future"
	ErrChecksum     Reason = "mistyped"
	ErrClockOff     Reason = "the clock is wrong"
	ErrTaken        Reason = "the name is another's"
)

// Refusal describes something that was refused.
type Refusal struct {
	What   string // "root", "head", "record", "log", "fork", "link", "clock"
	Reason Reason
	Detail string
}

func (r *Refusal) Error() string { return r.What + ": " + r.Detail }
func (r *Refusal) Unwrap() error { return r.Reason }

func refuse(what string, why Reason, format string, args ...any) error {
	return refuseAs(fault.Unverified, what, why, format, args...)
}

func refuseAs(kind fault.Kind, what string, why Reason, format string, args ...any) error {
	return fault.New(kind, "%w", &Refusal{What: what, Reason: why, Detail: fmt.Sprintf(format, args...)})
}
