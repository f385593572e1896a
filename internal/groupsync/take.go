package groupsync

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// What is wrong with a body, beside what package signed refuses.
var (
	errTooMany = errors.New("more than one call may hand in")
	errBusy    = errors.New("too many signatures of one caller")
)

// room makes room for a body, before any of it is read, or answers that there is none. When the room goes to somebody else
// the body is read no further.
func (h *Handler) room(w http.ResponseWriter, c caller, n int64) (done func(), ok bool) {
	rc := http.NewResponseController(w)
	done, ok = h.o.Pool.body(c, n, func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) })
	if !ok {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}
	return done, ok
}

// takeList reads a body that is an object with a list of at most most texts, each of at most longest bytes as JSON. take has
// each as it comes, but for those that are held here. A signature or more of each is judged: work says how many.
func (h *Handler) takeList(w http.ResponseWriter, r *http.Request, name string, most, longest, work int, values map[string]any, take func(raw []byte) error) bool {
	c := h.caller(r)
	done, ok := h.room(w, c, int64(3*longest))
	if !ok {
		return false
	}
	defer done()
	n := 0
	err := object{int64(longest), values, map[string]func(string) error{name: func(s string) error {
		raw := []byte(s)
		switch n++; {
		case n > most:
			return errTooMany
		case h.o.Vault.Holds(raw):
			return nil
		case !h.o.Pool.judge(c, work):
			return errBusy
		}
		return take(raw)
	}}}.read(http.MaxBytesReader(w, r.Body, int64(most*longest)))
	if err == nil {
		return true
	}
	refuse(w, err)
	return false
}

