package seal

import (
	"runtime"
	"sync"
	"testing"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestStretchGivesMemoryBack: the memory for a password or passphrase is returned to the system afterwards, and two at
// a time do not take it twice.
func TestStretchGivesMemoryBack(t *testing.T) {
	const work, takes, slack = 16, 64 << 20, 24 << 20
	held := func() (resident, reserved int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapSys - m.HeapReleased), int64(m.HeapSys)
	}
	if _, err := Stretch(signed.GroupID{}, "anna", "a long password", freedWork); err != nil { // returns what earlier tests left
		t.Fatal(err)
	}
	locked, err := LockKey([]byte("a key"), "a passphrase", work)
	if err != nil {
		t.Fatal(err)
	}
	resident, reserved := held()
	var wg sync.WaitGroup
	for _, takes := range []func() error{
		func() error { _, err := Stretch(signed.GroupID{}, "anna", "a long password", work); return err },
		func() error { _, err := Stretch(signed.GroupID{1}, "ben", "a long password", work); return err },
		func() error { _, err := LockKey([]byte("a key"), "a passphrase", work); return err },
		func() error { _, err := UnlockKey(locked, "a passphrase"); return err },
	} {
		wg.Go(func() {
			if err := takes(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	after, most := held()
	if after > resident+slack {
		t.Errorf("%d MiB were not returned", (after-resident)>>20)
	}
	if most > reserved+takes+slack {
		t.Errorf("%d MiB were taken, want %d, for one at a time", (most-reserved)>>20, takes>>20)
	}
}
