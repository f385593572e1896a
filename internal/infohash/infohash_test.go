package infohash_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/infohash"
)

func TestCheck(t *testing.T) {
	late := make([]byte, 32)
	late[20] = 1 // cut to 20 bytes for a handshake it is all zeros
	last := make([]byte, 20)
	last[19] = 1
	for _, tc := range []struct {
		name string
		h    []byte
		want string // part of the error; empty if it is a valid hash
	}{
		{"v1", bytes.Repeat([]byte{7}, 20), ""},
		{"v1 with one bit", last, ""},
		{"v2", bytes.Repeat([]byte{7}, 32), ""},
		{"v2 that ends in zeros", append(bytes.Repeat([]byte{1}, 20), make([]byte, 12)...), ""},
		{"none", nil, "0 bytes"},
		{"too short", make([]byte, 19), "19 bytes"},
		{"between", bytes.Repeat([]byte{7}, 31), "31 bytes"},
		{"too long", bytes.Repeat([]byte{7}, 33), "33 bytes"},
		{"v1 zero", make([]byte, 20), "all zeros"},
		{"v2 zero", make([]byte, 32), "all zeros"},
		{"v2 whose first 20 bytes are zero", late, "all zeros"},
	} {
		t.Run(tc.name, func(t *testing.T) { refused(t, infohash.Check(tc.h), tc.want) })
	}
}

func TestCheckDigits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		check func(string) error
		s     string
		want  string
	}{
		{"v1", infohash.CheckV1, strings.Repeat("0a", 20), ""},
		{"v2", infohash.CheckV2, strings.Repeat("0a", 32), ""},
		{"v1 zero", infohash.CheckV1, strings.Repeat("0", 40), "all zeros"},
		{"v2 zero", infohash.CheckV2, strings.Repeat("0", 64), "all zeros"},
		{"v2 for v1", infohash.CheckV1, strings.Repeat("0a", 32), "not 40 hex digits"},
		{"v1 for v2", infohash.CheckV2, strings.Repeat("0a", 20), "not 64 hex digits"},
		{"not hex", infohash.CheckV1, strings.Repeat("xy", 20), "not 40 hex digits"},
		{"in capitals", infohash.CheckV1, strings.Repeat("0A", 20), "not 40 hex digits"},
		{"empty", infohash.CheckV1, "", "not 40 hex digits"},
	} {
		t.Run(tc.name, func(t *testing.T) { refused(t, tc.check(tc.s), tc.want) })
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}
