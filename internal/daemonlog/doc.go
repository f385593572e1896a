// Package daemonlog is the daemon's log: a file in the home that cannot grow without end, and its reader.
//
// Entry points: Open for the file, an io.Writer of whole lines; NewHandler for log/slog in text or JSON; Read
// for the last lines and those that follow.
//
// Guaranteed: folder and files are the user's alone (0700, 0600), two of MaxBytes at most, and no symlink is
// followed. A line is written in one piece, or not at all when the disk is full. Control characters are
// written as escapes, and what a URL or an attribute holds of passwords and passkeys is left out, whoever
// logged it. A file that is removed is made anew at the next line. The package never logs anything itself.
package daemonlog
