package grouplog

import (
	"os"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// SetStep has f called at every step of a write; an error of f ends the write there, as the end of the process would.
func (s *Store) SetStep(f func(string) error) { s.step = f }

// SetSync has f called instead of (*os.File).Sync for the records.
func (s *Store) SetSync(f func(*os.File) error) { s.sync = f }

// Fill makes logs without files, until there are n.
func (s *Store) Fill(n int) {
	for i := 0; len(s.logs) < n; i++ {
		s.logs[signed.Key{byte(i), byte(i >> 8), byte(i >> 16), 1}] = &log{tree: new(signed.Tree)}
	}
}
