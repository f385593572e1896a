package engine

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// judge looks at what one peer says before the client does. The client (v1.62.0) ends the whole process at messages that
// it does not expect, and keeps or answers others without bounds; docs/engine-notes.md has them. So it is given only what
// a peer of good will says: what nobody has a reason to send ends the connection, and what is of no use is left out.
// Nothing is copied but extension messages, which are written anew.
type judge struct {
	x       *extent
	names   []pp.ExtensionName // that were offered to the peer
	builtin int
	dht     bool
	now     func() time.Time

	told    bool // what it has, or some of it: it has no less from then on
	allowed int
	ports   int
	flaps   float64
	flapped time.Time

	ext      peerExtensions
	metadata int // requests for parts of it
	giver    *giver
	hashes   int
}

// newJudge is called after the handshakes; nil if they are about nothing that is here.
func (w *wire) newJudge() *judge {
	x := w.e.extentOf([20]byte(w.in.handshake[hashBegin:hashEnd]), w.closed)
	if x == nil {
		return nil
	}
	j := &judge{x: x, dht: w.e.dht != nil, now: time.Now}
	j.names, j.builtin = w.e.offered()
	return j
}

// The bodies of messages, type included.
const (
	pieceHead   = 9 // type, index, begin
	requestBody = 13
	hashBody    = 49 // type, root, base layer, index, length, proof layers
	hashIndex   = 1 + 32 + 4
	hashLength  = hashIndex + 4
)

// What answers cost while they wait.
const (
	rejectBytes  = lengthBytes + requestBody
	metadataCost = 16<<10 + 100
)

func hashCost(hashes uint32) int64 {
	return lengthBytes + hashBody + 32*min(int64(hashes), maxHashes)
}

// want is how much of the message that m begins with is looked at, as far as is known, length included. The error is for
// a message that is too long or too short for what it is.
func (j *judge) want(m []byte) (int, error) {
	if len(m) < lengthBytes {
		return lengthBytes, nil
	}
	size := int64(binary.BigEndian.Uint32(m))
	switch {
	case size == 0: // a keep-alive
		return lengthBytes, nil
	case len(m) == lengthBytes:
		return lengthBytes + 1, nil
	}
	kind := kindOf(m)
	whole, ok := int(lengthBytes+min(size, maxExtended)), false
	switch kind {
	case pp.Choke, pp.Unchoke, pp.Interested, pp.NotInterested, pp.HaveAll, pp.HaveNone:
		ok = size == 1
	case pp.Have, pp.Suggest, pp.AllowedFast:
		ok = size == 5
	case pp.Request, pp.Cancel, pp.Reject:
		ok = size == requestBody
	case pp.Port:
		ok = size == 3
	case pp.Piece:
		ok = size >= pieceHead && size <= pieceHead+blockBytes
		whole = lengthBytes + pieceHead
	case pp.Bitfield:
		if j.x.pieces == 0 || j.told {
			ok = size <= 1+maxInfoPieces/8
			whole = lengthBytes + 1 // it is left out
			break
		}
		ok = size == int64(1+(j.x.pieces+7)/8)
		whole = int(lengthBytes + size)
	case pp.Extended:
		ok = size >= 2 && size <= maxExtended
	case pp.HashRequest, pp.HashReject:
		ok = size == hashBody
	case pp.Hashes:
		ok = size >= hashBody && size <= maxExtended && (size-hashBody)%32 == 0
	default:
		return 0, fmt.Errorf("the peer sends a message of the unknown type %d", kind)
	}
	if !ok {
		return 0, fmt.Errorf("the peer sends a %v of %d bytes", kind, size)
	}
	return whole, nil
}

