// Package wire watches a lab's network with tcpdump and looks into what went by: who sent whom how much, and whether some
// bytes were to be seen by somebody who only listens.
//
// Entry points: Watch begins, Watcher.Capture reads what was seen so far, Capture answers questions. Streams are put
// together again, so that what is cut into packets is found all the same.
package wire
