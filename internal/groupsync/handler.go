package groupsync

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
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
	// Pool bounds what all handlers of a machine hold at a time; nil: one for this handler alone.
	Pool *Pool
	// Member says that who asks has proven to be one, and by which key; others are strangers to the Pool. May be nil.
	Member func(r *http.Request) (who string, member bool)
	// Torrent gives who asks the .torrent with a hash; nil for one that is not held, or not for this peer. May be nil.
	Torrent func(r *http.Request, hash signed.Hash) []byte
	// Have tells who asks of which torrents content is held here that this peer may have. May be nil.
	Have func(r *http.Request) [][20]byte
	// Peers are addresses at which members are, for other members; at most maxPeersTold of them are told. May be nil.
	Peers func() []string
	// Slot gives the password slot of a tag. One that there is none of is best answered too, with what looks like one.
	// Each question is a guess at a password: those of strangers are counted. May be nil.
	Slot func(tag signed.Key) []byte
	// Told is called after a peer has told all heads that it has. own is its head of the device Self where that is news here;
	// else, or where it has none, own is zero. Anybody may say anything: whose word counts is the callee's to judge. May be nil.
	Told func(r *http.Request, own signed.Head)
	Self signed.Key
	// Heard is told where a peer who hands something in is reached itself, host:port. May be nil.
	Heard func(addr string)
}

// Handler answers members.
type Handler struct {
	o    Options
	boot string // cursors of another run of this machine mean nothing
	mux  *http.ServeMux
}

// NewHandler makes a handler.
func NewHandler(o Options) *Handler {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	if o.Pool == nil {
		o.Pool = NewPool()
	}
	h := &Handler{o: o, boot: hex.EncodeToString(b[:]), mux: http.NewServeMux()}
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

// caller is who asks, as far as he is proven.
func (h *Handler) caller(r *http.Request) caller {
	if h.o.Member != nil {
		if who, member := h.o.Member(r); member {
			return caller{who, true}
		}
	}
	return caller{addressOf(r), false}
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
	list(w, "roots", nil, func(yield func(string) bool) {
		for _, raw := range roots[:min(len(roots), maxRoots)] {
			if !yield(string(raw)) {
				return
			}
		}
	})
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
			h.sendHeads(w, r, list, now)
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			h.sendHeads(w, r, nil, now)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (h *Handler) sendHeads(w http.ResponseWriter, r *http.Request, heads []signed.Head, now uint64) {
	done, ok := h.o.Pool.answer(r.Context(), h.caller(r), int64(len(heads))*headBytes)
	if !ok {
		later(w)
		return
	}
	defer done()
	first := headsAnswer{Cursor: h.boot + "." + strconv.FormatUint(now, 10), Forks: h.o.Vault.ForkSum()}
	list(w, "heads", first, func(yield func(string) bool) {
		for _, head := range heads[:min(len(heads), maxHeads)] {
			if !yield(string(head.Raw)) {
				return
			}
		}
	})
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
	deadline(w, answerTime+maxChunk/slowest*time.Second)
	w.Header().Set("Content-Type", "application/octet-stream")
	// It is read in pieces: who does not take the answer keeps one of them in memory.
	for sent := 0; ; {
		b, err := h.o.Vault.Records(device, from, min(piece, maxChunk-sent))
		if err != nil && sent == 0 {
			http.Error(w, "not to be had", http.StatusNotFound)
		}
		if sent += len(b); err != nil || len(b) == 0 || sent > maxChunk || !h.send(w, r, b) {
			return
		}
		from += int64(bytes.Count(b, []byte("\n")))
	}
}

// send writes a part of an answer. One that is large waits for room.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, b []byte) bool {
	if len(b) > piece {
		done, ok := h.o.Pool.answer(r.Context(), h.caller(r), int64(len(b)))
		if !ok {
			return false
		}
		defer done()
	}
	_, err := w.Write(b)
	return err == nil
}

func (h *Handler) forks(w http.ResponseWriter, r *http.Request) {
	if from, ok := number(w, r, "from"); ok {
		answer(w, forksOf(h.o.Vault, int(min(from, maxForked))))
	}
}

func forksOf(s Shelf, from int) forksAnswer {
	out := forksAnswer{Forks: []string{}}
	for _, raw := range s.Evidence(from, maxForks) {
		out.Forks = append(out.Forks, string(raw))
	}
	return out
}

func (h *Handler) torrent(w http.ResponseWriter, r *http.Request) {
	hash, err := signed.ParseHash(r.PathValue("hash"))
	if err != nil || h.o.Torrent == nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	// One is read at a time, and the next when there is room for this one.
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	if h.o.Pool.reading.Acquire(ctx, 1) != nil {
		later(w)
		return
	}
	b := h.o.Torrent(r, hash)
	done, ok := h.o.Pool.answer(ctx, h.caller(r), int64(len(b)))
	h.o.Pool.reading.Release(1)
	if !ok {
		later(w)
		return
	}
	defer done()
	if b == nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	deadline(w, answerTime+time.Duration(len(b)/slowest)*time.Second)
	w.Header().Set("Content-Type", "application/x-bittorrent")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

func (h *Handler) have(w http.ResponseWriter, r *http.Request) {
	var all [][20]byte
	if h.o.Have != nil {
		all = h.o.Have(r)
	}
	done, ok := h.o.Pool.answer(r.Context(), h.caller(r), int64(len(all))*20)
	if !ok {
		later(w)
		return
	}
	defer done()
	list(w, "have", nil, func(yield func(string) bool) {
		for _, ih := range all[:min(len(all), maxHave)] {
			if !yield(hex.EncodeToString(ih[:])) {
				return
			}
		}
	})
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
	tag, ok := key(w, r, "tag")
	if !ok {
		return
	}
	if !h.o.Pool.guess(h.caller(r)) {
		refuse(w, errBusy)
		return
	}
	var b []byte
	if h.o.Slot != nil {
		b = h.o.Slot(tag)
	}
	if b == nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // a caller that has gone needs no answer
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

// later is for who is to ask again: others have the room.
func later(w http.ResponseWriter) { http.Error(w, "later", http.StatusServiceUnavailable) }

// list answers with an object that has the fields of first, which may be nil, and a list of texts. No more of it is in memory
// than one of them.
func list(w http.ResponseWriter, name string, first any, each iter.Seq[string]) {
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriter(w)
	open := []byte("{")
	if first != nil {
		b, err := json.Marshal(first)
		if err != nil {
			return
		}
		open = append(b[:len(b)-1], ',') // they have a field that is never left out
	}
	_, _ = fmt.Fprintf(out, "%s%q:[", open, name)
	sep := ""
	for s := range each {
		b, err := json.Marshal(s)
		if err == nil {
			_, err = fmt.Fprintf(out, "%s%s", sep, b)
		}
		if err != nil {
			return // a caller that has gone needs no answer
		}
		sep = ","
	}
	_, _ = out.WriteString("]}\n")
	_ = out.Flush()
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a caller that has gone needs no answer
}
