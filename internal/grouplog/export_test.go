package grouplog

// SetStep has f called at every step of a write; an error of f ends the write there, as the end of the process would.
func (s *Store) SetStep(f func(string) error) { s.step = f }
