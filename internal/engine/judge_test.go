package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"

	"github.com/p2pshare/p2pshare/internal/shaper"
)

// judgedHash is the infohash of what judged's peer talks about.
var judgedHash = [20]byte{'j', 'u', 'd', 'g', 'e', 'd'}

// settledExtent is one of a torrent that is here.
func settledExtent(x extent) *extent {
	x.settled = make(chan struct{})
	close(x.settled)
	return &x
}

// extents are of a v1 torrent of 20 pieces, of a look-up, of a v2 torrent with one file of 5 pieces, and of a torrent of
// one piece.
var extents = []*extent{
	settledExtent(extent{pieces: 20, pieceLength: 32 << 10, info: 40 << 10}),
	settledExtent(extent{lookup: newLookup(Spec{V1: new(metainfo.Hash)})}),
	settledExtent(extent{pieces: 5, pieceLength: 16 << 10, info: 300, layers: map[[32]byte]int{root(1): 5}, hashes: 1}),
	settledExtent(extent{pieces: 1, pieceLength: 5, info: 100}),
}

func root(b byte) [32]byte { return [32]byte{b} }

// judged is a connection whose peer says data, a few bytes at a time, after a handshake with all extensions.
func judged(t testing.TB, data []byte, by int, x *extent) (*wire, *cut) {
	t.Helper()
	e := blank(settings(t))
	e.settings.UTP = true
	e.up = shaper.New(0, testLog(t))
	e.ctx, e.cancel = context.WithCancel(context.Background())
	t.Cleanup(e.cancel)
	e.extents[judgedHash] = x
	shake := handshake(payload{hash: judgedHash}, "-XX0001-abcdefghijkl", true)
	shake[reservedBegin+5] |= 0x10
	c := &cut{data: append(shake, data...), by: by}
	return e.follow(c).(*wire), c
}

// said is what a judged peer's client is given of data, and why the connection ends.
func said(t testing.TB, data []byte, x *extent) ([]byte, error) {
	t.Helper()
	w, _ := judged(t, data, 1<<20, x)
	got, err := io.ReadAll(w)
	if len(got) < handshakeBytes {
		t.Fatalf("%d bytes of the handshake are given on: %v", len(got), err)
	}
	return got[handshakeBytes:], err
}

func msg(kind pp.MessageType, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))
	return append(append(b, byte(kind)), body...)
}

