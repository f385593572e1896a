package metafile_test

import (
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/metafile"
)

func TestOfGroup(t *testing.T) {
	piece := "6:pieces20:" + strings.Repeat("x", 20)
	head := "d6:lengthi5e4:name1:a12:piece lengthi16384e" + piece
	for _, c := range []struct {
		name, rest string
		want       bool
	}{
		{"private with a salt", "7:privatei1e4:salt32:0123456789abcdef0123456789abcdefe", true},
		{"public with a salt", "4:salt32:0123456789abcdef0123456789abcdefe", false},
		{"private without a salt", "7:privatei1ee", false},
		{"a salt of another length", "7:privatei1e4:salt31:0123456789abcdef0123456789abcdee", false},
		{"a salt that is not a string", "7:privatei1e4:salti16ee", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := metafile.FromInfo([]byte(head + c.rest))
			if err != nil {
				t.Fatal(err)
			}
			if m.OfGroup != c.want {
				t.Errorf("got %v, want %v", m.OfGroup, c.want)
			}
		})
	}
}
