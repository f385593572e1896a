package node

import (
	"strings"
	"testing"
)

// A fetch waits for what it has to write and what is to stay free, and for nothing more.
func TestRoomIsWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		free, more, floor, short int64
	}{
		{100, 100, 0, 0},
		{100, 101, 0, 1},
		{100, 50, 50, 0},
		{100, 50, 51, 1},
		{0, 0, 0, 0},
		{10, 0, 1 << 30, 1<<30 - 10}, // what fills the disk is somebody else
		{5 << 20, 6 << 20, 0, 1 << 20},
	} {
		e := &noRoom{"/d", c.free, c.more, c.floor}
		if got := e.short(); got != c.short {
			t.Errorf("%+v: short of %d, want %d", *e, got, c.short)
		}
		if text := e.Error(); !strings.Contains(text, sizeText(c.free)+" are free") || !strings.Contains(text, sizeText(c.more)+" are to come") || strings.Contains(text, "stay free") != (c.floor > 0) {
			t.Errorf("%+v: said %q", *e, text)
		}
	}
}
