//go:build linux

package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
	"github.com/p2pshare/p2pshare/integration/payload"
)

// drive is a file system in a file, which can be taken away and put back.
type drive struct{ image, at string }

func newDrive(t testing.TB, megabytes int) *drive {
	t.Helper()
	d := &drive{filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "drive")}
	if err := os.Mkdir(d.at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, int64(megabytes)<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	d.put(t)
	t.Cleanup(func() { _ = syscall.Unmount(d.at, syscall.MNT_DETACH) }) // it may be away
	return d
}

func (d *drive) put(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
}

// take takes the drive away, as one that is pulled out: open files do not hold it.
func (d *drive) take(t testing.TB) {
	t.Helper()
	if err := syscall.Unmount(d.at, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
}

// gone waits until nobody holds the drive any more: before, it would be put back under the number that it has.
func (d *drive) gone(t testing.TB) {
	t.Helper()
	eventually(t, "the drive is gone", func() bool {
		out, err := exec.Command("losetup", "--associated", d.image).Output()
		if err != nil {
			t.Fatalf("losetup: %v", err)
		}
		return len(out) == 0
	})
}

func (d *drive) device(t testing.TB) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(d.at, &st); err != nil {
		t.Fatal(err)
	}
	return st.Dev
}

// TestDriveGoesAndReturns takes away the drive that a share is on, and puts it back: with another device number while
// the daemon runs, and over a restart of it. The share waits and goes on by itself, without a hashing.
func TestDriveGoesAndReturns(t *testing.T) {
	t.Parallel()
	disk := newDrive(t, 24)
	path := filepath.Join(disk.at, "share")
	for i := range 3 {
		if err := payload.Write(filepath.Join(path, fmt.Sprintf("f%d", i)), 100_000, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "share")
	if out, err := exec.Command("cp", "-a", path, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	magnet := keeps(t, d, path)
	elsewhere := small(t, "elsewhere", 1000, 9)
	keeps(t, d, elsewhere)
	waits := func(d *client.Daemon) {
		t.Helper()
		if sh := reaches(t, d, "share", "waiting"); !strings.Contains(sh.Reason, "away") || !strings.Contains(sh.Reason, path) || sh.Hint == "" {
			t.Errorf("while the drive is away: got %q, %q, want that its files are, which, and a hint", sh.Reason, sh.Hint)
		}
		reaches(t, d, "elsewhere", "seeding")
	}
	back := func(d *client.Daemon) {
		t.Helper()
		reaches(t, d, "share", "seeding")
		fetchable(within(t, time.Minute), t, nil, magnet, copied, peerOf(t, d, nil))
		if log := d.Stderr.String(); strings.Contains(log, "hashing a share again") {
			t.Errorf("it was hashed again: %s", log)
		}
	}
	was := disk.device(t)
	disk.take(t)
	waits(d)
	for range 10 {
		disk.gone(t)
		newDrive(t, 8) // it takes the number that has become free, or one that would be taken before it
		disk.put(t)
		if disk.device(t) != was {
			break
		}
		disk.take(t)
	}
	if disk.device(t) == was {
		t.Errorf("the drive is device %d again: the test does not test what it should", was)
	}
	back(d)

	disk.take(t)
	ended(t, d)
	d = daemon(t, nil, home, still...)
	waits(d)
	disk.put(t)
	back(d)
	ended(t, d)
}

// TestFloor lets a fetch meet too little room: it waits, says so, and goes on when there is more.
func TestFloor(t *testing.T) {
	t.Parallel()
	source := daemon(t, nil, filepath.Join(t.TempDir(), "home"), still...)
	path := made(t, payload.OneFile) // 3 MB
	magnet := keeps(t, source, path)
	out := mounted(t, "size=16m")
	hog := filepath.Join(out, "hog")
	if err := payload.Write(hog, 9<<20, 1); err != nil {
		t.Fatal(err)
	}
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append(still[:len(still)-1:len(still)-1], "6MiB")...)
	ctx := within(t, time.Minute)
	r := map[string]any{"ref": magnet, "dir": out, "peers": []string{peerOf(t, source, nil)}}
	if err := d.Stream(ctx, "fetch", r, func(e client.Event) bool { return e.Kept != nil }); err != nil {
		t.Fatal(err)
	}
	sh := reaches(t, d, payload.OneFile.Name, "waiting")
	if !strings.Contains(sh.Reason, "free") || !strings.Contains(sh.Hint, "room") {
		t.Errorf("got %q, %q, want how much is free, and to make room", sh.Reason, sh.Hint)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	reaches(t, d, payload.OneFile.Name, "seeding")
	if err := payload.Same(path, filepath.Join(out, payload.OneFile.Name)); err != nil {
		t.Error(err)
	}
}

// TestDiskFillsUpInDaemon fills the target's disk in the middle of a fetch: it waits for room, while the other goes on.
func TestDiskFillsUpInDaemon(t *testing.T) {
	t.Parallel()
	source := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "1MiB"}, still...)...)
	path := made(t, payload.OneFile)
	magnet := keeps(t, source, path)
	out := mounted(t, "size=24m")
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), still...)
	ctx := within(t, time.Minute)
	r := map[string]any{"ref": magnet, "dir": out, "peers": []string{peerOf(t, source, nil)}}
	if err := d.Stream(ctx, "fetch", r, func(e client.Event) bool {
		return e.Progress != nil && e.Progress.Done > 0 && e.Progress.Phase == "fetching"
	}); err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(out, "hog")
	if err := exec.Command("sh", "-c", "cat /dev/zero > "+hog+" 2>/dev/null; true").Run(); err != nil {
		t.Fatal(err)
	}
	sh := reaches(t, d, payload.OneFile.Name, "waiting")
	if !strings.Contains(sh.Reason, "waits for room") {
		t.Errorf("reason: got %q, want that there is no space", sh.Reason)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	reaches(t, d, payload.OneFile.Name, "seeding")
	if err := payload.Same(path, filepath.Join(out, payload.OneFile.Name)); err != nil {
		t.Error(err)
	}
}

