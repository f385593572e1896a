// Package netlab makes small networks for tests: hosts in separate network namespaces on one bridge, where real programs run
// and Go code can listen and dial.
//
// New makes a lab, Lab.Host returns its machines, Host.Command runs a program there, and Host.Listen, ListenPacket and Dial
// give sockets of that host to the test's own code. No packet leaves a lab: its bridge is in a namespace too, with no way
// out. Labs of different processes are isolated from each other, and leftovers of a killed process are removed by the next
// one.
//
// The package needs root and iproute2, and never touches the interfaces or routes of the machine.
package netlab
