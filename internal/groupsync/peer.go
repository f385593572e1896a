package groupsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Peer is one member that is asked. It is for one goroutine.
type Peer struct {
	client *http.Client
	group  signed.GroupID
	vault  Vault
	pool   *Pool // nil: there are no others

	port   int    // where we are reached; 0: nowhere
	cursor string // of the peer's news
	pushed uint64 // of ours

	sum    string    // of our evidence when the peer was asked for all its heads, and
	anew   time.Time // when that was because it had changed
	forks  string    // the sums of the peer's evidence and of ours when it was asked for its own,
	asked  time.Time // when that was, and
	missed bool      // whether some of it was of devices that were not known here
	told   string    // the same when it was handed ours

	who func(*http.Response) (signed.Key, error) // nil: it is not known
	by  signed.Key                               // of the machine that answers; zero: none has, or it is not known
	own signed.Head                              // of our log, that was news when the peer showed it; zero: none was

	self    signed.Key    // our device; zero: none
	later   []signed.Head // of the peer, whose logs were refused for a reason that may go by
	tried   time.Time     // when those were last asked for, and
	triedAt uint64        // with which of our news
	again   []signed.Head // of ours, that the peer refused for such a reason

	ahead time.Duration // of the peer's clock before ours, as its last answer showed
	dated bool          // ahead is known
}

// PeerError is something a peer did that a member in order does not do: it is not asked again soon.
type PeerError struct{ Err error }

func (e *PeerError) Error() string {
	return "the member sent what it should not have: " + e.Err.Error()
}
func (e *PeerError) Unwrap() error { return e.Err }

// ErrNothing is a peer that has nothing of the group yet, and nothing is here either.
var ErrNothing = errors.New("the member has nothing of the group itself")

// ErrRefused is a peer that does not let us in.
var ErrRefused = errors.New("the member does not answer us")

// ErrBusy is a peer that was asked too often: by us, by others from our address, or by all.
var ErrBusy = errors.New("the member was asked too often")

// errNotTaken is a peer that refuses what it was handed.
var errNotTaken = errors.New("the member refuses what it was handed")

// ErrTaken is a peer that refuses our device, because the name of the account that it makes is another's there.
var ErrTaken = errors.New("the name is another's")

// passing says whether a log that was refused may be taken later: its name is another's so far, or its time to come. It is no
// fault of who brought it.
func passing(err error) bool {
	return errors.Is(err, signed.ErrTaken) || errors.Is(err, signed.ErrFuture)
}

// NewPeer makes a Peer whose member client reaches, whatever the host of a URL is.
func NewPeer(client *http.Client, g signed.GroupID, v Vault) *Peer {
	return &Peer{client: client, group: g, vault: v}
}

// Pull takes what is new at the peer since the last Pull. With wait, it waits for news for a while if there are none.
// It says whether anything came.
func (p *Peer) Pull(ctx context.Context, wait time.Duration) (news bool, err error) {
	if news, err = p.pullRoots(ctx); err != nil {
		return news, err
	}
	switch sum := p.vault.ForkSum(); {
	case p.cursor == "":
		p.sum = sum
	case sum != p.sum && time.Since(p.anew) >= laterPause:
		// Of a frozen device other records may be wanted than before.
		p.cursor, p.sum, p.anew = "", sum, time.Now()
	}
	call, cancel := context.WithTimeout(ctx, wait+answerTime)
	in, heads, bad := p.pullHeads(call, wait)
	cancel()
	if in == nil {
		return news, bad
	}
	more, err := p.pullLogs(ctx, heads)
	if err = errors.Join(bad, err); err == nil {
		err = p.pullForks(ctx, in.Forks)
	}
	if err == nil {
		p.cursor = in.Cursor
	}
	return news || more, err
}

// pullHeads asks for the heads that have changed, and gives those that are news here. Those before one that does not verify
// are given too, with the error.
func (p *Peer) pullHeads(ctx context.Context, wait time.Duration) (in *headsAnswer, news []signed.Head, err error) {
	q := url.Values{"since": {p.cursor}, "wait": {strconv.Itoa(int(wait.Seconds()))}}
	in = &headsAnswer{}
	var bad error
	seen := map[string]bool{}
	err = p.list(ctx, "/v1/heads?"+q.Encode(), "heads", maxHeads, maxHeadText, map[string]any{"cursor": &in.Cursor, "forks": &in.Forks}, func(s string) error {
		raw := []byte(s)
		if p.vault.Holds(raw) {
			return nil
		}
		origin, _, _ := strings.Cut(s, "\n")
		if seen[origin] {
			bad = &PeerError{errors.New("two heads of one device")}
			return bad
		}
		seen[origin] = true
		head, err := signed.OpenHead(raw, p.group)
		if err != nil {
			bad = &PeerError{err}
			return bad
		}
		// A device that is frozen or removed is our affair, not the peer's fault.
		_, wanted, err := p.vault.Wants(head)
		if passing(err) {
			p.putOff(head)
		}
		if head.Device == p.self && (wanted || passing(err)) {
			p.own = head
		}
		if err == nil && wanted {
			news = append(news, head)
		}
		return nil
	})
	if err != nil && bad == nil {
		return nil, nil, err
	}
	return in, news, bad
}

// Ahead is how far the peer's clock is before ours, by what its last answer said; false: it did not say.
func (p *Peer) Ahead() (time.Duration, bool) { return p.ahead, p.dated }