func (h *Handler) takeForks(w http.ResponseWriter, r *http.Request) {
	if h.takeList(w, r, "forks", maxForks, maxForkText, forkWork, nil, func(raw []byte) error {
		err := h.o.Vault.AddFork(r.Context(), raw)
		if errors.Is(err, signed.ErrGap) {
			return nil // of a device that is not known here
		}
		return h.vaulted(err)
	}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *Handler) takeRoots(w http.ResponseWriter, r *http.Request) {
	if h.takeList(w, r, "roots", maxRoots, maxRootText, rootWork, nil, func(raw []byte) error {
		return h.vaulted(h.o.Vault.AddRoots(r.Context(), [][]byte{raw}))
	}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// takeHeads says which of the heads are news here.
func (h *Handler) takeHeads(w http.ResponseWriter, r *http.Request) {
	var (
		root int64
		all  bool
		port int
		own  signed.Head // of this machine's log, if it is news
		out  = pushAnswer{Want: []want{}, Forks: h.o.Vault.ForkSum()}
	)
	if !h.takeList(w, r, "heads", maxPushed, maxHeadText, 1, map[string]any{"root": &root, "all": &all, "port": &port}, func(raw []byte) error {
		head, err := signed.OpenHead(raw, h.o.Group)
		if err != nil {
			return h.vaulted(err)
		}
		from, news, err := h.o.Vault.Wants(head)
		if head.Device == h.o.Self && (news || passing(err)) {
			own = head
		}
		if err != nil || !news {
			return nil // what is wrong with one device is no reason to miss the others
		}
		out.Want = append(out.Want, want{head.Device, from})
		return nil
	}) {
		return
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && h.o.Heard != nil && port > 0 && port <= 65535 {
		h.o.Heard(net.JoinHostPort(host, strconv.Itoa(port)))
	}
	if have := int64(len(h.o.Vault.Roots(1))); root > have {
		out.Root = have + 1
	}
	if h.o.Told != nil && all {
		h.o.Told(r, own)
	}
	answer(w, out)
}

// takeLog takes a head and the records up to it. What nobody vouches for is read no further than to its first record, if it is
// too large to wait for who does.
func (h *Handler) takeLog(w http.ResponseWriter, r *http.Request) {
	device, ok := key(w, r, "device")
	if !ok {
		return
	}
	from, ok := number(w, r, "from")
	if !ok {
		return
	}
	if r.ContentLength < 0 {
		http.Error(w, "how long is it?", http.StatusLengthRequired)
		return
	}
	deadline(w, answerTime+time.Duration(r.ContentLength/slowest)*time.Second)
	c := h.caller(r)
	done, ok := h.room(w, c, r.ContentLength+piece)
	if !ok {
		return
	}
	defer done()
	if !h.o.Pool.judge(c, 1) {
		refuse(w, errBusy)
		return
	}
	in := bufio.NewReaderSize(http.MaxBytesReader(w, r.Body, r.ContentLength), piece)
	start, _ := in.Peek(signed.MaxHead) // an error comes back when on is read
	end := endOfHead(start)
	if end < 0 {
		http.Error(w, "no head", http.StatusBadRequest)
		return
	}
	head, err := signed.OpenHead(start[:end], h.o.Group)
	if err == nil && head.Device != device {
		err = &signed.Refusal{What: "head", Reason: signed.ErrWrongDevice, Detail: "it is of another device"}
	}
	if err != nil {
		refuse(w, h.vaulted(err))
		return
	}
	switch _, news, err := h.o.Vault.Wants(head); {
	case errors.As(err, new(*signed.Refusal)):
		refuse(w, h.vaulted(err))
		return
	case err != nil || !news:
		w.WriteHeader(http.StatusNoContent) // nothing of it is read, which is no fault of the caller
		return
	}
	_, _ = in.Discard(end) // it was peeked at
	records, err := h.readRecords(in, head, from, r.ContentLength)
	if err != nil {
		refuse(w, err)
		return
	}
	if err := h.o.Vault.AddLog(WithCaller(r.Context(), c.who), head, from, records); err != nil {
		refuse(w, h.vaulted(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readRecords reads what follows a head, in a body of size bytes.
func (h *Handler) readRecords(in io.Reader, head signed.Head, from, size int64) (records [][]byte, err error) {
	var slab []byte
	for record, err := range signed.ReadLines(in) {
		if err != nil {
			return nil, h.vaulted(err)
		}
		if len(records) == 0 {
			first := record
			if from > 0 {
				first = nil
			}
			if err := h.o.Vault.Vouched(head.Device, first, true); err != nil && (from > 0 || size > MaxEarly) {
				return nil, h.vaulted(err)
			}
		}
		if int64(len(records)) >= head.Size-from {
			return nil, h.vaulted(&signed.Refusal{What: "log", Reason: signed.ErrDisagrees, Detail: "it has more records than its head"})
		}
		if len(record) > cap(slab)-len(slab) {
			slab = make([]byte, 0, max(len(record), piece))
		}
		slab = append(slab, record...)
		records = append(records, slab[len(slab)-len(record):len(slab):len(slab)])
	}
	return records, nil
}

// endOfHead is where a note ends: after the line of signature that follows its empty line.
func endOfHead(raw []byte) int {
	gap := bytes.Index(raw, []byte("\n\n"))
	if gap < 0 {
		return -1
	}
	end := bytes.IndexByte(raw[gap+2:], '\n')
	if end < 0 {
		return -1
	}
	return gap + 2 + end + 1
}

// notTaken is what the vault, or who judges for it, says of something that was read well.
type notTaken struct{ error }

func (e notTaken) Unwrap() error { return e.error }

func (h *Handler) vaulted(err error) error {
	if err == nil {
		return nil
	}
	return notTaken{err}
}

// refuse says why something was not taken, in few words.
func refuse(w http.ResponseWriter, err error) {
	var why *signed.Refusal
	switch {
	case errors.Is(err, context.Canceled):
	case errors.Is(err, errTooMany), errors.Is(err, errTooLong), errors.As(err, new(*http.MaxBytesError)):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "20")
		http.Error(w, "later", http.StatusTooManyRequests)
	case errors.As(err, &why):
		http.Error(w, string(why.Reason), http.StatusUnprocessableEntity)
	case errors.As(err, new(notTaken)):
		http.Error(w, "refused", http.StatusUnprocessableEntity)
	default:
		http.Error(w, "not understood", http.StatusBadRequest)
	}
}
