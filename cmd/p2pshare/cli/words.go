package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/p2pshare/p2pshare/internal/node"
)

// printable shows s on one line and as what it is: control characters, line ends, bytes that are no
// UTF-8 and invisible or direction-changing characters are written as Go escapes. Tabs become spaces.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(int64(n)) + " " + noun + "s"
}

func counted(files int, size int64) string { return plural(files, "file") + ", " + bytesText(size) }

func bytesText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func ibytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func rateText(r float64) string { return bytesText(int64(r)) + "/s" }

// sources lists where bytes came from, without the places that gave none.
func sources(b node.BytesFrom) string {
	var parts []string
	for _, p := range []struct {
		name string
		n    int64
	}{{"peers", b.Peers}, {"web seeds", b.WebSeeds}, {"reused", b.Reused}} {
		if p.n > 0 {
			parts = append(parts, p.name+" "+bytesText(p.n))
		}
	}
	return strings.Join(parts, ", ")
}

func percent(p node.Progress) string {
	if p.Total <= 0 {
		return ""
	}
	return strconv.FormatInt(int64(100*fraction(p)), 10) + "%"
}

func fraction(p node.Progress) float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, max(0, float64(p.Done)/float64(p.Total)))
}

func etaText(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return d.Round(time.Second).String() + " left"
}

// part is a piece of the progress line; the lower the rank, the later it goes when room is short.
type part struct {
	text string
	rank int
}

// parts are what a progress line says behind its subject, in reading order.
func parts(p node.Progress) []part {
	list := []part{{percent(p), 0}}
	switch {
	case p.Phase == node.PhasePasswords:
		list = append(list, part{fmt.Sprintf("%d of %d", p.Done, p.Total), 1})
	case p.Total > 0:
		list = append(list, part{bytesText(p.Done) + "/" + bytesText(p.Total), 4})
	case p.Done > 0:
		list = append(list, part{bytesText(p.Done), 4})
	}
	if p.Waiting != "" {
		return append(list, part{printable(p.Waiting), 1})
	}
	if p.Down > 0 {
		list = append(list, part{rateText(p.Down), 1})
	}
	list = append(list, part{etaText(p.ETA), 2})
	if p.Phase == "metadata" && p.Peers > 0 || p.Phase == "fetching" {
		list = append(list, part{plural(p.Peers, "peer"), 3})
	}
	if from := sources(p.From); from != "" {
		list = append(list, part{"from " + from, 5})
	}
	return list
}

func subject(p node.Progress) string {
	phase := p.Phase
	if phase == "metadata" {
		phase = "looking for"
		if p.Name == "" {
			phase = "looking for it"
		}
	}
	if p.Name == "" {
		return printable(phase)
	}
	return printable(phase) + " " + printable(p.Name)
}
