//go:build unix

package seeder_test

import (
	"cmp"
	"fmt"
	"os"
	"testing"

	"github.com/p2pshare/p2pshare/seeder"
)

// payload makes a release of one large file and many small ones, unless P2PSHARE_BENCH_PATH names another.
func payload(b *testing.B) string {
	if at := os.Getenv("P2PSHARE_BENCH_PATH"); at != "" {
		return at
	}
	files := []file{{path: "image.iso", size: 128 << 20}}
	for i := range 1000 {
		files = append(files, file{path: fmt.Sprintf("docs/%d/%d.html", i/100, i), size: 100 + i*60})
	}
	return write(b, "release", 40, files...)
}

func BenchmarkBuild(b *testing.B) {
	at := payload(b)
	for _, bench := range []struct {
		name string
		o    seeder.Options
	}{
		{"v1", seeder.Options{Format: seeder.V1, PieceLength: 1 << 20}},
		{"hybrid", seeder.Options{Format: seeder.Hybrid}},
		{"hybrid with pieces of 1 MiB", seeder.Options{Format: seeder.Hybrid, PieceLength: 1 << 20}},
		{"v2", seeder.Options{Format: seeder.V2, PieceLength: 1 << 20}},
		{"v1 and sums", seeder.Options{Format: seeder.V1, PieceLength: 1 << 20, Sums: true}},
		{"v1 on one core", seeder.Options{Format: seeder.V1, PieceLength: 1 << 20, Workers: 1}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.o.Path = at
			for b.Loop() {
				b.SetBytes(build(b, bench.o).Torrent.Size)
			}
		})
	}
}

func BenchmarkSourceRead(b *testing.B) {
	built := build(b, seeder.Options{Path: payload(b), Format: seeder.V1, PieceLength: 1 << 20})
	s := seeder.NewSource(built.Torrent, built.Located, func(err error) { b.Errorf("change: %v", err) })
	defer s.Close()
	st, _ := open(b, s, built, false)
	for _, size := range []int64{16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("blocks of %d KiB", size>>10), func(b *testing.B) {
			buf := make([]byte, size)
			b.SetBytes(size)
			b.ReportAllocs()
			var off int64
			for b.Loop() {
				r := st.NewReader()
				if _, err := r.ReadAt(buf, off); err != nil {
					b.Fatal(cmp.Or(r.Close(), err))
				}
				if off += size; off+size > built.Torrent.Size {
					off = 0
				}
			}
		})
	}
}
