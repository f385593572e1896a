package chunk

// SetSegment has c cut n bytes at a time on each core, so that a test needs no large file.
func (c *Cutter) SetSegment(n int64) { c.segment = n }
