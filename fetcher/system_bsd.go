//go:build unix && !linux && !darwin

package fetcher

import "os"

// move renames and never replaces: the error is fs.ErrExist if something is at the new name.
func move(src, dst *os.File, srcName, dstName string) error {
	return moveChecked(src, dst, srcName, dstName)
}
