// Package netlab makes small networks for tests: hosts in network namespaces of their own on one
// bridge, where real programs run and Go code can listen and dial.
//
// New makes a lab, Lab.Host names its machines, Host.Command runs a program there, Host.Listen,
// ListenPacket and Dial give sockets of that host to the test's own code. No packet leaves a lab: its
// bridge is a namespace too, with no way out. Labs of several processes do not meet, and what a
// killed process left is removed by the next one.
//
// It needs root and iproute2, and never touches the interfaces or routes of the machine.
package netlab
