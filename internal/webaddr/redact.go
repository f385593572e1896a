package webaddr

import (
	"net/url"
	"regexp"
	"strings"
)

// redacted stands where something was left out.
const redacted = "redacted"

var (
	// addresses finds URLs: scheme, user with a password, host with the path, query, fragment.
	addresses = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^/\s"'?#]*@)?([^\s"'?#]*)(\?(?:\\"|[^\s"#])*)?(#(?:\\"|[^\s"])*)?`)
	// magnets finds magnet links, and sources what they say of places.
	magnets = regexp.MustCompile(`(?i)magnet:\?[^\s"']*`)
	sources = regexp.MustCompile(`(?i)\b(tr|ws|xs|as)(\.[0-9]+)?=[^&\s"']*`)

	pathPart = regexp.MustCompile(`/[^/]+`)
	// keyLike is a part of a path that may be a passkey, as private trackers have them: /0a1b...9f/announce. run is
	// what of a part may be one.
	keyLike = regexp.MustCompile(`^/[0-9A-Za-z_=~%+-]{24,}$`)
	run     = regexp.MustCompile(`[0-9A-Za-z]{12,}`)
)

// Redact leaves out of a text what of its URLs may be a secret: the user's name and password, the query, the fragment,
// and long parts of the path, where private trackers have passkeys. Of magnet links the places are left out.
func Redact(text string) string {
	if magnets.MatchString(text) {
		text = magnets.ReplaceAllStringFunc(text, func(m string) string {
			return sources.ReplaceAllString(m, "$1$2="+redacted)
		})
	}
	if !strings.Contains(text, "://") {
		return text
	}
	return addresses.ReplaceAllStringFunc(text, func(u string) string {
		m := addresses.FindStringSubmatch(u)
		out := m[1]
		if m[2] != "" {
			out += redacted + "@"
		}
		out += pathPart.ReplaceAllStringFunc(m[3], func(part string) string {
			if isSecret(part) {
				return "/" + redacted
			}
			return part
		})
		for _, rest := range m[4:] {
			// What ends a clause is not the address's.
			said := strings.TrimRight(rest, ":,;.!)]}'`")
			if len(said) > 1 {
				rest = said[:1] + redacted + rest[len(said):]
			}
			out += rest
		}
		return out
	})
}

// RedactURL is Redact of one URL, which may have blanks and quotes in it that would end it in a text.
func RedactURL(u string) string {
	return Redact(strings.NewReplacer(" ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D", `"`, "%22", "'", "%27").Replace(strings.TrimSpace(u)))
}

// isSecret says whether a part of a path, with its slash, may be a passkey: a word of digits and letters, or anything long
// that is no file's name.
func isSecret(part string) bool {
	if keyLike.MatchString(part) {
		return true
	}
	for _, r := range run.FindAllString(part, -1) {
		mixed := strings.ContainsAny(r, "0123456789") && strings.Trim(r, "0123456789") != ""
		if mixed || len(r) >= 24 {
			return true
		}
	}
	return false
}

// Conceal leaves out of what a server says the secrets of u, by which it was asked: "unknown passkey KEY" is common.
func Conceal(text, u string) string {
	at, err := url.Parse(u)
	if err != nil {
		return Redact(text)
	}
	hide := func(secret string) {
		if plain, err := url.PathUnescape(secret); err == nil && plain != secret && len(plain) >= concealLeast {
			text = strings.ReplaceAll(text, plain, redacted)
		}
		if len(secret) >= concealLeast {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	if pass, ok := at.User.Password(); ok {
		hide(pass)
	}
	for part := range strings.SplitSeq(at.EscapedPath(), "/") {
		if isSecret("/" + part) {
			hide(part)
		}
	}
	for pair := range strings.FieldsFuncSeq(at.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		_, value, found := strings.Cut(pair, "=")
		if !found {
			value = pair
		}
		hide(value)
	}
	return Redact(text)
}

// concealLeast is how long a secret is at least: shorter values stand in any sentence.
const concealLeast = 5
