package cli_test

import (
	"strings"
	"testing"
)

func TestGroupUsageErrors(t *testing.T) {
	typo := acmeLink[:len(acmeLink)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(acmeLink, "a")]
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"group", "create"}, "group create needs NAME"},
		{[]string{"group", "create", "acme"}, "add --public"},
		{[]string{"group", "create", "acme", "--private", "--public"}, "--public and --private contradict"},
		{[]string{"group", "create", "Acme", "--public"}, "cannot be a name"},
		{[]string{"group", "create", "a/b", "--public"}, "cannot be a name"},
		{[]string{"group", "create", "acme", "--public", "--stale", "0"}, "not a number of hours"},
		{[]string{"group", "create", "acme", "--public", "--user", "A"}, "--user"},
		{[]string{"group", "join", typo}, "mistyped"},
		{[]string{"group", "join", "p2pshare:"}, "neither a link nor a file"},
		{[]string{"group", "join", acmeLink, "--user", "bob"}, "--user and --key-file belong together"},
		{[]string{"group", "join", acmeLink, "--key-file", "k"}, "--user and --key-file belong together"},
		{[]string{"group", "join", acmeLink, "--timeout", "-1s"}, "negative"},
		{[]string{"group", "join", acmeLink, "--as", "A"}, "--as"},
		{[]string{"group", "join", acmeLink, "--peer", "here"}, "--peer"},
		{[]string{"group", "link", "acme", "--qr", "--json"}, "--qr"},
		{[]string{"group", "link", "acme", "--qr", "-q"}, "--qr"},
		{[]string{"group", "follow", "acme"}, "add -o DIR"},
		{[]string{"group", "follow", "acme", "-o", "d", "--keep", "0"}, "--keep 0"},
		{[]string{"group", "follow", "acme", "-o", "d", "--space", "much"}, "--space"},
		{[]string{"group", "follow", "acme", "-o", "d", "--stop"}, "--stop ends the mirror"},
		{[]string{"group", "user", "add", "acme", "Bob", "--key-file", "k"}, "the name"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "k", "--role", "admin"}, "p2pshare group user role GROUP NAME admin"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "k", "--role", "boss"}, "choose publisher or member"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "k", "--team", "Crew"}, "--team"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "k", "--until", "soon"}, "not a date"},
		{[]string{"group", "user", "add", "acme", "bob", "--key-file", "k", "--until", "2001-01-01"}, "is past"},
		{[]string{"group", "user", "add", "acme"}, "group user add needs GROUP NAME"},
		{[]string{"group", "device", "remove", "acme", "3f9"}, "four at least"},
		{[]string{"group", "device", "remove", "acme", "laptop"}, "no key of a machine"},
		{[]string{"group", "rule", "add", "acme", "allow bob"}, "a rule reads like"},
		{[]string{"group", "rule", "test", "acme", "bob", "write", "x"}, "write read or publish"},
		{[]string{"group", "owner", "add", "acme", "5d"}, "64 hex digits"},
		{[]string{"group", "owner", "threshold", "acme", "0"}, "not a number of owners"},
		{[]string{"group", "owner", "threshold", "acme", "many"}, "not a number of owners"},
		{[]string{"group", "frob"}, "see p2pshare help group"},
		{[]string{"group", "user", "ad"}, "did you mean p2pshare group user add?"},
		{[]string{"group", "lst"}, "did you mean p2pshare group list?"},
		{[]string{"grup", "list"}, "did you mean p2pshare group?"},
		{[]string{"help", "group", "frob"}, `there is no command "group frob"`},
		{[]string{"group", "list", "--peer", "a:1"}, "group list has no flag"},
		{[]string{"catalog", "show", "acme"}, "names no entry"},
		{[]string{"catalog", "show", "/app"}, "names no entry"},
		{[]string{"catalog", "show", "acme/-x"}, "-x"},
		{[]string{"catalog", "show", typo + "/app"}, "mistyped"},
		{[]string{"drop", "acme/app"}, "add --yes"},
		{[]string{"drop", "acme/app@1@2", "--yes"}, "@"},
		{[]string{"publish", "x", "--as", "app@1"}, "add --group GROUP"},
		{[]string{"publish", "x", "--for", "bob"}, "add --group GROUP"},
		{[]string{"publish", "x", "--note", "n"}, "add --group GROUP"},
		{[]string{"publish", "x", "--offline"}, "add --group GROUP"},
		{[]string{"publish", "x", "--replace"}, "add --group GROUP"},
		{[]string{"publish", "x", "--group", "acme"}, "add --as NAME@VERSION"},
		{[]string{"publish", "x", "--group", "acme", "--as", "app@latest"}, "--as"},
		{[]string{"publish", "x", "--group", "acme", "--as", "app@1.x"}, "--as"},
		{[]string{"publish", "x", "--group", "acme", "--as", "../app"}, "--as"},
		{[]string{"fetch", v1hex, "--receipt", "r"}, "fetch GROUP/NAME"},
		{[]string{"fetch", "acme/app", "--receipt", "r", "--only", "*.iso"}, "--only leaves some out"},
		{[]string{"fetch", v1hex, "--sums", "S", "--only", "*.iso"}, "--only leaves some out"},
		{[]string{"fetch", v1hex, "--minisign-key", "RW"}, "add --sums FILE"},
		{[]string{"fetch", v1hex, "--sums", "S", "--minisign-key", "RWnonsense"}, "neither a minisign public key"},
		{[]string{"fetch", acmeLink}, "names nothing in it"},
		{[]string{"fetch", "acme/app@"}, "version"},
		{[]string{"verify"}, "verify needs TORRENT|REF"},
		{[]string{"verify", "x", "--group", "acme"}, "--group is for --receipt"},
		{[]string{"verify", "a", "b", "--receipt", "r"}, "is the only one"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			s := newShell(t)
			code := s.run(c.args...)
			if want := 4; code != want && !(code == 10 && strings.Contains(c.want, "neither a link")) {
				t.Errorf("exit code: got %d, want %d", code, want)
			}
			if got := s.stderr.String() + s.stdout.String(); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
			if s.fake.opened != 0 {
				t.Error("a node was opened all the same")
			}
		})
	}
}
