package metafile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/names"
)

// inUTF8 converts every name of an info to UTF-8. It uses name.utf-8 and path.utf-8, unless they are refused names and there is another; else name and path if they are valid
// UTF-8; else it decodes those with the encoding declared next to the info, which may be empty; else with a guess, which
// note reports. A magnet's info comes without a declared encoding. It stores the names in the fields that the engine reads
// first.
func inUTF8(info *metainfo.Info, declared string) (note string) {
	// In version 2 name itself is UTF-8, and the tree of a single file repeats it.
	if info.Name != "" && (names.Check(info.NameUtf8) != nil || info.MetaVersion == 2 && names.Check(info.Name) == nil) {
		info.NameUtf8 = ""
	}
	var foreign []*string
	add := func(s *string) {
		if !utf8.ValidString(*s) {
			foreign = append(foreign, s)
		}
	}
	if info.NameUtf8 == "" && !utf8.ValidString(info.Name) {
		info.NameUtf8 = info.Name
		add(&info.NameUtf8)
	}
	for i := range info.Files {
		f := &info.Files[i]
		if len(f.Path) > 0 && names.CheckPath(f.PathUtf8) != nil {
			f.PathUtf8 = nil
		}
		if len(f.PathUtf8) == 0 && !valid(f.Path) {
			f.PathUtf8 = append([]string(nil), f.Path...)
			for k := range f.PathUtf8 {
				add(&f.PathUtf8[k])
			}
		}
		for k := range f.SymlinkPath {
			add(&f.SymlinkPath[k])
		}
	}
	if len(foreign) == 0 {
		return ""
	}
	if declared = strings.TrimSpace(declared); declared != "" {
		enc, err := htmlindex.Get(declared)
		if err != nil {
			enc, err = ianaindex.IANA.Encoding(declared)
		}
		if err == nil && enc != nil && decodeAll(enc, foreign) {
			return ""
		}
	}
	for _, g := range guesses(foreign) {
		if decodeAll(g.enc, foreign) {
			return fmt.Sprintf("its names are not UTF-8 and not in a declared encoding; they are read as %s", g.name)
		}
	}
	return ""
}

func valid(components []string) bool {
	for _, c := range components {
		if !utf8.ValidString(c) {
			return false
		}
	}
	return true
}

// decodeAll converts all names to UTF-8, or none of them if one is not in the encoding.
func decodeAll(enc encoding.Encoding, names []*string) bool {
	out := make([]string, len(names))
	for i, s := range names {
		var err error
		if out[i], err = enc.NewDecoder().String(*s); err != nil || strings.ContainsRune(out[i], utf8.RuneError) || !utf8.ValidString(out[i]) {
			return false
		}
	}
	for i, s := range names {
		*s = out[i]
	}
	return true
}

type guess struct {
	name string
	enc  encoding.Encoding
}

// guesses returns the encodings that the names may be in, the most likely first; the last fits any bytes.
func guesses(names []*string) (list []guess) {
	var (
		cyrillic  = guess{"windows-1251", charmap.Windows1251}
		latin     = guess{"windows-1252", charmap.Windows1252}
		shiftJIS  = guess{"Shift_JIS", japanese.ShiftJIS}
		eucJP     = guess{"EUC-JP", japanese.EUCJP}
		eucKR     = guess{"EUC-KR", korean.EUCKR}
		gb        = guess{"GB18030", simplifiedchinese.GB18030}
		big5      = guess{"Big5", traditionalchinese.Big5}
		last      = guess{"ISO 8859-1", charmap.ISO8859_1}
		runs, n   int
		longest   int
		low       bool // bytes from 0x80 to 0xBF
		korean    = true
		kana, sji int
	)
	for _, s := range names {
		b := []byte(*s)
		for i := 0; i < len(b); {
			begin := i
			for i < len(b) && b[i] >= 0x80 {
				low = low || b[i] < 0xc0
				if (i-begin)%2 == 0 {
					korean = korean && (b[i] >= 0xb0 && b[i] <= 0xc8 || b[i] >= 0xa1 && b[i] <= 0xa3)
					if b[i] == 0xa4 || b[i] == 0xa5 {
						kana++
					}
					if b[i] == 0x82 || b[i] == 0x83 {
						sji++
					}
				}
				i++
			}
			if i > begin {
				runs, n, longest = runs+1, n+i-begin, max(longest, i-begin)
			} else {
				i++
			}
		}
	}
	switch {
	case sji > 0: // the first bytes of hiragana and katakana
		list = []guess{shiftJIS, gb, big5}
	case longest == 1 || !low && 2*n < 5*runs: // single letters among ASCII
		list = []guess{latin}
	case !low: // words of upper and lower case letters; East Asian text also has lower bytes
		list = []guess{cyrillic}
	case kana > 0:
		list = []guess{eucJP, gb, big5}
	case korean:
		list = []guess{eucKR, gb, big5}
	default:
		list = []guess{gb, big5, shiftJIS, cyrillic}
	}
	return append(list, latin, last)
}
