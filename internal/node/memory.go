package node

import (
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// besidePassword is what a process takes beside the work of a password, at least.
const besidePassword = 16 << 20

// roomForPassword refuses what takes more memory than is free: the kernel would end the process in the middle, without a word.
func (n *Node) roomForPassword() error {
	need := int64(1024) << n.passwordWork() // of scrypt with r = 8: 128 * 8 * N
	free := freeMemory()
	if free < 0 || free >= need+besidePassword {
		return nil
	}
	return fault.Hint(fault.New(fault.Failed, "a password takes %d MiB of memory, and %d MiB are free", need>>20, free>>20),
		"end other programs, or give this machine swap; what is done once, such as making the group, another machine can do")
}

// takesPassword says whether a request makes or opens a password. Of some it depends on the group.
func (r *GroupRequest) takesPassword(private bool) bool {
	switch {
	case r.Create != nil:
		return r.Create.Kind == string(signed.Private) && !r.Create.NoJoin
	case r.Join != nil:
		return r.Join.Password != ""
	case r.Owners != nil:
		return r.Owners.Passphrase != "" || r.Owners.Lock != nil && *r.Owners.Lock != ""
	case r.Restore != nil, r.Passwd != nil, r.AddUsers != nil:
		return true
	}
	return private && (r.AddUser != nil || r.RemoveUser != nil || r.RemoveDevice != nil && r.Lost)
}