// TestFetchesInTurn lets two of five fetches transfer at a time. All end.
func TestFetchesInTurn(t *testing.T) {
	t.Parallel()
	source := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--max-up", "1MiB"}, still...)...)
	d := daemon(t, nil, filepath.Join(t.TempDir(), "home"), append([]string{"--fetches", "2"}, still...)...)
	from := peerOf(t, source, nil)
	out := t.TempDir()
	ctx := within(t, time.Minute)
	var paths []string
	for i := range 5 {
		path := small(t, fmt.Sprintf("turn-%d", i), 700_000, uint64(i))
		paths = append(paths, path)
		r := map[string]any{"ref": keeps(t, source, path), "dir": out, "peers": []string{from}}
		if err := d.Stream(ctx, "fetch", r, func(e client.Event) bool { return e.Kept != nil }); err != nil {
			t.Fatal(err)
		}
	}
	queued := 0
	_, err := d.When(ctx, "all are there", func(s *client.Status) bool {
		transferring, done := 0, 0
		for _, sh := range s.Shares {
			switch {
			case sh.State == "fetching" && sh.Progress != nil && sh.Progress.Phase == "fetching":
				transferring++
			case sh.State == "queued":
				queued++
				if sh.Reason == "" {
					t.Errorf("%q is queued and does not say why", sh.Name)
				}
			case sh.State == "seeding":
				done++
			}
		}
		if transferring > 2 {
			t.Errorf("%d fetches transfer at once, want at most 2", transferring)
		}
		return done == len(s.Shares)
	})
	if err != nil {
		t.Fatal(err)
	}
	if queued == 0 {
		t.Error("no fetch was seen in the queue")
	}
	for _, p := range paths {
		if err := payload.Same(p, filepath.Join(out, filepath.Base(p))); err != nil {
			t.Error(err)
		}
	}
}

// TestManyFiles publishes, restarts and fetches a share of 5,000 small files.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "many")
	for i := range 5000 {
		if err := payload.Write(filepath.Join(path, fmt.Sprintf("d%02d/f%04d", i%50, i)), 1+i%200, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(t.TempDir(), "home")
	d := daemon(t, nil, home, still...)
	magnet := keeps(t, d, path)
	d.Kill()
	d = daemon(t, nil, home, still...)
	reaches(t, d, "many", "seeding")
	if log := d.Stderr.String(); strings.Contains(log, "hashing") {
		t.Errorf("it was hashed again: %s", log)
	}
	to := daemon(t, nil, filepath.Join(t.TempDir(), "home"), still...)
	out := t.TempDir()
	ctx := within(t, time.Minute)
	r := map[string]any{"ref": magnet, "dir": out, "seed": true, "peers": []string{peerOf(t, d, nil)}}
	if err := to.Stream(ctx, "fetch", r, func(e client.Event) bool { return e.Fetched != nil }); err != nil {
		t.Fatal(err)
	}
	if err := payload.Same(path, filepath.Join(out, "many")); err != nil {
		t.Error(err)
	}
	ended(t, to)
}
