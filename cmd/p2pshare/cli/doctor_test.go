package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func TestDoctorWell(t *testing.T) {
	s := newShell(t)
	s.fake.diagnosis = &node.Diagnosis{Looked: []string{"the port 7 is open"}}
	s.want(0, "OK: nothing was found", "well: the port 7 is open", "doctor")
	s = newShell(t)
	s.fake.diagnosis = &node.Diagnosis{}
	s.want(0, `{"version":1,"type":"diagnosis","findings":[],"looked":[]}`, "", "doctor", "--json")
}

func TestDoctorFindings(t *testing.T) {
	grave := node.Finding{Code: "disk-full", Grave: true, Share: "rel\x1b", What: "the disk is full", Do: "make room"}
	slow := node.Finding{Code: "port-closed", What: "nobody can connect"}
	s := newShell(t)
	s.fake.diagnosis = &node.Diagnosis{Findings: []node.Finding{grave, slow}}
	s.want(1, "STOP disk-full: \"rel\\x1b\": the disk is full\n  do: make room\nslow port-closed: nobody can connect\n",
		"doctor found 1 thing that must be mended", "doctor", "rel", "other")
	if got := strings.Join(s.fake.doctor.Refs, " "); got != "rel other" {
		t.Errorf("REFs: got %q, want the arguments", got)
	}
	s = newShell(t)
	s.fake.diagnosis = &node.Diagnosis{Findings: []node.Finding{slow}}
	s.want(0, "slow port-closed", "", "doctor", "--port", "7000", "--no-dht", "--tracker", "http://t/")
	if n := s.fake.settings.Network; n.Port != 7000 || !n.NoDHT || len(n.Trackers) != 1 {
		t.Errorf("network: got %+v, want what the flags say", n)
	}
	if strings.Contains(s.stdout.String(), "OK") {
		t.Errorf("stdout: got %q, want no OK beside a finding", s.stdout.String())
	}
	s = newShell(t)
	s.fake.diagnosis = &node.Diagnosis{Findings: []node.Finding{grave}}
	s.want(1, `{"version":1,"type":"diagnosis","findings":[{"code":"disk-full","grave":true,"share":"rel\u001b","what":"the disk is full","do":"make room"}],"looked":[]}`,
		"", "doctor", "--json")
}

func TestDoctorOfAnotherVersion(t *testing.T) {
	for _, c := range []struct{ name, version, want string }{
		{"older", "1.0.0", "slow daemon-version: the daemon is p2pshare 1.0.0, and this is 1.2.3"},
		{"the same", "1.2.3", "OK: nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.fake.daemon = true
			s.fake.diagnosis, s.fake.status = &node.Diagnosis{}, &node.Status{Daemon: true, Version: c.version}
			s.want(0, c.want, "", "doctor")
		})
	}
}

func TestDoctorRefuses(t *testing.T) {
	s := newShell(t)
	s.fake.storeErr = fault.New(fault.NotFound, "no share %q", "x")
	s.want(10, "", "no share", "doctor", "x")
	s = newShell(t)
	s.fake.storeErr = errors.New("broken")
	s.want(1, "", "broken", "doctor")
	s = newShell(t)
	s.want(4, "", "--tracker", "doctor", "--tracker", "nonsense")
	s = newShell(t)
	s.want(4, "", "--port", "doctor", "--port", "70000")
}
