// Package integration holds the tests of the whole program: the real binary, other people's clients,
// networks of namespaces, hostile peers and servers, and the commands as a user types them.
//
// The tests are in this folder; what they are made of is below it: netlab (networks), client (programs),
// tracker, rogue (hostile peers, servers, torrents), payload (files). house checks the rules of the
// source itself, bench measures.
//
// Most tests need root, for network namespaces, and the clients that deps.sh installs: make test and
// make interop see to both. Without them the tests fail and say so; none is skipped.
package integration
