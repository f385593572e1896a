package metafile

import (
	"strings"

	"github.com/anacrolix/torrent/metainfo"
)

// IsPad says whether an entry of a v1 file list is a pad: zeros that align the next file with the start of a piece. BEP 47
// marks pads with attr p. BitComet's pads are older and recognized by their names, as in libtorrent, and some creators use
// BEP 47's name without its mark.
func IsPad(fi *metainfo.FileInfo) bool {
	return strings.Contains(fi.Attr, "p") || !strings.Contains(fi.Attr, "l") && IsPadPath(fi.BestPath())
}

// IsPadPath says whether a path below a torrent's folder is one that creators use for pads:
// _____padding_file_0_..., .pad/16384 or .____padding_file/0.
func IsPadPath(path []string) bool {
	if len(path) == 0 {
		return false
	}
	last := path[len(path)-1]
	if strings.HasPrefix(last, "_____padding_file_") {
		return true
	}
	return len(path) == 2 && (path[0] == ".pad" || path[0] == ".____padding_file") && last != "" && strings.Trim(last, "0123456789") == ""
}
