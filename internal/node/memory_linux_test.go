package node

import (
	"testing"
	"testing/fstest"

	"github.com/p2pshare/p2pshare/internal/fault"
)

func TestFreeMemory(t *testing.T) {
	const mib = 1 << 20
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	machine := file("MemTotal: 1024000 kB\nMemAvailable:  307200 kB\nSwapFree: 0 kB\n")
	for _, c := range []struct {
		name string
		fs   fstest.MapFS
		want int64
	}{
		{"nothing is known", fstest.MapFS{}, -1},
		{"the machine alone", fstest.MapFS{"proc/meminfo": machine}, 300 * mib},
		{"with swap", fstest.MapFS{"proc/meminfo": file("MemAvailable: 102400 kB\nSwapFree: 204800 kB\n")}, 300 * mib},
		{"a group without a bound", fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a\n"),
			"sys/fs/cgroup/a/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.current": file("5\n"),
		}, 300 * mib},
		{"a group with less", fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("268435456\n"), "sys/fs/cgroup/a/b/memory.current": file("52428800\n"),
			"sys/fs/cgroup/a/b/memory.stat": file("anon 20971520\nfile 31457280\nshmem 10485760\n"),
		}, (256 - 50 + 20) * mib},
		{"the one above with less", fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/memory.max": file("104857600\n"), "sys/fs/cgroup/a/memory.current": file("52428800\n"),
			"sys/fs/cgroup/a/b/memory.max": file("268435456\n"), "sys/fs/cgroup/a/b/memory.current": file("52428800\n"),
		}, 50 * mib},
		{"no more than all", fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a\n"),
			"sys/fs/cgroup/a/memory.max": file("10737418240\n"), "sys/fs/cgroup/a/memory.current": file("0\n"),
		}, 300 * mib},
		{"swap that the group may not use", fstest.MapFS{
			"proc/meminfo": file("MemAvailable: 307200 kB\nSwapFree: 1048576 kB\n"), "proc/self/cgroup": file("0::/a\n"),
			"sys/fs/cgroup/a/memory.max": file("104857600\n"), "sys/fs/cgroup/a/memory.current": file("0\n"), "sys/fs/cgroup/a/memory.swap.max": file("0\n"),
		}, 100 * mib},
	} {
		if got := freeMemoryIn(c.fs); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	if got := freeMemory(); got < mib {
		t.Errorf("this machine has %d bytes free", got)
	}
}

// TestRoomForPassword asks for more memory than any machine has, and for what there always is.
func TestRoomForPassword(t *testing.T) {
	big, small := &Node{opts: Options{PasswordWork: 40}}, &Node{opts: Options{PasswordWork: 2}}
	if err := big.roomForPassword(); fault.KindOf(err) != fault.Failed || fault.HintOf(err) == "" {
		t.Errorf("2^50 bytes: got %v", err)
	}
	if err := small.roomForPassword(); err != nil {
		t.Errorf("4 KiB: %v", err)
	}
	lock := Secret("x")
	for _, c := range []struct {
		name    string
		r       GroupRequest
		private bool
		want    bool
	}{
		{"a private group", GroupRequest{Create: &CreateGroup{Kind: "private"}}, false, true},
		{"one without a password", GroupRequest{Create: &CreateGroup{Kind: "private", NoJoin: true}}, false, false},
		{"a public one", GroupRequest{Create: &CreateGroup{Kind: "public"}}, false, false},
		{"a join with a password", GroupRequest{Join: &JoinGroup{Password: "x"}}, false, true},
		{"without", GroupRequest{Join: &JoinGroup{}}, false, false},
		{"a list", GroupRequest{List: &struct{}{}}, true, false},
		{"an account", GroupRequest{AddUser: &AddUser{}}, true, true},
		{"an account with a key", GroupRequest{AddUser: &AddUser{}}, false, false},
		{"a device", GroupRequest{RemoveDevice: new(string)}, true, false},
		{"a lost one", GroupRequest{RemoveDevice: new(string), Lost: true}, true, true},
		{"a passphrase", GroupRequest{Owners: &ChangeOwners{Lock: &lock}}, false, true},
	} {
		if got := c.r.takesPassword(c.private); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
