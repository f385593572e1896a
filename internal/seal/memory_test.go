package seal

import (
	"runtime"
	"sync"
	"testing"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestStretchGivesMemoryBack: what a password takes is the system's again when it is stretched, and two do not take it
// twice.
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
	resident, reserved := held()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := Stretch(signed.GroupID{}, "anna", "a long password", work); err != nil {
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
