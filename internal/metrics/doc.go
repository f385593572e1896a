// Package metrics shows a node's state to Prometheus.
//
// Entry points: New for the handler, Listen and Serve for a small web server that has nothing else.
//
// Guaranteed: every scrape is of one moment; counters only rise while the process lives, also when shares
// come and go; the number of series is bounded whatever the number of shares; names of strangers come out as
// valid, printable labels. The server listens on loopback unless the address names another host, answers GET
// of /metrics alone, and on loopback refuses a Host that is not this machine, so that no web page can read it
// by DNS rebinding. Nothing can be changed through it.
package metrics
