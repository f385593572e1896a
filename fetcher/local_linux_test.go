package fetcher_test

import (
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
)

// TestOwnNames: what the file system can hold is fetched under its own name.
func TestOwnNames(t *testing.T) {
	for _, format := range []string{"v1", "v2", "hybrid"} {
		m, dir := oddNames(t, format), t.TempDir()
		p := fetchAll(t, m, fetcher.Options{Dir: dir}, format == "v1")
		if list := p.Renamed(); len(list) > 0 {
			t.Errorf("%s: got %q under other names", format, list)
		}
		m.check(t, dir, nil)
		checkLocal(t, m, p)
	}
}