func (p *Peer) pullRoots(ctx context.Context) (news bool, err error) {
	for {
		have := int64(len(p.vault.Roots(1)))
		n := 0
		call, cancel := context.WithTimeout(ctx, answerTime)
		err := p.list(call, "/v1/root?from="+strconv.FormatInt(have+1, 10), "roots", maxRoots, maxRootText, nil, func(s string) error {
			n++
			return blame(p.vault.AddRoots(ctx, [][]byte{[]byte(s)}))
		})
		cancel()
		switch {
		case err != nil:
			return news, err
		case n == 0 && have == 0:
			return news, ErrNothing
		case n == 0:
			return news, nil
		}
		if int64(len(p.vault.Roots(1))) == have {
			return news, &PeerError{errors.New("roots that are none of the next")}
		}
		news = true
	}
}

// pullLogs takes the logs of the heads that are news. What is wrong with one device is told after the others were taken.
func (p *Peer) pullLogs(ctx context.Context, heads []signed.Head) (news bool, err error) {
	heads = append(heads, p.due()...)
	for range maxRounds {
		var early []signed.Head // nobody vouches for them yet: the log that does may be among those that follow
		came := false
		for _, head := range heads {
			from, wanted, werr := p.vault.Wants(head)
			if werr != nil || !wanted {
				continue
			}
			switch perr := p.pullLog(ctx, head, from, len(early) == 0); {
			case perr == nil:
				came = true
			case passing(perr):
				p.putOff(head)
			case errors.Is(perr, signed.ErrUnsigned):
				early = append(early, head)
			default:
				err = errors.Join(err, perr)
			}
			if ctx.Err() != nil {
				return news, errors.Join(err, ctx.Err())
			}
		}
		news = news || came
		if heads = early; len(early) == 0 || !came {
			break
		}
	}
	if len(heads) > maxStrange {
		err = errors.Join(err, &PeerError{fmt.Errorf("heads of %d devices that nobody vouches for", len(heads))})
	}
	return news, err
}

// putOff remembers a head whose log is to be asked for again.
func (p *Peer) putOff(h signed.Head) {
	p.later = slices.DeleteFunc(p.later, func(o signed.Head) bool { return o.Device == h.Device })
	if len(p.later) < maxLater {
		p.later = append(p.later, h)
	}
}

// due are the heads that were put off, if something has changed here since, or a while has passed.
func (p *Peer) due() []signed.Head {
	_, now := p.vault.Changed()
	if len(p.later) == 0 || now == p.triedAt && time.Since(p.tried) < laterPause {
		return nil
	}
	p.tried, p.triedAt = time.Now(), now
	out := p.later
	p.later = nil
	return out
}

func (p *Peer) pullLog(ctx context.Context, head signed.Head, from int64, fresh bool) error {
	records, err := p.records(ctx, head, from, fresh)
	if err != nil {
		return err
	}
	err = p.vault.AddLog(ctx, head, from, records)
	if from > 0 && errors.Is(err, signed.ErrDisagrees) {
		// The peer lies, or the device has signed two histories: all of this one tells.
		if records, err = p.records(ctx, head, 0, fresh); err != nil {
			return err
		}
		err = p.vault.AddLog(ctx, head, 0, records)
	}
	return blame(err)
}

// records asks for those of a head, from one on. Of a device that nobody vouches for it reads the first alone. However few a
// member gives at a time, it takes one place of those who give many, and no longer than who is slow.
func (p *Peer) records(ctx context.Context, head signed.Head, from int64, fresh bool) (records [][]byte, err error) {
	var leave func() // gives the place back
	defer func() {
		if leave != nil {
			leave()
		}
	}()
	size, begun := 0, time.Now()
	for at := from; at < head.Size; at = from + int64(len(records)) {
		if at > from && p.pool != nil && leave == nil {
			// It is a long one: few of those are in memory at a time.
			if err := p.pool.pulls.Acquire(ctx, 1); err != nil {
				return nil, err
			}
			leave = func() { p.pool.pulls.Release(1) }
			begun = time.Now()
		}
		if time.Since(begun) > answerTime+time.Duration((size+maxChunk)/slowest)*time.Second {
			return nil, fmt.Errorf("the member gives the records of device %v too slowly", head.Device)
		}
		before := len(records)
		err := p.chunk(ctx, head.Device, at, func(record []byte) error {
			if len(records) == 0 {
				first := record
				if from > 0 {
					first = nil
				}
				if err := p.vault.Vouched(head.Device, first, fresh); err != nil {
					return err
				}
			}
			if size += len(record) + 1; size > signed.MaxLog {
				return &PeerError{fmt.Errorf("a log of more than %d bytes", signed.MaxLog)}
			}
			records = append(records, bytes.Clone(record))
			if from+int64(len(records)) == head.Size {
				return errEnough // it may have grown since the head was signed
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		if len(records) == before {
			return nil, &PeerError{fmt.Errorf("no record %d of device %v, whose head it showed", at, head.Device)}
		}
	}
	return records, nil
}

// errEnough ends the reading of an answer.
var errEnough = errors.New("enough was read")

// chunk asks for an answer with records.
func (p *Peer) chunk(ctx context.Context, device signed.Key, from int64, take func(record []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime+maxChunk/slowest*time.Second)
	defer cancel()
	resp, err := p.open(ctx, fmt.Sprintf("/v1/log/%v?from=%d", device, from))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for record, err := range signed.ReadLines(&gauge{resp.Body, maxChunk + 1}) {
		if err == nil {
			err = take(record)
		} else if errors.Is(err, errTooLong) {
			err = &PeerError{fmt.Errorf("an answer of more than %d bytes", maxChunk)}
		} else {
			err = blame(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
