package group

import (
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/grouplog"
)

// TestPlacesAreLeft: whatever others bring in, a confirmed account's first machine and an admin's any machine find a place.
func TestPlacesAreLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		a    acl.Account
		have int
		want int
	}{
		{"an admin's", acl.Account{Role: acl.Admin, Pinned: true}, 100, 0},
		{"a confirmed account's first", acl.Account{Role: acl.Member, Pinned: true}, 0, forAdmins},
		{"its second", acl.Account{Role: acl.Member, Pinned: true}, 1, forAdmins + forFirst},
		{"who comes by himself", acl.Account{}, 0, forAdmins + forFirst},
		{"a backup's second", acl.Account{Role: acl.Backup, Pinned: true}, 1, forAdmins + forFirst},
	} {
		if got := leftTo(c.a, c.have); got != c.want {
			t.Errorf("%s: %d places are for others, want %d", c.name, got, c.want)
		}
	}
	if forAdmins+forFirst >= grouplog.MaxDevices/2 {
		t.Error("most places are for few")
	}
}
