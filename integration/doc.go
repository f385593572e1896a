// Package integration contains the tests of the whole program: the real binary, third-party clients,
// networks of namespaces, hostile peers and servers, and the commands as a user types them.
//
// The tests are in this folder; their tools are below it: netlab (networks), client (programs),
// tracker, rogue (hostile peers, servers, torrents), payload (files). house checks the rules of the
// source itself, bench measures.
//
// Most tests need root, for network namespaces, and the clients that deps.sh installs: make test and
// make interop take care of both. Without them the tests fail and say so; none is skipped.
package integration
