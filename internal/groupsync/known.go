package groupsync

// Known are the addresses at which a member has answered before or none has failed to yet, in no order: more than the
// neighbours of a large group.
func (c *Crowd) Known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for addr, m := range c.addrs {
		if !m.good.IsZero() || m.fails == 0 {
			out = append(out, addr)
		}
	}
	return out
}