// message judges one, as far as want has it. It gives what the client is to see instead, nil for nothing.
func (j *judge) message(w *wire, m []byte) ([]byte, error) {
	if len(m) == lengthBytes {
		return m, nil
	}
	body := m[lengthBytes:]
	kind := kindOf(m)
	if j.x.pieces == 0 && aboutPieces(kind) {
		return nil, nil // see emptied
	}
	field := func(k int) int64 { return int64(binary.BigEndian.Uint32(body[1+4*k:])) }
	inside := func() bool {
		return field(0) < int64(j.x.pieces) && field(2) > 0 && field(2) <= maxRequest && field(1)+field(2) <= j.x.pieceLength
	}
	bad := false
	switch kind {
	case pp.Choke, pp.Unchoke, pp.Interested, pp.NotInterested:
		if !j.mayFlap() {
			return nil, fmt.Errorf("the peer changes its mind too often")
		}
	case pp.Bitfield:
		if j.told {
			return nil, nil
		}
		j.told = true
		if spare := -j.x.pieces & 7; spare > 0 {
			body[len(body)-1] &= 0xff << spare
		}
	case pp.HaveAll, pp.HaveNone:
		if !w.fast.Load() {
			return nil, errNotFast
		}
		// To have nothing after having everything leaves the client with a peer that has both. Of everything at once, when it
		// has begun to ask, it asks for more hashes than it bears.
		if j.told && (kind == pp.HaveNone || j.x.hashes > maxHashesHeld) || !j.mayFlap() {
			return nil, nil
		}
		j.told = true
	case pp.Have:
		j.told = true
		bad = field(0) >= int64(j.x.pieces)
	case pp.AllowedFast:
		if !w.fast.Load() {
			return nil, errNotFast
		}
		if bad = field(0) >= int64(j.x.pieces); !bad {
			if j.allowed++; j.allowed > maxAllowedFast {
				return nil, nil
			}
		}
	case pp.Suggest, pp.HashReject:
		return nil, nil // nothing comes of them
	case pp.Request:
		if bad = !inside(); bad {
			break
		}
		m, err := w.cut(j.x, m)
		if m != nil && w.fast.Load() {
			w.owe(rejectBytes)
		}
		return m, err
	case pp.Cancel:
		if !inside() {
			return nil, nil
		}
		return w.cut(j.x, m)
	case pp.Reject:
		if !w.fast.Load() {
			return nil, errNotFast
		}
		bad = !inside()
	case pp.Piece:
		bad = field(0) >= int64(j.x.pieces) || field(1) >= j.x.pieceLength
	case pp.Port:
		if j.ports++; !j.dht || j.ports > maxPorts {
			return nil, nil
		}
	case pp.Extended:
		return j.extended(w, m)
	case pp.HashRequest:
		return j.hashRequest(w, m)
	case pp.Hashes:
		bad = j.x.layers == nil
	}
	if bad {
		return nil, fmt.Errorf("the peer sends a %v that is outside of the torrent", kind)
	}
	return m, nil
}

var errNotFast = fmt.Errorf("the peer uses the fast extension, which it does not offer (BEP 6)")

// aboutPieces says whether a message is of no use to a torrent that is only asked for its metadata.
func aboutPieces(kind pp.MessageType) bool {
	switch kind {
	case pp.Choke, pp.Unchoke, pp.Interested, pp.NotInterested, pp.Port, pp.Extended:
		return false
	}
	return true
}

func (j *judge) mayFlap() bool {
	now := j.now()
	if j.flapped.IsZero() {
		j.flaps = flapBurst
	}
	j.flaps = min(j.flaps+now.Sub(j.flapped).Seconds()*flapRate, flapBurst) - 1
	j.flapped = now
	return j.flaps >= 0
}

// hashRequest lets pass what asks for hashes of a file's pieces that there are (BEP 52). The client looks through all
// files for each.
func (j *judge) hashRequest(w *wire, m []byte) ([]byte, error) {
	body := m[lengthBytes:]
	if j.x.layers == nil {
		return nil, fmt.Errorf("the peer asks for hashes of a torrent that has none")
	}
	pieces, ok := j.x.layers[[32]byte(body[1:33])]
	from, n := uint64(binary.BigEndian.Uint32(body[hashIndex:])), uint64(binary.BigEndian.Uint32(body[hashLength:]))
	layer := uint64(1) << bits.Len(uint(pieces-1))
	if !ok || n == 0 || n > maxHashes || from+n > layer {
		return nil, nil
	}
	if j.hashes++; j.hashes > metadataTimes*j.x.hashes+flapBurst {
		return nil, nil
	}
	if w.answerHashes(j.x, m) {
		return nil, nil
	}
	w.owe(hashCost(uint32(n)))
	return m, nil
}
