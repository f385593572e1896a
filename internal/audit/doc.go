// Package audit is a machine's own record of a private group: who was let in, who was refused and why, who was
// served how much. It is a file of JSON lines in the group's folder, and its reader.
//
// Entry points: Open for the Log, whose Add takes a line; Log.Read and Read for lines, chosen by a Query.
//
// Guaranteed: the files are the user's alone (0600), Old+1 of MaxBytes at most, and no symlink is followed.
// Add never waits, neither for the disk nor for a reader: what does not fit the queue is counted, and a line
// "dropped" tells how much that was as soon as there is room. What repeats is summed up: of refusals with the
// same account, device, address and reason the first is written at once, and all others of that minute as one
// line with Times; when more than maxKinds kinds of refusal come in a minute, the others are told apart by their
// reason alone. So neither memory nor disk grows with the number of attempts. A line is whole or is passed
// over: the reader takes torn, foreign and endless lines for what they are, and the writer goes on below a
// torn one. Characters that a terminal might act on are not written.
//
// The package judges nobody, and never sends a line anywhere.
package audit
