package webaddr

import (
	"net/url"
	"regexp"
	"strings"
)

// redacted replaces what was left out.
const redacted = "redacted"

var (
	// addresses finds URLs. Its groups: scheme, user with password, host with path, query, fragment.
	addresses = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^/\s"'?#]*@)?([^\s"'?#]*)(\?(?:\\"|[^\s"#])*)?(#(?:\\"|[^\s"])*)?`)
	// magnets finds magnet links, sources their parameters that hold addresses.
	magnets = regexp.MustCompile(`(?i)magnet:\?[^\s"']*`)
	sources = regexp.MustCompile(`(?i)\b(tr|ws|xs|as)(\.[0-9]+)?=[^&\s"']*`)

	pathPart = regexp.MustCompile(`/[^/]+`)
	// keyLike matches a path segment that may be a passkey, as private trackers use them: /0a1b...9f/announce. run
	// finds parts of a segment that may be one.
	keyLike = regexp.MustCompile(`^/[0-9A-Za-z_=~%+-]{24,}$`)
	run     = regexp.MustCompile(`[0-9A-Za-z]{12,}`)
)

// Redact removes from a text whatever in its URLs may be a secret: user name and password, query, fragment, and long
// path segments, where private trackers put passkeys. From magnet links it removes the addresses of trackers and web
// seeds.
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
			// Punctuation at the end belongs to the sentence, not to the address.
			said := strings.TrimRight(rest, ":,;.!)]}'`")
			if len(said) > 1 {
				rest = said[:1] + redacted + rest[len(said):]
			}
			out += rest
		}
		return out
	})
}

// RedactURL is Redact for one URL, which may contain spaces and quotes that would end a URL within a text.
func RedactURL(u string) string {
	return Redact(strings.NewReplacer(" ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D", `"`, "%22", "'", "%27").Replace(strings.TrimSpace(u)))
}

// Tells reports whether a URL contains something that may be a secret, which RedactURL removes.
func Tells(u string) bool { return strings.Contains(RedactURL(u), redacted) }

// isSecret reports whether a path segment, with its leading slash, may be a passkey: a mix of digits and letters, or
// anything long that does not look like a file name.
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

// Conceal removes from a server's answer the secrets of u, the URL that was requested: "unknown passkey KEY" is common.
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

// concealLeast is the minimum length of a secret in bytes: shorter values occur in any sentence.
const concealLeast = 5
