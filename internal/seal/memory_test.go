package seal

import (
	"runtime"
	"sync"
	"testing"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestStretchGivesMemoryBack: what a password or passphrase takes is the system's again when it is stretched, and two do not take
// it twice.
func TestStretchGivesMemoryBack(t *testing.T) {
	const work, takes, slack = 16, 64 << 20, 24 << 20
	held := func() (resident, reserved int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapSys - m.HeapReleased), int64(m.HeapSys)
	}
	if _, err := Stretch(signed.GroupID{}, "anna", "a long password", freedWork); err != nil { // what is there before is given back too
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
		t.Errorf("%d MiB are kept", (after-resident)>>20)
	}
	if most > reserved+takes+slack {
		t.Errorf("%d MiB were taken, want %d: one at a time", (most-reserved)>>20, takes>>20)
	}
}
