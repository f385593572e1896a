// Package wire watches a lab's network with tcpdump and inspects the traffic: who sent how much to whom, and whether given
// bytes were visible to an eavesdropper.
//
// Entry points: Watch starts, Watcher.Capture returns the traffic so far, Capture has the queries. Streams are reassembled, so
// that bytes are found even if they were split into packets.
package wire
