package signed

import (
	"fmt"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Reason is why something was refused. It is an error, so that errors.Is finds it.
type Reason string

func (r Reason) Error() string { return string(r) }

// The reasons. Where a thing is refused for several, the first that is met is told.
const (
	TooLarge     Reason = "too large"
	Malformed    Reason = "malformed"
	NotCanonical Reason = "not canonical"
	Unsigned     Reason = "not signed by who should have"
	Threshold    Reason = "not enough owners signed"
	WrongGroup   Reason = "of another group"
	WrongDevice  Reason = "of another device"
	Old          Reason = "older than what is known"
	Gap          Reason = "something is missing before it"
	Forked       Reason = "two histories"
	Disagrees    Reason = "does not agree with what was signed"
	OutOfOrder   Reason = "out of order"
	Future       Reason = "from the future"
	Checksum     Reason = "mistyped"
	ClockOff     Reason = "the clock is wrong"
	Taken        Reason = "the name is another's"
)

// Refusal is something that was not taken.
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
