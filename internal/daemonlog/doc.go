// Package daemonlog is the daemon's log: a file in the home of bounded size, and its reader.
//
// Entry points: Open for the file, an io.Writer of whole lines; NewHandler for log/slog in text or JSON; Read for the
// last lines and for following new ones.
//
// Guaranteed: only the user can read folder and files (0700, 0600); there are at most two files of MaxBytes each, and
// no symlink is followed. A line is written whole, or not at all when the disk is full. Control characters are
// escaped, and passwords and passkeys in URLs and attributes are left out, whatever part of the program logged them. A
// removed file is recreated at the next line. The package never logs anything itself.
package daemonlog
