package localapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// api is the version of the protocol. It rises when a path, field or meaning goes that a client may count on;
// what is only added leaves it.
const api = 1

// The paths. A request goes by POST, the version by GET.
const (
	pathVersion = "/v1/version"
	pathEnd     = "/v1/end"
	pathPublish = "/v1/publish"
	pathFetch   = "/v1/fetch"
	pathSeed    = "/v1/seed"
	pathRepair  = "/v1/repair"
	pathVerify  = "/v1/verify"
	pathDoctor  = "/v1/doctor"
	pathGroup   = "/v1/group"
	pathCatalog = "/v1/catalog"
	pathStatus  = "/v1/status"
	pathChange  = "/v1/change"
	pathRemove  = "/v1/remove"
	pathLimit   = "/v1/limit"
)

const (
	// host is the only one that is answered. A browser that was led here by DNS would name another.
	host = "p2pshare"

	// headerAPI and headerProgram are on every answer, so that a client of any version can tell who speaks.
	headerAPI     = "P2pshare-Api"
	headerProgram = "P2pshare-Version"

	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
)

// About is who answers at a socket.
type About struct {
	Version string `json:"version"` // of the program
	API     int    `json:"api"`
	PID     int    `json:"pid"`
	Home    string `json:"home"`
}

// line is one line of a stream: an event, or the end.
type line struct {
	Event *node.Event `json:"event,omitempty"`
	End   *end        `json:"end,omitempty"`
}

// end is how a request ended: with a problem, a result, or neither.
type end struct {
	Problem *problem        `json:"problem,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Ending  bool            `json:"ending,omitempty"` // it ended because the daemon does
}

// answer is the body of a plain request's answer, and of every refusal.
type answer = end

// Codes of problems that the client deals with itself.
const (
	codeBusy    = "busy"          // come again
	codeEnding  = "ending"        // the daemon ends
	codePath    = "unknown-path"  // a daemon of another version
	codeField   = "unknown-field" // likewise
	codeRefused = "refused"       // not a client of ours
)

// problem is an error as it travels.
type problem struct {
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
	Cause string `json:"cause,omitempty"` // canceled or deadline: what errors.Is may ask for
	Code  string `json:"code,omitempty"`
}

// kinds are the names on the wire, by fault.Kind. They are never reused for something else.
var kinds = [...]string{
	fault.Failed:     "failed",
	fault.Usage:      "usage",
	fault.NotFound:   "not-found",
	fault.InUse:      "in-use",
	fault.Denied:     "denied",
	fault.Unverified: "unverified",
	fault.Timeout:    "timeout",
}

const (
	causeCanceled = "canceled"
	causeDeadline = "deadline"
	causePassword = "password"
)

// problemOf is err on the wire; nil for nil.
func problemOf(err error) *problem {
	if err == nil {
		return nil
	}
	p := &problem{Kind: kinds[fault.Failed], Text: err.Error(), Hint: fault.HintOf(err)}
	if k := fault.KindOf(err); k >= 0 && int(k) < len(kinds) {
		p.Kind = kinds[k]
	}
	switch {
	case errors.Is(err, context.Canceled):
		p.Cause = causeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		p.Cause = causeDeadline
	case errors.Is(err, seal.ErrPassword):
		p.Cause = causePassword
	}
	return p
}

// err is the error again: its kind, text and hint are those that were sent. A kind that this version does not
// know is fault.Failed.
func (p *problem) err() error {
	if p == nil {
		return nil
	}
	k := fault.Failed
	for i, name := range kinds {
		if name == p.Kind {
			k = fault.Kind(i)
		}
	}
	return &fault.Error{Kind: k, Hint: p.Hint, Err: &RemoteError{Text: p.Text, cause: p.Cause}}
}

// RemoteError is an error that came over the socket. errors.Is finds context.Canceled, context.DeadlineExceeded and
// seal.ErrPassword in it if they were in what was sent.
type RemoteError struct {
	Text  string
	cause string
}

func (e *RemoteError) Error() string { return e.Text }

// Is is for errors.Is.
func (e *RemoteError) Is(target error) bool {
	return target == context.Canceled && e.cause == causeCanceled ||
		target == context.DeadlineExceeded && e.cause == causeDeadline ||
		target == seal.ErrPassword && e.cause == causePassword
}
