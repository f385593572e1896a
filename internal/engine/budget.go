package engine

// budget is how many connections may be there before their handshake, and after it, in a process that may have so many
// descriptors: a fourth each, so that files and groups have the rest.
func budget(descriptors uint64) (hall, seats int) {
	if descriptors == 0 {
		return mostHall, mostSeats
	}
	fourth := int(min(descriptors/4, mostHall))
	return max(fourth, leastHall), min(max(fourth, leastHall), mostSeats)
}
