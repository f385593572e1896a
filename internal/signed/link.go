package signed

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
)

const linkScheme = "p2pshare:"

var linkAlphabet = base32.StdEncoding.WithPadding(base32.NoPadding)

// Link is what is needed to join a group. The link of a private group is a secret: only String prints it in full.
type Link struct {
	Group  GroupID
	Kind   Kind
	Secret [16]byte // L, of private groups; zero in public ones
	Hints  []string // HOST:PORT of members
}

// LogValue keeps the secret of a link out of logs.
func (l Link) LogValue() slog.Value { return slog.StringValue(linkScheme + l.Group.String()) }

// ParseLink reads a link. Upper case is accepted too, because QR codes and people who type use it; unknown parameters
// are ignored.
func ParseLink(s string) (Link, error) {
	bad := func(why Reason, format string, args ...any) (Link, error) {
		return Link{}, fault.Hint(refuseAs(fault.Usage, "link", why, format, args...), "copy the whole link again; a member can print it with p2pshare group link GROUP")
	}
	s = strings.TrimSpace(s)
	if len(s) > MaxLink {
		return bad(ErrTooLarge, "%d bytes, more than %d", len(s), MaxLink)
	}
	if len(s) < len(linkScheme) || !strings.EqualFold(s[:len(linkScheme)], linkScheme) {
		return bad(ErrMalformed, "not a p2pshare link: it does not begin with %s", linkScheme)
	}
	body, query, _ := strings.Cut(s[len(linkScheme):], "?")
	b, err := linkAlphabet.DecodeString(strings.ToUpper(body))
	if err != nil || len(b) < 4 || linkAlphabet.EncodeToString(b) != strings.ToUpper(body) {
		return bad(ErrChecksum, "not a p2pshare link: it was mistyped or cut short")
	}
	b, sum := b[:len(b)-2], b[len(b)-2:]
	if want := sha256.Sum256(b); [2]byte(sum) != [2]byte(want[:2]) {
		return bad(ErrChecksum, "not a p2pshare link: it was mistyped or cut short")
	}
	if b[0] != 1 {
		return bad(ErrMalformed, "a link of version %d, but this p2pshare reads version 1", b[0])
	}
	l := Link{}
	switch {
	case b[1] == 0 && len(b) == 22:
		l.Kind = Public
	case b[1] == 1 && len(b) == 38:
		l.Kind = Private
		copy(l.Secret[:], b[22:])
	default:
		return bad(ErrMalformed, "not a p2pshare link: kind %d of %d bytes", b[1], len(b))
	}
	copy(l.Group[:], b[2:])
	params, err := url.ParseQuery(query)
	if err != nil {
		return bad(ErrMalformed, "the part after ? cannot be parsed")
	}
	for _, hint := range params["p"] {
		if err := checkHint(hint); err != nil {
			return bad(ErrMalformed, "%v", err)
		}
		if len(l.Hints) == maxHints {
			return bad(ErrTooLarge, "more than %d addresses", maxHints)
		}
		l.Hints = append(l.Hints, hint)
	}
	return l, nil
}

// String returns the link as it is passed on, about 48 characters for a public group and 73 for a private one.
func (l Link) String() string {
	b := []byte{1, 0}
	if l.Kind == Private {
		b[1] = 1
	}
	b = append(b, l.Group[:]...)
	if l.Kind == Private {
		b = append(b, l.Secret[:]...)
	}
	sum := sha256.Sum256(b)
	s := linkScheme + strings.ToLower(linkAlphabet.EncodeToString(append(b, sum[:2]...)))
	for i, h := range l.Hints {
		s += map[bool]string{true: "?p=", false: "&p="}[i == 0] + h
	}
	return s
}

func checkHint(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	plain := strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == ""
	if err != nil || perr != nil || n == 0 || host == "" || !plain || len(host) > 253 {
		return fmt.Errorf("the address %.80q is not HOST:PORT", s)
	}
	return nil
}

// DayOf returns the number of the day in UTC, from which a group's rendezvous is derived.
func DayOf(now time.Time) int64 { return now.Unix() / 86400 }

// Rendezvous returns the infohash under which members find each other on a day. Announce today's; look up those of the
// day before and after too, because clocks differ.
func (l Link) Rendezvous(day int64) (h [20]byte) {
	copy(h[:], l.expand("rendezvous "+strconv.FormatInt(day, 10), len(h)))
	return h
}

// ServerName returns the TLS server name of a group on a day.
func (l Link) ServerName(day int64) string {
	return hex.EncodeToString(l.expand("sni "+strconv.FormatInt(day, 10), 16))
}

// Lobby returns the key that proves only that its holder has the link.
func (l Link) Lobby() SigningKey {
	s, err := SigningKeyFromSeed(l.expand("lobby", 32))
	if err != nil {
		panic(err) // cannot happen: expand returns 32 bytes
	}
	return s
}

func (l Link) expand(info string, n int) []byte {
	var secret []byte
	if l.Kind == Private {
		secret = l.Secret[:]
	}
	return derive(secret, l.Group[:], info, n)
}

// derive is HKDF with SHA-256 (RFC 5869).
func derive(secret, salt []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, secret, salt, "p2pshare/v1 "+info, n)
	if err != nil {
		panic(err) // n is a small constant; only FIPS mode refuses short secrets
	}
	return out
}
