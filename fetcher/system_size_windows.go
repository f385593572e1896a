package fetcher

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

var errTooLarge error = windows.ERROR_FILE_TOO_LARGE

// maxFileSize is the longest file that dir's file system can have. Files are not sparse here, so nothing is tried.
func maxFileSize(dir string) int64 {
	const unlimited = 1<<63 - 1
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil {
		return unlimited
	}
	var kind [64]uint16
	if windows.GetVolumeInformation(root, nil, 0, nil, nil, nil, &kind[0], uint32(len(kind))) == nil &&
		strings.HasPrefix(windows.UTF16ToString(kind[:]), "FAT") {
		return everywhere
	}
	return unlimited
}
