package audit

// noFollow: Windows has no such flag; a user without special rights makes no symlinks there.
const noFollow = 0
