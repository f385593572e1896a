// Package places bounds what may wait at a time: connections before their handshake, handshakes under way, peers that
// do nothing. Where there are too many, the oldest goes and the newcomer stays, so that nobody keeps others out by being
// there first; and what goes is of the origin that has most, so that one address displaces its own alone.
package places
