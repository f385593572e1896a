package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aead.dev/minisign"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// maxSumsFile bounds a list of checksums: 100,000 files with long paths.
const maxSumsFile = 64 << 20

// readSums reads a SHA256SUMS file, and judges its minisign signature beside it if a key is given. The result is by path.
func readSums(path, key string) (map[string][32]byte, error) {
	raw, err := readLimited(path, maxSumsFile)
	if err != nil {
		return nil, fault.New(fault.NotFound, "reading the checksums: %w", err)
	}
	if key != "" {
		var pub minisign.PublicKey
		if err := pub.UnmarshalText([]byte(key)); err != nil {
			return nil, fault.Hint(fault.New(fault.Usage, "--minisign-key: %w", err), "give the line of the .pub file that begins with RW")
		}
		sig, err := readLimited(path+".minisig", 64<<10)
		if err != nil {
			return nil, fault.New(fault.NotFound, "reading the signature of the checksums: %w", err)
		}
		if !minisign.Verify(pub, raw, sig) {
			return nil, fault.New(fault.Unverified, "the signature in %q is not of this key over these checksums", path+".minisig")
		}
	}
	sums := map[string][32]byte{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, sum, err := sumLine(line)
		if err != nil {
			return nil, fault.New(fault.Usage, "line %d of %q: %w", n, path, err)
		}
		sums[name] = sum
	}
	return sums, lines.Err()
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%q is larger than %d bytes", path, limit)
	}
	return b, err
}

// sumLine reads a line of sha256sum: the hash, two spaces or a space and *, the name, escaped behind a backslash.
func sumLine(line string) (name string, sum [32]byte, err error) {
	rest, escaped := strings.CutPrefix(line, `\`)
	if len(rest) < 67 || rest[64] != ' ' || rest[65] != ' ' && rest[65] != '*' {
		return "", sum, errors.New("not a line of sha256sum")
	}
	h, err := signed.ParseHash(strings.ToLower(rest[:64]))
	if err != nil {
		return "", sum, errors.New("not a line of sha256sum")
	}
	name = rest[66:]
	if escaped {
		name = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(name)
	}
	return strings.TrimPrefix(name, "./"), [32]byte(h), nil
}

// fileHashes reads every file of the content.
func fileHashes(ctx context.Context, m *metafile.Torrent, at *located) ([]catalog.ReceiptFile, error) {
	root, err := os.OpenRoot(at.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	out := make([]catalog.ReceiptFile, len(m.Files))
	for i := range m.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, fi, err := content.OpenRegular(root, at.Paths[i])
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", at.File(i), err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", at.File(i), err)
		}
		out[i] = catalog.ReceiptFile{Path: m.FilePath(i), Size: fi.Size(), SHA256: signed.Hash(h.Sum(nil))}
	}
	return out, nil
}

// prove holds what was fetched against the checksums that the user named, and writes the receipt.
func (f *fetch) prove(ctx context.Context, at *located) error {
	if f.r.Sums == "" && f.r.Receipt == "" {
		return nil
	}
	if f.plan.Part() {
		return fault.New(fault.Usage, "--sums and --receipt are about the whole, and a part was fetched")
	}
	var files []catalog.ReceiptFile
	for i, sum := range f.sums {
		files = append(files, catalog.ReceiptFile{Path: f.meta.FilePath(i), Size: f.meta.Files[i].Length, SHA256: sum})
	}
	var err error
	if files == nil {
		files, err = fileHashes(ctx, f.meta, at)
	}
	if err != nil {
		return err
	}
	if f.r.Sums != "" {
		if err := f.compareSums(files); err != nil {
			return err
		}
	}
	if f.r.Receipt == "" {
		return nil
	}
	return f.n.writeReceipt(f.r, files)
}

// compareSums wants every file in the list, as it is.
func (f *fetch) compareSums(files []catalog.ReceiptFile) error {
	sums, err := readSums(f.r.Sums, f.r.MinisignKey)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := file.Path
		if path == "" {
			path = f.meta.Name
		}
		sum, listed := sums[path]
		if !listed {
			sum, listed = sums[f.meta.Name+"/"+path]
		}
		switch {
		case !listed:
			err = fmt.Errorf("%q is not in the list", path)
		case sum != [32]byte(file.SHA256):
			err = fmt.Errorf("%q is another file than the list says", path)
		}
		if err != nil {
			return fault.Hint(fault.New(fault.Unverified, "%q is not what %q says: %w", f.meta.Name, filepath.Base(f.r.Sums), err),
				"it is what the torrent says: whoever made the torrent and whoever made the list do not agree; do not use %s", f.plan.Target())
		}
	}
	return nil
}

// writeReceipt writes who had signed what was fetched, with its proof.
func (n *Node) writeReceipt(r FetchRequest, files []catalog.ReceiptFile) error {
	if r.Entry == nil {
		return fault.New(fault.Usage, "--receipt is for what a group has signed")
	}
	s := n.groups.Load()
	groupName, ref, _ := strings.Cut(r.Entry.Ref, "/")
	if s == nil {
		return errors.New("the groups are not open")
	}
	m, err := s.get(groupName)
	if err != nil {
		return err
	}
	e, err := m.resolve(ref)
	if err != nil {
		return err
	}
	if e.Info.String() != r.Entry.Info {
		return fault.New(fault.Failed, "%q was published anew while it was fetched; there is no receipt", r.Entry.Ref)
	}
	_, record, err := m.Share(e)
	if err != nil {
		return err
	}
	l, err := m.Log(e.Device)
	if err != nil {
		return err
	}
	var head signed.Head
	for _, h := range m.AllHeads() {
		if h.Device == e.Device {
			head = h
		}
	}
	hashes := make([]signed.Hash, 0, len(l.Records))
	for _, rec := range l.Records[:min(int64(len(l.Records)), head.Size)] {
		hashes = append(hashes, signed.RecordHash(rec.Raw))
	}
	receipt, err := catalog.NewReceipt(groupName, e, head, record, hashes, files, time.Now())
	if err != nil {
		return err
	}
	b, err := receipt.Encode()
	if err != nil {
		return err
	}
	if err := replaceable(r.Receipt, "receipt", func(old []byte) bool {
		_, err := catalog.DecodeReceipt(old)
		return err == nil
	}); err != nil {
		return err
	}
	return state.WriteFile(r.Receipt, b, outMode(r.Umask))
}
