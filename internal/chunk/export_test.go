package chunk

// SetSegment makes each core cut n bytes at a time, so that tests need no large files.
func (c *Cutter) SetSegment(n int64) { c.segment = n }
