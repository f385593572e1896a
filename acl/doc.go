// Package acl says who may do what in a group: it folds what owners and members signed into accounts, devices and
// rules, and answers for each record, reader and connection. SPEC.md beside it has the records and the fold.
//
//	NewPart     of a device, Part.Add a verified log (signed.Log) to it: its hello and its governance records
//	Fold        roots and Parts -> State
//	State       Accounts, Devices, Rules, Problems; MayPublish, MayShare, MayDrop (catalog.Authority), MayRead, Test,
//	            Admit, Welcome (may a stranger's log be taken?), Age
//	State.Readers, Everyone, Grants, SealSince   whom something is sealed to, and who has been given the key
//	ParseRule   "allow @crew publish films/** until 2027-01-01" -> Rule; Rule.String prints it
//	Hello, Account, RuleChange, Grant, NewLink   the records; Marshal makes their bytes
//	State.Change, Pins, Removal, Reset, Rekeyed, WithoutDevice, RootKeep   the records to change people, with their keep
//
// Guaranteed: Fold is pure, and gives the same State for every order in which roots and records arrived. Who may
// make a record is judged on the state as it was at the record's time; what a removed account or device signs
// after, with whatever time, does not count. A record that is not understood, not allowed or out of place is
// passed over and listed in Problems, and takes nothing else with it.
//
// Never: it reads no file, clock or network, decrypts nothing, and does not judge what is shared: that is catalog.
package acl
