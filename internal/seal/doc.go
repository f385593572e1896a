// Package seal is all encryption at rest of private groups: age files (age-encryption.org/v1), made and opened by
// filippo.io/age; the age program opens them too. SPEC.md in this folder says what each contains.
//
//	Identity      a decryption key: NewAccount (post-quantum), NewAudience, Parse; CheckRecipient checks a public half
//	Box, OpenBox  a few bytes for up to 500 recipients; IdentityFile and ParseIdentityFile are for the content of grants
//	MakeSlot, Pass.Open  a Login protected by a password; LockKey and UnlockKey do the same for an owner's key
//	Password, CheckPassword, Normalize  passwords
//	Write, Open   content of any size: one file, or a folder as tar
//
// Guaranteed: sizes, numbers and work factors are checked before the work they cause (limits.go). What does not open
// is refused as a whole; Open leaves nothing behind after an error, never writes outside its folder or over existing
// files, and makes only regular files and folders. Identities print as "redacted".
//
// Never: the package does not decide who may read, keeps no keys, uses no clock and opens no connection. Its random
// numbers come from the system.
package seal
