package seal

import "testing"

// TestNormalizeWords: a generated password may be typed as it is heard; other passwords are not changed.
func TestNormalizeWords(t *testing.T) {
	for range 50 {
		p, err := Password()
		if err != nil {
			t.Fatal(err)
		}
		if got := Normalize(p); got != p {
			t.Fatalf("%q became %q", p, got)
		}
	}
	const want = "exalted-cork-tyke-sketch-rubdown"
	for _, typed := range []string{want, "Exalted cork tyke sketch rubdown", " EXALTED-CORK-TYKE-SKETCH-RUBDOWN\n", "exalted  cork\ttyke - sketch – rubdown", "exalted‑cork‑tyke‑sketch‑rubdown"} {
		if got := Normalize(typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
	if a, b := Normalize("Felt-Tip yo-yo cork tyke sketch"), Normalize("felt tip yo yo cork tyke sketch"); a != b {
		t.Errorf("words with hyphens: got %q and %q", a, b)
	}
	for _, p := range []string{"Exalted cork tyke sketch", "Exalted cork tyke sketch xyzzy", "My Dog Is 12 Years", "Correct-Horse", "a b c d e", "Exalted cork tyke sketch rubdown!"} {
		if got := Normalize(p); got != p {
			t.Errorf("%q is not made of our words, but became %q", p, got)
		}
	}
}
