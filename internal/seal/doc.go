// Package seal is all the encryption at rest of private groups: age files (age-encryption.org/v1), made and opened by
// filippo.io/age and opened as well by the age program. SPEC.md beside it says what is in each.
//
//	Identity      who can open: NewAccount (post-quantum), NewAudience, Parse; CheckRecipient judges a public half
//	Box, OpenBox  a few bytes for up to 500 recipients; IdentityFile and ParseIdentityFile are what grants hold
//	Slot, OpenSlot  a Login behind a password; LockKey and UnlockKey the same for an owner's key
//	Password, CheckPassword, Normalize  passwords
//	Write, Open   content of any size: one file, or a folder as tar
//
// Guaranteed: sizes, numbers and work factors are judged before the work they cause (limits.go). What does not open is
// refused as a whole; Open leaves nothing behind, never writes outside its folder or over what is there, and makes
// regular files and folders alone. Identities print as "redacted".
//
// Never: it does not decide who may read, keeps no key, reads no clock and opens no connection. Random numbers are
// those of age: of the system.
package seal
