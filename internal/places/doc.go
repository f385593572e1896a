// Package places bounds how many of something may wait at a time: connections before their handshake, handshakes in
// progress, idle peers. When there are too many, the oldest is dropped and the newcomer stays, so that nobody can keep
// others out by coming first; and the dropped one belongs to the origin with the most places, so that one address
// displaces only its own.
package places
