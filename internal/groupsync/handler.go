package groupsync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Rights is what a peer may ask for.
type Rights struct {
	Root    bool // the roots
	Slot    bool // password slots
	Read    bool // heads and logs
	Push    bool // hand in heads and logs
	Content bool // torrents, and what is held of their content, as far as the hooks for those say
}

// Options of a Handler.
type Options struct {
	Group  signed.GroupID
	Vault  Vault
	Rights func(r *http.Request) Rights
	// Torrent gives who asks the .torrent with a hash; nil for one that is not held, or not for this peer. May be nil.
	Torrent func(r *http.Request, hash signed.Hash) []byte
	// Have tells who asks of which torrents content is held here that this peer may have. May be nil.
	Have func(r *http.Request) [][20]byte
	// Peers are addresses at which members are, for other members; at most maxPeersTold of them are told. May be nil.
	Peers func() []string
	// Slot gives the password slot of a tag. One that there is none of is best answered too, with what looks like one.
	// May be nil.
	Slot func(tag [16]byte) []byte
	// Told is called after a peer has told all heads that it has, and none of them is news of the device self. May be nil.
	Told func()
	Self signed.Key
	// Heard is told where a peer who hands something in is reached itself, host:port. May be nil.
	Heard func(addr string)
}

// Handler answers members.
type Handler struct {
	o    Options
	boot string // cursors of another run of this machine mean nothing
	mux  *http.ServeMux
	long chan struct{} // a place for each long log that is being read
}

// NewHandler makes a handler.
func NewHandler(o Options) *Handler {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	h := &Handler{o: o, boot: hex.EncodeToString(b[:]), mux: http.NewServeMux(), long: make(chan struct{}, maxLong)}
	h.mux.HandleFunc("GET /v1/root", h.may(func(r Rights) bool { return r.Root }, h.root))
	h.mux.HandleFunc("GET /v1/heads", h.may(func(r Rights) bool { return r.Read }, h.heads))
	h.mux.HandleFunc("GET /v1/log/{device}", h.may(func(r Rights) bool { return r.Read }, h.log))
	h.mux.HandleFunc("GET /v1/forks", h.may(func(r Rights) bool { return r.Read }, h.forks))
	h.mux.HandleFunc("GET /v1/peers", h.may(func(r Rights) bool { return r.Content }, h.peers))
	h.mux.HandleFunc("GET /v1/slot/{tag}", h.may(func(r Rights) bool { return r.Slot }, h.slot))
	h.mux.HandleFunc("GET /v1/torrent/{hash}", h.may(func(r Rights) bool { return r.Content }, h.torrent))
	h.mux.HandleFunc("GET /v1/have", h.may(func(r Rights) bool { return r.Content }, h.have))
	h.mux.HandleFunc("POST /v1/root", h.may(func(r Rights) bool { return r.Push }, h.takeRoots))
	h.mux.HandleFunc("POST /v1/forks", h.may(func(r Rights) bool { return r.Push }, h.takeForks))
	h.mux.HandleFunc("POST /v1/heads", h.may(func(r Rights) bool { return r.Push }, h.takeHeads))
	h.mux.HandleFunc("POST /v1/log/{device}", h.may(func(r Rights) bool { return r.Push }, h.takeLog))
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// may closes calls to who has no right to them, in one way for all.
func (h *Handler) may(right func(Rights) bool, call http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !right(h.o.Rights(r)) {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		deadline(w, answerTime)
		call(w, r)
	}
}

// deadline ends a call that goes on too long, whichever side is slow.
func deadline(w http.ResponseWriter, d time.Duration) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(d))
	_ = c.SetWriteDeadline(time.Now().Add(d))
}

func (h *Handler) root(w http.ResponseWriter, r *http.Request) {
	from, ok := number(w, r, "from")
	if !ok {
		return
	}
	roots := h.o.Vault.Roots(max(from, 1))
	out := rootsAnswer{Roots: []string{}}
	for _, raw := range roots[:min(len(roots), maxRoots)] {
		out.Roots = append(out.Roots, string(raw))
	}
	answer(w, out)
}

