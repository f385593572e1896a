// Package systemd has the units of a user's daemon as the packages install them, for p2pshare daemon --at-login. Entry points: Service, Socket.
package systemd

import (
	_ "embed"
	"strings"
)

//go:embed user/p2pshare.service
var service string

//go:embed user/p2pshare.socket
var socket string

// Service is the unit of a daemon of the binary self, an absolute path, on a home.
func Service(self, home string) string {
	text := strings.ReplaceAll(service, "ExecStart=/usr/bin/p2pshare ", "ExecStart="+quote(self)+" ")
	return strings.ReplaceAll(text, "Environment=P2PSHARE_HOME=%h/.local/state/p2pshare", "Environment="+quote("P2PSHARE_HOME="+home))
}

// Socket is the unit of the socket of the daemon of a home.
func Socket(home string) string {
	return strings.ReplaceAll(socket, "ListenStream=%h/.local/state/p2pshare/", "ListenStream="+strings.ReplaceAll(home, "%", "%%")+"/")
}

// quote makes one word of a unit of a text with blanks, or what systemd would take for a specifier or an escape.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(text) + `"`
}