func nums(ns ...uint32) (b []byte) {
	for _, n := range ns {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func ext(id byte, payload string) []byte { return msg(pp.Extended, append([]byte{id}, payload...)...) }

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func hashMsg(kind pp.MessageType, root [32]byte, ns ...uint32) []byte {
	return msg(kind, cat(root[:], nums(ns...))...)
}

// Numbers of what we offer, and a handshake that offers all of it back.
const (
	idMetadata, idPEX, idPunch, idNear = 1, 2, 3, 4

	offersAll = "d1:md12:ut_holepunchi9e11:ut_metadatai7e6:ut_pexi8eee"
)

const punch = "\x00\x00\xc6\x33\x64\x01\x1a\xe1\x00\x00\x00\x00" // rendezvous with 198.51.100.1:6881

type sample struct {
	name  string
	x     int // of extents
	bytes []byte
}

// badMessages end the connection, with nothing of them given to the client.
var badMessages = []sample{
	{"choke with a body", 0, msg(pp.Choke, 1)},
	{"have without an index", 0, msg(pp.Have)},
	{"have of 6 bytes", 0, msg(pp.Have, 0, 0, 0, 1, 2)},
	{"have beyond the last piece", 0, msg(pp.Have, nums(20)...)},
	{"have of a negative piece", 0, msg(pp.Have, nums(0xffffffff)...)},
	{"bitfield that is too short", 0, msg(pp.Bitfield, 0xff, 0xff)},
	{"bitfield that is too long", 0, msg(pp.Bitfield, 0xff, 0xff, 0xf0, 0)},
	{"empty bitfield", 0, msg(pp.Bitfield)},
	{"bitfield of 60,000 bytes", 0, msg(pp.Bitfield, make([]byte, 60000)...)},
	{"bitfield of 4 GB", 0, nums(0xffffffff, 0x05000000)},
	{"bitfield of 4 GB in a look-up", 1, nums(0xffffffff, 0x05000000)},
	{"request beyond the last piece", 0, msg(pp.Request, nums(20, 0, 16384)...)},
	{"request of a negative piece", 0, msg(pp.Request, nums(0xffffffff, 0, 16384)...)},
	{"request of nothing", 0, msg(pp.Request, nums(0, 0, 0)...)},
	{"request beyond the piece", 0, msg(pp.Request, nums(0, 16384, 16385)...)},
	{"request whose end overflows", 0, msg(pp.Request, nums(0, 0xffffffff, 2)...)},
	{"request of 1 MiB", 0, msg(pp.Request, nums(0, 0, 1<<20)...)},
	{"request of 12 bytes", 0, msg(pp.Request, make([]byte, 11)...)},
	{"request of 14 bytes", 0, msg(pp.Request, make([]byte, 13)...)},
	{"reject beyond the last piece", 0, msg(pp.Reject, nums(20, 0, 16384)...)},
	{"cancel of 5 bytes", 0, msg(pp.Cancel, nums(1)...)},
	{"block beyond the last piece", 0, msg(pp.Piece, nums(20, 0, 1)...)},
	{"block beyond the piece", 0, msg(pp.Piece, nums(0, 32<<10, 1)...)},
	{"block of 16,385 bytes", 0, msg(pp.Piece, make([]byte, 8+16385)...)},
	{"block without a head", 0, msg(pp.Piece, 0, 0, 0)},
	{"allowed fast beyond the last piece", 0, msg(pp.AllowedFast, nums(20)...)},
	{"port of 1 byte", 0, msg(pp.Port, 1)},
	{"unknown type", 0, msg(19, 1, 2, 3)},
	{"unknown type of 4 GB", 0, nums(0xffffffff, 0x63000000)},
	{"extension message without a number", 0, msg(pp.Extended)},
	{"extension that was not offered", 0, ext(5, "de")},
	{"extension 255", 0, ext(255, "de")},
	{"extension message of 65,537 bytes", 0, ext(idPEX, strings.Repeat("x", 65535))},
	{"extension handshake that is none", 0, ext(0, "le")},
	{"extension handshake that ends early", 0, ext(0, "d1:m")},
	{"extension handshake with more behind it", 0, ext(0, "dexxx")},
	{"negative size of metadata", 0, ext(0, "d1:mde13:metadata_sizei-1ee")},
	{"metadata of 1 TB", 1, ext(0, "d1:mde13:metadata_sizei1099511627776ee")},
	{"metadata message that is none", 0, ext(idMetadata, "i1e")},
	{"metadata message of type 9", 0, ext(idMetadata, "d8:msg_typei9e5:piecei0ee")},
	{"metadata that is shorter than it says", 1, ext(idMetadata, "d8:msg_typei1e5:piecei0e10:total_sizei16384eexxx")},
	{"metadata of a negative size", 1, ext(idMetadata, "d8:msg_typei1e5:piecei0e10:total_sizei-5eexxx")},
	{"PEX that is none", 0, ext(idPEX, "i1e")},
	{"hole punching that is too short", 0, ext(idPunch, "\x00")},
	{"hole punching of an unknown type", 0, ext(idPunch, "\x07"+punch[1:])},
	{"hash request of a v1 torrent", 0, hashMsg(pp.HashRequest, root(1), 0, 0, 2, 0)},
	{"hash request of 48 bytes", 2, msg(pp.HashRequest, make([]byte, 47)...)},
	{"hashes of a v1 torrent", 0, hashMsg(pp.Hashes, root(1), 0, 0, 0, 0)},
	{"hashes with half a hash", 2, msg(pp.Hashes, make([]byte, 48+16)...)},
	{"request in a torrent of one piece, one byte too long", 3, msg(pp.Request, nums(0, 0, 6)...)},
}

// leftOut is not given to the client, and the connection goes on.
var leftOut = []sample{
	{"suggest", 0, msg(pp.Suggest, nums(1)...)},
	{"hash reject", 2, hashMsg(pp.HashReject, root(1), 0, 0, 2, 0)},
	{"port of a DHT node, without a DHT", 0, msg(pp.Port, 1, 2)},
	{"cancel beyond the last piece", 0, msg(pp.Cancel, nums(20, 0, 16384)...)},
	{"whole pieces, which are never sent here", 0, ext(idNear, "de")},
	{"have in a look-up", 1, msg(pp.Have, nums(7)...)},
	{"have of 2^31 in a look-up", 1, msg(pp.Have, nums(1<<31)...)},
	{"everything in a look-up", 1, msg(pp.HaveAll)},
	{"bitfield in a look-up", 1, msg(pp.Bitfield, make([]byte, 100_000)...)},
	{"allowed fast in a look-up", 1, msg(pp.AllowedFast, nums(1<<30)...)},
	{"request in a look-up", 1, msg(pp.Request, nums(0, 0, 16384)...)},
	{"hash request in a look-up", 1, hashMsg(pp.HashRequest, root(1), 0, 0, 2, 0)},
	{"metadata request of who does not offer it", 0, ext(idMetadata, "d8:msg_typei0e5:piecei0ee")},
	{"metadata that was not asked for", 0, ext(idMetadata, "d8:msg_typei1e5:piecei0e10:total_sizei3eexxx")},
	{"metadata that was not asked for, in a look-up", 1, ext(idMetadata, "d8:msg_typei1e5:piecei0e10:total_sizei3eexxx")},
	{"refusal of metadata", 1, ext(idMetadata, "d8:msg_typei2e5:piecei0ee")},
	{"rendezvous of who does not offer hole punching", 0, ext(idPunch, punch)},
	{"connect to loopback", 0, ext(idPunch, "\x01\x00\x7f\x00\x00\x01\x1a\xe1\x00\x00\x00\x00")},
	{"connect to a private network", 0, ext(idPunch, "\x01\x00\x0a\x00\x00\x01\x1a\xe1\x00\x00\x00\x00")},
	{"connect to the metadata of a cloud", 0, ext(idPunch, "\x01\x00\xa9\xfe\xa9\xfe\x00\x50\x00\x00\x00\x00")},
	{"connect to loopback as IPv6", 0, ext(idPunch, "\x01\x01"+strings.Repeat("\x00", 10)+"\xff\xff\x7f\x00\x00\x01\x1a\xe1\x00\x00\x00\x00")},
	{"error of hole punching", 0, ext(idPunch, "\x02"+punch[1:])},
	{"hash request of an unknown file", 2, hashMsg(pp.HashRequest, root(2), 0, 0, 2, 0)},
	{"hash request beyond the file", 2, hashMsg(pp.HashRequest, root(1), 0, 8, 2, 0)},
	{"hash request whose end overflows", 2, hashMsg(pp.HashRequest, root(1), 0, 0xffffffff, 2, 0)},
	{"hash request of nothing", 2, hashMsg(pp.HashRequest, root(1), 0, 0, 0, 0)},
	{"hash request of 2^31 hashes", 2, hashMsg(pp.HashRequest, root(1), 0, 0, 1<<31, 0)},
}

// goodMessages are given to the client as they are.
var goodMessages = []sample{
	{"keep-alive", 0, nums(0)},
	{"choke", 0, msg(pp.Choke)},
	{"interested", 1, msg(pp.Interested)},
	{"have", 0, msg(pp.Have, nums(19)...)},
	{"bitfield", 0, msg(pp.Bitfield, 0xff, 0xff, 0xf0)},
	{"have all", 0, msg(pp.HaveAll)},
	{"request", 0, msg(pp.Request, nums(19, 16384, 16384)...)},
	{"request of a whole piece", 0, msg(pp.Request, nums(0, 0, 32<<10)...)},
	{"request of all that there is", 3, msg(pp.Request, nums(0, 0, 5)...)},
	{"cancel", 0, msg(pp.Cancel, nums(19, 16384, 16384)...)},
	{"reject", 0, msg(pp.Reject, nums(19, 16384, 16384)...)},
	{"block", 0, msg(pp.Piece, cat(nums(19, 16384), make([]byte, 16384))...)},
	{"allowed fast", 0, msg(pp.AllowedFast, nums(3)...)},
	{"PEX", 0, ext(idPEX, "d5:added6:abcdef7:added.f1:\x00e")},
	{"hash request", 2, hashMsg(pp.HashRequest, root(1), 0, 0, 8, 0)},
	{"hashes", 2, hashMsg(pp.Hashes, root(1), 0, 0, 0, 0)},
}

func TestJudge(t *testing.T) {
	after := msg(pp.Interested)
	for _, tc := range badMessages {
		if got, err := said(t, cat(after, tc.bytes, after), extents[tc.x]); err == nil || !bytes.Equal(got, after) {
			t.Errorf("%s: the client is given %x, and the connection ends with %v; want nothing of it, and an error", tc.name, got, err)
		}
	}
	for _, tc := range leftOut {
		if got, err := said(t, cat(after, tc.bytes, after), extents[tc.x]); err != nil || !bytes.Equal(got, cat(after, after)) {
			t.Errorf("%s: the client is given %x, and the connection ends with %v; want it left out, and no error", tc.name, got, err)
		}
	}
	for _, tc := range goodMessages {
		if got, err := said(t, cat(after, tc.bytes, after), extents[tc.x]); err != nil || !bytes.Equal(got, cat(after, tc.bytes, after)) {
			t.Errorf("%s: the client is given %x, and the connection ends with %v; want it as it is", tc.name, got, err)
		}
	}
}

// What is answered to who offers an extension is left out for who does not.
func TestJudgeWithExtensions(t *testing.T) {
	shake := ext(0, "d1:md12:ut_holepunchi9e11:ut_metadatai7eee")
	for name, m := range map[string][]byte{
		"metadata request": ext(idMetadata, "d8:msg_typei0e5:piecei2ee"),
		"rendezvous":       ext(idPunch, punch),
		"connect":          ext(idPunch, "\x01"+punch[1:]),
	} {
		if got, err := said(t, cat(shake, m), extents[0]); err != nil || !bytes.HasSuffix(got, m) {
			t.Errorf("%s of who offers it: the client is given %x, %v", name, got, err)
		}
	}
	for name, m := range map[string][]byte{
		"metadata beyond its end":    ext(idMetadata, "d8:msg_typei0e5:piecei3ee"),
		"metadata of part -1":        ext(idMetadata, "d8:msg_typei0e5:piecei-1ee"),
		"metadata of part 2^62":      ext(idMetadata, "d8:msg_typei0e5:piecei4611686018427387904ee"),
		"rendezvous, taken back":     cat(ext(0, "d1:md12:ut_holepunchi0eee"), ext(idPunch, punch)),
		"metadata request, the same": cat(ext(0, "d1:md11:ut_metadatai0eee"), ext(idMetadata, "d8:msg_typei0e5:piecei0ee")),
	} {
		got, err := said(t, cat(shake, m), extents[0])
		if err != nil || bytes.HasSuffix(got, m[len(m)-12:]) {
			t.Errorf("%s: the client is given %x, %v; want it left out", name, got, err)
		}
	}
}

// The client sees of an extension handshake what it makes use of, and no more.
func TestExtensionHandshakeIsWrittenAnew(t *testing.T) {
	long := strings.Repeat("n", 5000)
	var many strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, "6:%06di%de", i, i%256)
	}
	for _, tc := range []struct{ name, in, want string }{
		{"honest", "d1:ei0e1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei40960e1:pi6881e4:reqqi250e1:v4:teste", "d1:ei0e1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei40960e1:pi6881e4:reqqi250e1:v4:teste"},
		{"unknown and long names", "d1:md5000:" + long + "i1e11:ut_metadatai3eee", "d1:ei0e1:md11:ut_metadatai3eee"},
		{"3,000 names", "d1:md" + many.String() + "ee", "d1:ei0e1:mdee"},
		{"long name of the client", "d1:mde1:v5000:" + long + "e", "d1:ei0e1:mde1:v64:" + long[:64] + "e"},
		{"negative reqq", "d1:mde4:reqqi-1ee", "d1:ei0e1:mdee"},
		{"reqq of 2^62", "d1:mde4:reqqi4611686018427387904ee", "d1:ei0e1:mde4:reqqi65536ee"},
		{"port 70000", "d1:mde1:pi70000ee", "d1:ei0e1:mdee"},
		{"port -1", "d1:mde1:pi-1ee", "d1:ei0e1:mdee"},
		{"yourip of 3 bytes", "d1:mde6:yourip3:abce", "d1:ei0e1:mdee"},
		{"lists in lists", "d1:m" + strings.Repeat("l", 10000) + strings.Repeat("e", 10000) + "e", "d1:ei0e1:mdee"},
		{"a name of a number", "d1:md11:ut_metadatai3ee1:vi7ee", "d1:ei0e1:md11:ut_metadatai3eee"},
		{"a port of text", "d1:mde1:p4:6881e", "d1:ei0e1:mde1:pi6881ee"},
		{"a port of a list", "d1:mde1:ple4:reqqi9ee", "d1:ei0e1:mde4:reqqi9ee"},
		{"numbers with a fraction and zeros", "d1:md11:ut_metadatai03ee4:reqqi250.0ee", "d1:ei0e1:md11:ut_metadatai3ee4:reqqi250ee"},
		{"an extension of text, and one of 300", "d1:md11:ut_metadata1:x6:ut_pexi300eee", "d1:ei0e1:mdee"},
		{"encryption of a list", "d1:ele1:mdee", "d1:ei0e1:mdee"},
		{"size of metadata of a list", "d1:mde13:metadata_sizelee", "d1:ei0e1:mdee"},
		{"keys out of order", "d1:v1:x1:mdee", "d1:ei0e1:mde1:v1:xe"},
		{"ipv6 of 100 bytes", "d4:ipv6100:" + strings.Repeat("x", 100) + "1:mdee", "d1:ei0e1:mdee"},
	} {
		got, err := said(t, ext(0, tc.in), extents[0])
		if want := ext(0, tc.want); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the client is given %q, %v; want %q", tc.name, got, err, want)
		}
	}
}

