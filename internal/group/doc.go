// Package group is a group as this machine has it: what was signed (grouplog), what it adds up to (acl, catalog), who this
// machine is in it, and the keys it holds. SPEC.md beside it has the boxes and files of private groups.
//
//	Create     a new group, with this machine as its owner and first admin
//	Join       a folder for a group whose link is known; its roots come from members
//	Open       one that is there; List all of a home
//	Group      State, Index, Info; a groupsync.Vault for the members, and Append for what this machine signs
//	           Login, LogIn, JoinBy: what a password opens, and becoming a device with it
//	           Audience -> Sealing: whom a share is sealed to, and its record; ContentKeys open what was encrypted
//	           AddAccounts, RemoveAccount, RemoveDevice, SetPassword, ResetPassword, Rekey, Care
//	           Standing, Slot, Shut: what the key of a peer may, what it is answered, when nobody is let in
//	           OwnerKey, LockOwner, ExportOwner, ImportOwner
//	Key        a secret in a file, to be handed on: an account's, a device's, an owner's
//
// Guaranteed: what arrives is kept only as far as the group's signatures vouch for it, but for a bounded number of logs
// that may be vouched for by what comes next. Nothing is appended to the own log before members were asked what they
// have of it, unless the caller says that there is nobody to ask. What takes somebody's rights is one append. Secrets
// are in files of mode 0600, and an account's key is on no machine but the one that made the group.
//
// Never: it opens no connection and starts no goroutine. The caller holds the home's lock.
package group