// heads waits for news if there are none and the caller wants to.
func (h *Handler) heads(w http.ResponseWriter, r *http.Request) {
	secs, ok := number(w, r, "wait")
	if !ok {
		return
	}
	pause := min(time.Duration(min(secs, 3600))*time.Second, maxWait)
	deadline(w, pause+answerTime)
	since := h.since(r.URL.Query().Get("since"))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		changed, now := h.o.Vault.Changed()
		list := []signed.Head{}
		if now > since || since == 0 {
			list = h.o.Vault.Heads(since)
		}
		if len(list) > 0 || pause == 0 || now > since && since > 0 {
			h.sendHeads(w, list, now)
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			h.sendHeads(w, nil, now)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (h *Handler) sendHeads(w http.ResponseWriter, list []signed.Head, now uint64) {
	out := headsAnswer{Cursor: h.boot + "." + strconv.FormatUint(now, 10), Heads: []string{}, Forks: len(h.o.Vault.Evidence())}
	for _, head := range list[:min(len(list), maxHeads)] {
		out.Heads = append(out.Heads, string(head.Raw))
	}
	answer(w, out)
}

// since reads a cursor; one that is not of this run asks for everything.
func (h *Handler) since(cursor string) uint64 {
	boot, n, _ := strings.Cut(cursor, ".")
	if boot != h.boot {
		return 0
	}
	since, err := strconv.ParseUint(n, 10, 64)
	if err != nil {
		return 0
	}
	return since
}

func (h *Handler) log(w http.ResponseWriter, r *http.Request) {
	device, ok := key(w, r, "device")
	if !ok {
		return
	}
	from, ok := number(w, r, "from")
	if !ok {
		return
	}
	b, err := h.o.Vault.Records(device, from, maxChunk)
	if err != nil {
		http.Error(w, "not to be had", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // a caller that has gone needs no answer
}

func (h *Handler) forks(w http.ResponseWriter, _ *http.Request) { answer(w, forksOf(h.o.Vault)) }

func forksOf(s Shelf) forksAnswer {
	out := forksAnswer{Forks: []string{}}
	all := s.Evidence()
	for _, raw := range all[:min(len(all), maxForks)] {
		out.Forks = append(out.Forks, string(raw))
	}
	return out
}

func (h *Handler) takeForks(w http.ResponseWriter, r *http.Request) {
	var in forksAnswer
	if !body(w, r, maxForksBody, &in) {
		return
	}
	for _, raw := range in.Forks[:min(len(in.Forks), maxForks)] {
		if err := h.o.Vault.AddFork(r.Context(), []byte(raw)); err != nil {
			done(w, err)
			return
		}
	}
	done(w, nil)
}

func (h *Handler) torrent(w http.ResponseWriter, r *http.Request) {
	hash, err := signed.ParseHash(r.PathValue("hash"))
	var b []byte
	if err == nil && h.o.Torrent != nil {
		b = h.o.Torrent(r, hash)
	}
	if b == nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	deadline(w, 4*answerTime)
	w.Header().Set("Content-Type", "application/x-bittorrent")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

func (h *Handler) have(w http.ResponseWriter, r *http.Request) {
	out := haveAnswer{Have: []string{}}
	if h.o.Have != nil {
		all := h.o.Have(r)
		for _, ih := range all[:min(len(all), maxHave)] {
			out.Have = append(out.Have, hex.EncodeToString(ih[:]))
		}
	}
	answer(w, out)
}

func (h *Handler) peers(w http.ResponseWriter, _ *http.Request) {
	out := peersAnswer{Peers: []string{}}
	if h.o.Peers != nil {
		all := h.o.Peers()
		out.Peers = append(out.Peers, all[:min(len(all), maxPeersTold)]...)
	}
	answer(w, out)
}

func (h *Handler) slot(w http.ResponseWriter, r *http.Request) {
	tag, err := hex.DecodeString(r.PathValue("tag"))
	var b []byte
	if err == nil && len(tag) == 16 && h.o.Slot != nil {
		b = h.o.Slot([16]byte(tag))
	}
	if b == nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // a caller that has gone needs no answer
}

func (h *Handler) takeRoots(w http.ResponseWriter, r *http.Request) {
	var in rootsAnswer
	if !body(w, r, maxRootsBody, &in) {
		return
	}
	raw := make([][]byte, 0, len(in.Roots))
	for _, s := range in.Roots {
		raw = append(raw, []byte(s))
	}
	done(w, h.o.Vault.AddRoots(r.Context(), raw))
}

// takeHeads says which of the heads are news here.
func (h *Handler) takeHeads(w http.ResponseWriter, r *http.Request) {
	var in pushRequest
	if !body(w, r, maxHeadsBody, &in) {
		return
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && h.o.Heard != nil && in.Port > 0 && in.Port <= 65535 {
		h.o.Heard(net.JoinHostPort(host, strconv.Itoa(in.Port)))
	}
	out := pushAnswer{Want: []want{}}
	if have := int64(len(h.o.Vault.Roots(1))); in.Root > have {
		out.Root = have + 1
	}
	behind := false
	for _, raw := range in.Heads[:min(len(in.Heads), maxPushed)] {
		head, err := signed.OpenHead([]byte(raw), h.o.Group)
		if err != nil {
			done(w, err)
			return
		}
		from, news, err := h.o.Vault.Wants(head)
		if err != nil || !news {
			continue // what is wrong with one device is no reason to miss the others
		}
		out.Want = append(out.Want, want{head.Device, from})
		behind = behind || head.Device == h.o.Self
	}
	if h.o.Told != nil && in.All && len(in.Heads) <= maxPushed && !behind {
		h.o.Told()
	}
	answer(w, out)
}

// takeLog takes a head and the records up to it, or, of a long log, the next of them: what is not at the head yet is kept by
// the caller's next call, which begins where the vault then is.
func (h *Handler) takeLog(w http.ResponseWriter, r *http.Request) {
	device, ok := key(w, r, "device")
	if !ok {
		return
	}
	from, ok := number(w, r, "from")
	if !ok {
		return
	}
	deadline(w, 4*answerTime)
	if r.ContentLength < 0 || r.ContentLength > signed.MaxHead+maxChunk {
		// Nothing of it is read before it has a place: who hands in many at a time fills no memory.
		select {
		case h.long <- struct{}{}:
			defer func() { <-h.long }()
		case <-time.After(answerTime):
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		case <-r.Context().Done():
			return
		}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, signed.MaxHead+signed.MaxLog+1))
	if err != nil {
		http.Error(w, "too large, or cut off", http.StatusRequestEntityTooLarge)
		return
	}
	i := endOfHead(raw)
	if i < 0 {
		http.Error(w, "no head", http.StatusBadRequest)
		return
	}
	head, err := signed.OpenHead(raw[:i], h.o.Group)
	if err == nil && head.Device != device {
		err = errors.New("the head of another device")
	}
	if err != nil {
		done(w, err)
		return
	}
	done(w, h.o.Vault.AddLog(r.Context(), head, from, slices.Collect(signed.Lines(raw[i:]))))
}

// endOfHead is where a note ends: after the line of signature that follows its empty line.
func endOfHead(raw []byte) int {
	head := string(raw[:min(len(raw), signed.MaxHead)])
	gap := strings.Index(head, "\n\n")
	if gap < 0 {
		return -1
	}
	end := strings.IndexByte(head[gap+2:], '\n')
	if end < 0 {
		return -1
	}
	return gap + 2 + end + 1
}

// done answers with no content, or with why it was refused.
func done(w http.ResponseWriter, err error) {
	var why *signed.Refusal
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &why):
		http.Error(w, string(why.Reason), http.StatusUnprocessableEntity)
	case errors.Is(err, context.Canceled):
	default:
		http.Error(w, "refused", http.StatusUnprocessableEntity)
	}
}

func number(w http.ResponseWriter, r *http.Request, name string) (int64, bool) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		http.Error(w, name+" is no number", http.StatusBadRequest)
		return 0, false
	}
	return n, true
}

func key(w http.ResponseWriter, r *http.Request, name string) (signed.Key, bool) {
	k, err := signed.ParseKey(r.PathValue(name))
	if err != nil {
		http.Error(w, name+" is no key", http.StatusBadRequest)
		return k, false
	}
	return k, true
}

func body(w http.ResponseWriter, r *http.Request, limit int64, v any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a caller that has gone needs no answer
}
