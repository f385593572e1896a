package spelling_test

import (
	"testing"

	"github.com/p2pshare/p2pshare/internal/spelling"
)

func TestClosest(t *testing.T) {
	names := []string{"publish", "fetch", "seed"}
	for word, want := range map[string]string{"publihs": "publish", "ftech": "fetch", "sed": "seed", "fetchh": "fetch", "fitch": "fetch", "xyz": "", "": "", "fe": ""} {
		if got := spelling.Closest(word, names); got != want {
			t.Errorf("closest to %q: got %q, want %q", word, got, want)
		}
	}
	if got := spelling.Closest("fetch", nil); got != "" {
		t.Errorf("without candidates: got %q, want nothing", got)
	}
}
