package group

const (
	// maxUnvouched bounds the logs, and maxUnvouchedBytes their bytes, that are kept before the record that vouches for
	// them has come: logs arrive in any order, and a stranger can make any number.
	maxUnvouched      = 64
	maxUnvouchedBytes = 128 << 20
	// maxPeers bounds the addresses that are kept from one run to the next.
	maxPeers = 100
	// maxKeyFile bounds a file with a secret.
	maxKeyFile = 4 << 10
)
