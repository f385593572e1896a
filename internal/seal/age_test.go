package seal_test

import (
	"bytes"
	"io"
	"testing"

	"filippo.io/age/armor"
)

func dearmor(t testing.TB, b []byte) []byte {
	t.Helper()
	return must(io.ReadAll(armor.NewReader(bytes.NewReader(b))))(t)
}
