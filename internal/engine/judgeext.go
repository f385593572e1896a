package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
	utHolepunch "github.com/anacrolix/torrent/peer_protocol/ut-holepunch"
)

// peerExtensions is what a peer said of the extensions that it offers (BEP 10).
type peerExtensions struct {
	handshakes int
	ids        map[pp.ExtensionName]pp.ExtensionNumber
	port       int
	added      int // addresses, by PEX
	punches    int
}

// extended judges a message of an extension.
func (j *judge) extended(w *wire, m []byte) ([]byte, error) {
	id, payload := m[lengthBytes+1], m[lengthBytes+2:]
	if id == byte(pp.HandshakeExtendedID) {
		return j.extendedHandshake(w, payload)
	}
	if int(id) > len(j.names) {
		return nil, fmt.Errorf("the peer sends a message of extension %d, which it was not offered", id)
	}
	if int(id) > j.builtin {
		return nil, nil // never sent
	}
	switch j.names[id-1] {
	case pp.ExtensionNameMetadata:
		return j.ofMetadata(w, m, payload)
	case pp.ExtensionNamePex:
		return j.ofPEX(m, payload)
	case utHolepunch.ExtensionName:
		return j.ofHolepunch(w, m, payload)
	}
	return nil, nil
}

// extendedHandshake writes anew what the client makes use of. The client keeps names and numbers for as long as the
// connection or the process lives.
func (j *judge) extendedHandshake(w *wire, payload []byte) ([]byte, error) {
	d, ok := readExtended(payload)
	if !ok {
		return nil, errors.New("the peer's extension handshake is no dictionary")
	}
	e := &j.ext
	// The client begins PEX anew with each, while what has begun before still runs, and both use the same memory.
	if e.handshakes++; e.handshakes > maxHandshakes || e.offers(pp.ExtensionNamePex) {
		return nil, nil
	}
	if d.MetadataSize < 0 || d.MetadataSize > maxMetadata {
		return nil, fmt.Errorf("the peer says that the metadata is of %d bytes", d.MetadataSize)
	}
	if e.port == 0 && d.Port > 0 && d.Port <= 65535 {
		e.port = d.Port
	}
	// Each port that a peer names anew would be told to others for ever.
	clean := pp.ExtendedHandshakeMessage{
		M: map[pp.ExtensionName]pp.ExtensionNumber{}, V: d.V[:min(len(d.V), maxClientName)], Reqq: min(max(d.Reqq, 0), maxReqq),
		Encryption: d.Encryption, MetadataSize: d.MetadataSize, Port: e.port,
	}
	if e.ids == nil {
		e.ids = map[pp.ExtensionName]pp.ExtensionNumber{}
	}
	for _, name := range j.names {
		id, ok := d.M[name]
		if _, before := e.ids[name]; !ok || id == pp.ExtensionDeleteNumber && !before {
			continue
		}
		clean.M[name], e.ids[name] = id, id
	}
	if l := j.x.lookup; l != nil {
		if id := e.ids[pp.ExtensionNameMetadata]; j.giver == nil && id != pp.ExtensionDeleteNumber && d.MetadataSize > 0 {
			ask := func(part int) {
				w.put(extendedMessage(id, fmt.Appendf(nil, "d8:msg_typei%de5:piecei%dee", pp.RequestMetadataExtensionMsgType, part)), 0)
			}
			j.giver = l.offer(d.MetadataSize, ask, func() { w.Close() }, w.closed)
		}
		clean.MetadataSize = 0
	}
	b, err := bencode.Marshal(clean)
	if err != nil {
		return nil, err
	}
	return extendedMessage(pp.HandshakeExtendedID, b), nil
}

// readExtended reads an extension handshake as far as it can be: a value of an odd type counts as not given, and a peer is
// not lost for it. Not ok is what is no dictionary, or not that alone.
func readExtended(payload []byte) (d pp.ExtendedHandshakeMessage, ok bool) {
	d.M = map[pp.ExtensionName]pp.ExtensionNumber{}
	ok = eachField(payload, func(key string, v bencoded) {
		n, isNumber := v.count()
		switch key {
		case "m":
			eachField(v, func(name string, v bencoded) {
				if id, ok := v.count(); ok && id >= 0 && id <= 255 {
					d.M[pp.ExtensionName(name)] = pp.ExtensionNumber(id)
				}
			})
		case "v":
			d.V = string(v.text())
		case "p":
			d.Port = int(n)
		case "reqq":
			d.Reqq = int(n)
		case "metadata_size":
			d.MetadataSize = int(n)
		case "e":
			d.Encryption = isNumber && n != 0
		}
	})
	return d, ok
}

// eachField calls f with the fields of a dictionary, and says whether b is one, whole and nothing else.
func eachField(b bencoded, f func(key string, v bencoded)) bool {
	if len(b) == 0 || b[0] != 'd' {
		return false
	}
	for b = b[1:]; len(b) > 0 && b[0] != 'e'; {
		key, ok := b.str()
		v, more := b.value()
		if !ok || !more {
			return false
		}
		f(string(key), v)
	}
	return len(b) == 1
}

