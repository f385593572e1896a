package systemd

import (
	"strings"
	"testing"
)

func TestUnits(t *testing.T) {
	got := Service(`/opt/my "bin"/p2pshare`, `/home/o'dd $x 100%\h`)
	for _, want := range []string{`ExecStart="/opt/my \"bin\"/p2pshare" daemon` + "\n", `Environment="P2PSHARE_HOME=/home/o'dd $x 100%%\\h"` + "\n", "Type=notify\n", "WantedBy=default.target\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the service lacks %q: %s", want, got)
		}
	}
	if strings.Contains(got, "/usr/bin/p2pshare") || strings.Contains(got, "%h/") {
		t.Errorf("the service is still that of a package: %s", got)
	}
	if got := Socket("/home/a b/100%"); !strings.Contains(got, "ListenStream=/home/a b/100%%/p2pshare.sock\n") || strings.Contains(got, "%h") {
		t.Errorf("the socket: %s", got)
	}
}
