package rogue

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
)

// id is the node ID in all packets.
var id = strings.Repeat("i", 20)

// Packets returns DHT messages that have crashed nodes: queries without arguments, fields that are too short, nested and
// truncated bencode. They are sent unsolicited.
func Packets() map[string]string {
	packets := map[string]string{
		"announce_peer without a":  "d1:q13:announce_peer1:t2:aa1:y1:qe",
		"put without a":            "d1:q3:put1:t2:aa1:y1:qe",
		"get without a":            "d1:q3:get1:t2:aa1:y1:qe",
		"get_peers without a":      "d1:q9:get_peers1:t2:aa1:y1:qe",
		"find_node without a":      "d1:q9:find_node1:t2:aa1:y1:qe",
		"query with one byte ip":   "d1:ad2:id20:" + id + "e2:ip1:x1:q4:ping1:t2:aa1:y1:qe",
		"query with empty ip":      "d1:ad2:id20:" + id + "e2:ip0:1:q4:ping1:t2:aa1:y1:qe",
		"reply with k, no seq":     "d1:rd2:id20:" + id + "1:k32:" + strings.Repeat("k", 32) + "e1:t2:aa1:y1:re",
		"reply with short values":  "d1:rd2:id20:" + id + "6:valuesl1:xee1:t2:aa1:y1:re",
		"reply without r":          "d1:t2:aa1:y1:re",
		"error without e":          "d1:t2:aa1:y1:ee",
		"deep list":                strings.Repeat("l", 60000),
		"deep dict":                strings.Repeat("d1:a", 15000),
		"truncated":                "d1:ad2:id20:iiii",
		"negative length":          "d1:ad2:id-1:xe1:q4:ping1:t2:aa1:y1:qe",
		"huge length":              "d1:t99999999999999999999:xe",
		"empty":                    "",
		"announce with short hash": "d1:ad2:id20:" + id + "9:info_hash3:abc4:porti1e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
	}
	return packets
}

// DHTNode answers every query with a series of malformed replies, one packet each.
type DHTNode struct{ Answered atomic.Int64 } // queries

// Serve answers on c until it is closed.
func (d *DHTNode) Serve(c net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		tx, ok := transaction(buf[:n])
		if !ok {
			continue
		}
		t := fmt.Sprintf("1:t%d:%s", len(tx), tx)
		head := "d1:rd2:id20:" + id
		bodies := []string{
			"d2:ip1:x1:rd2:id20:" + id + "e" + t + "1:y1:re",
			head + "6:valuesl1:xee" + t + "1:y1:re",
			head + "1:k32:" + strings.Repeat("k", 32) + "1:v1:xe" + t + "1:y1:re",
			head + "5:nodes3:abce" + t + "1:y1:re",
			"d" + t + "1:y1:re",
			head + "5:token1:t6:valuesl0:ee" + t + "1:y1:re",
		}
		for _, b := range bodies {
			if _, err := c.WriteTo([]byte(b), from); err != nil {
				return
			}
		}
		d.Answered.Add(1)
	}
}

// transaction returns the transaction ID of a query.
func transaction(b []byte) (string, bool) {
	if !bytes.Contains(b, []byte("1:y1:q")) {
		return "", false
	}
	_, rest, ok := bytes.Cut(b, []byte("1:t"))
	if !ok || len(rest) < 2 || rest[0] < '1' || rest[0] > '9' || rest[1] != ':' || len(rest) < 2+int(rest[0]-'0') {
		return "", false
	}
	return string(rest[2 : 2+int(rest[0]-'0')]), true
}
