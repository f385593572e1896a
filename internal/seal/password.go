package seal

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sethvargo/go-diceware/diceware"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// words is the number of words in a generated password: five of the EFF's 7,776 are 64 bits. At a second per guess
// nobody lives long enough, and it can still be read out on the telephone.
const words = 5

// Password generates a password: five words with hyphens in between.
func Password() (string, error) {
	list, err := diceware.Generate(words)
	if err != nil {
		return "", fmt.Errorf("generating a password: %w", err)
	}
	return strings.Join(list, "-"), nil
}

// Normalize returns the form of a password that counts: composed (NFC), so that the same letters from different
// keyboards are equal, and without surrounding white space, which is easily copied along. If it consists only of words
// of our list, the separators and the case do not matter: such passwords are read out on the telephone.
func Normalize(password string) string {
	p := norm.NFC.String(strings.TrimSpace(password))
	parts := strings.FieldsFunc(strings.ToLower(p), func(r rune) bool {
		return r == '-' || r == '\u2010' || r == '\u2011' || r == '\u2013' || unicode.IsSpace(r)
	})
	if len(parts) < words {
		return p
	}
	for _, w := range parts {
		if !ourWords()[w] {
			return p
		}
	}
	return strings.Join(parts, "-")
}

// ourWords are the words that Password uses, and the parts of those that have a hyphen.
var ourWords = sync.OnceValue(func() map[string]bool {
	list, all := diceware.WordListEffLarge(), map[string]bool{}
	for i := range 7776 {
		at := 0 // the throw of five dice
		for j := range 5 {
			at += (i/pow(6, j)%6 + 1) * pow(10, j)
		}
		for part := range strings.SplitSeq(list.WordAt(at), "-") {
			all[part] = true
		}
	}
	return all
})

func pow(base, n int) int {
	out := 1
	for range n {
		out *= base
	}
	return out
}

// CheckPassword checks a password chosen by a person. known are words that an attacker would try first: names of the
// group, the user, the program. Errors are of kind fault.Usage.
func CheckPassword(password string, known ...string) error { return check("password", password, known) }

// CheckPassphrase is CheckPassword for the passphrase that locks a key.
func CheckPassphrase(passphrase string, known ...string) error {
	return check("passphrase", passphrase, known)
}

func check(what, password string, known []string) error {
	p := Normalize(password)
	fail := func(format string, args ...any) error {
		return fault.Hint(fault.New(fault.Usage, "the "+what+" "+format, args...),
			"leave it out and p2pshare generates one of five words, or choose at least %d characters that nobody can guess", MinPassword)
	}
	n := utf8.RuneCountInString(p)
	switch {
	case !utf8.ValidString(p):
		return fail("is not UTF-8 text")
	case len(p) > MaxPassword:
		return fail("has %d bytes, more than %d", len(p), MaxPassword)
	case n < MinPassword:
		return fail("has %d characters, fewer than %d", n, MinPassword)
	case strings.ContainsFunc(p, unicode.IsControl):
		return fail("contains a control character")
	}
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return -1
			}
			return r
		}, cases.Fold().String(norm.NFKC.String(s)))
	}
	rest := fold(p)
	distinct := map[rune]bool{}
	for _, r := range p {
		distinct[r] = true
	}
	if len(distinct) < 5 {
		return fail("repeats only %d different characters", len(distinct))
	}
	for _, k := range append([]string{"p2pshare", "password"}, known...) {
		if k = fold(k); k == "" {
			continue
		}
		// A known word followed by a year is one of only a few thousand guesses.
		if left := strings.ReplaceAll(rest, k, ""); left != rest && utf8.RuneCountInString(left) < MinPassword/2 {
			return fail("is little more than %q", k)
		}
	}
	return nil
}
