// Package audit is a machine's own record of a private group: who was admitted, who was refused and why, and how much
// was served to whom. It is a file of JSON lines in the group's folder, and its reader.
//
// Entry points: Open for the Log, whose Add takes a line; Log.Read and Read for lines, chosen by a Query.
//
// Guaranteed: only the user can read the files (0600); there are at most one current and Old old ones of MaxBytes
// each, and no symlink is followed. Add never waits, neither for the disk nor for a reader: what does not fit in the
// queue is counted, and a line "dropped" says how much that was as soon as there is room. Repeats are combined: of
// refusals with the same account, device, address and reason the first is written at once, and all others of that
// quarter of an hour as one line with Times; if it has more than maxKinds kinds of refusal, the rest are distinguished only
// by their reason. Those of known accounts and of strangers are counted apart. So neither memory nor disk use grows with the number of attempts. A line is complete or ignored:
// the reader skips torn, foreign and endless lines, and the writer continues below a torn one. Characters that a
// terminal might interpret are not written.
//
// The package makes no decisions, and never sends a line anywhere.
package audit