func extendedMessage(id pp.ExtensionNumber, payload []byte) []byte {
	m := binary.BigEndian.AppendUint32(nil, uint32(2+len(payload)))
	return append(append(m, byte(pp.Extended), byte(id)), payload...)
}

// offers says whether the peer can be sent messages of an extension.
func (e *peerExtensions) offers(name pp.ExtensionName) bool {
	return e.ids[name] != pp.ExtensionDeleteNumber
}

// ofMetadata judges messages of BEP 9.
func (j *judge) ofMetadata(w *wire, m, payload []byte) ([]byte, error) {
	var d pp.ExtendedMetadataRequestMsg
	err := bencode.Unmarshal(payload, &d)
	if errors.As(err, new(bencode.ErrUnusedTrailingBytes)) {
		err = nil // data follows
	}
	if err != nil {
		return nil, fmt.Errorf("the peer's message about metadata: %w", err)
	}
	size := j.x.info
	if size == 0 {
		size = maxMetadata
	}
	parts := (size + metadataPart - 1) / metadataPart
	inside := d.Piece >= 0 && d.Piece < parts
	switch d.Type {
	case pp.RequestMetadataExtensionMsgType:
		if !inside || !j.ext.offers(pp.ExtensionNameMetadata) {
			return nil, nil
		}
		if j.metadata++; j.metadata > metadataTimes*parts+flapBurst {
			return nil, nil
		}
		w.owe(metadataCost)
		return m, nil
	case pp.DataMetadataExtensionMsgType:
		if j.x.lookup == nil || !inside {
			return nil, nil
		}
		if d.TotalSize <= 0 || d.TotalSize > maxMetadata || d.PieceSize() <= 0 || d.PieceSize() > len(payload) {
			return nil, errMetadataLength
		}
		if j.giver == nil {
			return nil, nil
		}
		return nil, j.x.lookup.take(j.giver, d.Piece, payload[len(payload)-d.PieceSize():], d.TotalSize)
	case pp.RejectMetadataExtensionMsgType:
		if j.giver != nil {
			j.x.lookup.refuse(j.giver, d.Piece)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("the peer sends a message about metadata of the unknown type %d", d.Type)
}

// ofPEX judges messages of BEP 11.
func (j *judge) ofPEX(m, payload []byte) ([]byte, error) {
	d, err := pp.LoadPexMsg(payload)
	if err != nil {
		if payload = mendedPEX(payload); payload == nil {
			return nil, errors.New("the peer's message of PEX is no dictionary")
		}
		if d, err = pp.LoadPexMsg(payload); err != nil {
			return nil, nil
		}
		m = extendedMessage(pp.ExtensionNumber(m[lengthBytes+1]), payload)
	}
	// What is beyond maxPEX is cut off later; see judgedPEX.
	if j.ext.added += min(len(d.Added), maxPEX) + min(len(d.Added6), maxPEX); j.ext.added > maxPEXAll {
		return nil, nil
	}
	return m, nil
}

// mendedPEX is a message of PEX without what of it is no text or no whole address; nil if it is no dictionary.
func mendedPEX(payload []byte) []byte {
	sizes := map[string]int{"added": 6, "added.f": 1, "added6": 18, "added6.f": 1, "dropped": 6, "dropped6": 18}
	fields := map[string]string{}
	ok := eachField(payload, func(key string, v bencoded) {
		if size := sizes[key]; size > 0 {
			text := v.text()
			fields[key] = string(text[:len(text)-len(text)%size])
		}
	})
	if !ok {
		return nil
	}
	b, err := bencode.Marshal(fields)
	if err != nil {
		return nil
	}
	return b
}

// ofHolepunch judges messages of BEP 55, by which peers have us connect to others. Nobody behind a router's address has
// a reason to name another of a private network.
func (j *judge) ofHolepunch(w *wire, m, payload []byte) ([]byte, error) {
	var d utHolepunch.Msg
	if err := d.UnmarshalBinary(payload); err != nil {
		return nil, fmt.Errorf("the peer's message of hole punching: %w", err)
	}
	if j.ext.punches++; j.ext.punches > maxRendezvous {
		return nil, nil
	}
	switch d.MsgType {
	case utHolepunch.Rendezvous:
		// The client answers in any case, and a peer that has not offered the extension ends the process.
		if !j.ext.offers(utHolepunch.ExtensionName) {
			return nil, nil
		}
		w.owe(metadataCost)
	case utHolepunch.Connect:
		if !far(d.AddrPort) {
			return nil, nil
		}
	case utHolepunch.Error:
		return nil, nil // it is only counted
	default:
		return nil, fmt.Errorf("the peer sends a message of hole punching of the unknown type %d", d.MsgType)
	}
	return m, nil
}

// far says whether an address is of the public network.
func far(at netip.AddrPort) bool {
	a := at.Addr().Unmap()
	return at.Port() != 0 && a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback()
}
