// Package metrics serves a node's state to Prometheus.
//
// Entry points: New for the handler, Listen and Serve for a small web server that serves nothing else.
//
// Guaranteed: every scrape shows one moment; counters only rise while the process lives, also when shares come and go;
// the number of series is bounded whatever the number of shares; names from strangers become valid, printable labels.
// The server listens on loopback unless the address names another host, answers only GET and HEAD of /metrics, and on
// loopback refuses a Host that is not this machine, so that no web page can read it by DNS rebinding. Nothing can be
// changed through it.
package metrics