// Of a message of PEX that is odd in part the rest is used.
func TestOddPEX(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"half an address":         {"d5:added9:abcdefabc7:added.f1:\x00e", "d5:added6:abcdef7:added.f1:\x00e"},
		"added of a list":         {"d5:addedli1ee6:added618:abcdefghijklmnopqre", "d5:added0:6:added618:abcdefghijklmnopqre"},
		"dropped of a dictionary": {"d5:added6:abcdef7:droppedd1:ai1eee", "d5:added6:abcdef7:dropped0:e"},
	} {
		if got, err := said(t, ext(idPEX, c.in), extents[0]); err != nil || !bytes.Equal(got, ext(idPEX, c.want)) {
			t.Errorf("%s: the client is given %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// A peer does not grow what others are told, or what the client keeps, by saying it again.
func TestRepeatedMessages(t *testing.T) {
	count := func(name string, most int, m func(i int) []byte) {
		t.Helper()
		var all []byte
		for i := range 3 * most {
			all = append(all, m(i)...)
		}
		got, err := said(t, all, extents[0])
		n := 0
		for ; len(got) > 0; n++ {
			got = got[lengthBytes+binary.BigEndian.Uint32(got):]
		}
		if err != nil || n != most {
			t.Errorf("%s: %d of %d are given on, %v; want %d", name, n, 3*most, err, most)
		}
	}
	count("extension handshakes", maxHandshakes, func(int) []byte { return ext(0, "d1:mdee") })
	count("extension handshakes with PEX", 1, func(int) []byte { return ext(0, offersAll) })
	count("allowed fast", maxAllowedFast, func(i int) []byte { return msg(pp.AllowedFast, nums(uint32(i%20))...) })
	count("what it has", 1, func(int) []byte { return msg(pp.Bitfield, 0xff, 0xff, 0xf0) })
	count("nothing", 1, func(i int) []byte { return msg(pp.HaveNone) })
	count("addresses", maxPEXAll/maxPEX, func(int) []byte {
		return ext(idPEX, fmt.Sprintf("d5:added%d:%se", 6*maxPEX, strings.Repeat("abcdef", maxPEX)))
	})
	count("connects", maxRendezvous, func(int) []byte { return ext(idPunch, "\x01"+punch[1:]) })

	got, err := said(t, cat(ext(0, "d1:mde1:pi1000ee"), ext(0, "d1:mde1:pi2000ee")), extents[0])
	if want := ext(0, "d1:ei0e1:mde1:pi1000ee"); err != nil || !bytes.Equal(got, cat(want, want)) {
		t.Errorf("a second port: the client is given %q, %v; want the first one kept", got, err)
	}
	for _, first := range [][]byte{msg(pp.HaveAll), msg(pp.Have, nums(1)...), msg(pp.Bitfield, 0, 0, 0)} {
		if got, err := said(t, cat(first, msg(pp.HaveNone)), extents[0]); err != nil || !bytes.Equal(got, first) {
			t.Errorf("have none after %v: the client is given %x, %v; want it left out", kindOf(first), got, err)
		}
	}
	all := cat(msg(pp.Have, nums(1)...), msg(pp.HaveAll))
	if got, err := said(t, all, extents[0]); err != nil || !bytes.Equal(got, all) {
		t.Errorf("have all after have: the client is given %x, %v; want both", got, err)
	}
	many := settledExtent(extent{pieces: 5000, pieceLength: 16 << 10, layers: map[[32]byte]int{root(1): 5}, hashes: 1000})
	if got, err := said(t, all, many); err != nil || !bytes.Equal(got, all[:9]) {
		t.Errorf("have all after have of a v2 torrent of many files: the client is given %x, %v; want the first alone", got, err)
	}
	if got, err := said(t, bytes.Repeat(cat(msg(pp.Choke), msg(pp.Unchoke)), 2*flapBurst), extents[0]); err == nil || len(got) > 5*(flapBurst+flapRate) {
		t.Errorf("choke and unchoke without end: the client is given %d bytes, %v; want an error after %d messages", len(got), err, flapBurst)
	}
}

func TestFlapsAreForgotten(t *testing.T) {
	now := time.Unix(1e9, 0)
	j := &judge{now: func() time.Time { return now }}
	for range 100 {
		for range flapRate {
			if !j.mayFlap() {
				t.Fatalf("%d times a second is too often", flapRate)
			}
		}
		now = now.Add(time.Second)
	}
}

// Spare bits of a bitfield, and reserved bits of the handshake that mean nothing here, do not reach the client.
func TestSpareBits(t *testing.T) {
	if got, err := said(t, msg(pp.Bitfield, 0xff, 0xff, 0xff), extents[0]); err != nil || !bytes.Equal(got, msg(pp.Bitfield, 0xff, 0xff, 0xf0)) {
		t.Errorf("the client is given %x, %v; want the 4 spare bits cleared", got, err)
	}
	w, c := judged(t, nil, 5, extents[0])
	for i := range 8 {
		c.data[reservedBegin+i] = 0xff
	}
	got, err := io.ReadAll(w)
	if err != nil || !bytes.Equal(got[reservedBegin:reservedBegin+8], knownBits[:]) {
		t.Errorf("reserved bits: the client is given %x, %v; want %x", got, err, knownBits)
	}
}

// A peer that does not speak the fast extension may not use it.
func TestFastExtensionIsOffered(t *testing.T) {
	for _, m := range [][]byte{msg(pp.HaveAll), msg(pp.HaveNone), msg(pp.AllowedFast, nums(1)...), msg(pp.Reject, nums(0, 0, 16384)...)} {
		w, c := judged(t, m, 1000, extents[0])
		c.data[fastByte] &^= fastBit
		if got, err := io.ReadAll(w); err == nil || len(got) != handshakeBytes {
			t.Errorf("%v: the client is given %x, %v; want an error", kindOf(m), got, err)
		}
	}
}

func TestHandshakeAboutNothing(t *testing.T) {
	w, c := judged(t, msg(pp.Interested), 1000, extents[0])
	c.data[hashBegin]++
	if got, err := io.ReadAll(w); err == nil || len(got) != handshakeBytes {
		t.Errorf("the client is given %x, %v; want an error", got, err)
	}
}
