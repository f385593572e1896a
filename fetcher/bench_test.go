package fetcher_test

import (
	"crypto/sha1"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/fetcher"
)

const block = 16 << 10

// BenchmarkStage writes 256 MiB as a fetch does, block by block, hashes each piece and finishes.
func BenchmarkStage(b *testing.B) {
	m := build(b, "v1", 1<<20, item{size: 256 << 20})
	info := m.view(true)
	b.SetBytes(m.Size)
	for b.Loop() {
		dir := b.TempDir()
		p, s, _ := open(b, m, fetcher.Options{Dir: dir})
		impl := storageOf(b, s, info)
		h := sha1.New()
		for _, r := range p.Wanted() {
			for i := r.Begin; i < r.End; i++ {
				piece := impl.Piece(info.Piece(i))
				data := m.pieceBytes(info, i)
				for off := 0; off < len(data); off += block {
					if _, err := piece.WriteAt(data[off:min(off+block, len(data))], int64(off)); err != nil {
						b.Fatal(err)
					}
				}
				h.Reset()
				if _, err := piece.(io.WriterTo).WriteTo(h); err != nil {
					b.Fatal(err)
				}
				if err := piece.MarkComplete(); err != nil {
					b.Fatal(err)
				}
			}
		}
		if _, err := s.Finish(b.Context()); err != nil {
			b.Fatal(err)
		}
		s.Close()
		b.StopTimer()
		os.RemoveAll(dir)
		b.StartTimer()
	}
}

// BenchmarkPlain does the same with the system alone: a write of each block, a read back to hash.
func BenchmarkPlain(b *testing.B) {
	m := build(b, "v1", 1<<20, item{size: 256 << 20})
	b.SetBytes(m.Size)
	back := make([]byte, 1<<20)
	for b.Loop() {
		dir := b.TempDir()
		f, err := os.Create(filepath.Join(dir, "f"))
		if err != nil {
			b.Fatal(err)
		}
		h := sha1.New()
		for off := 0; off < len(m.space); off += block {
			if _, err := f.WriteAt(m.space[off:off+block], int64(off)); err != nil {
				b.Fatal(err)
			}
			if end := off + block; end%len(back) == 0 {
				if _, err := f.ReadAt(back, int64(end-len(back))); err != nil {
					b.Fatal(err)
				}
				h.Reset()
				h.Write(back)
			}
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		f.Close()
		b.StopTimer()
		os.RemoveAll(dir)
		b.StartTimer()
	}
}
