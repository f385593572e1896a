package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// receiptVersion is the version of the format.
const receiptVersion = 1

// Receipt says what was fetched, who had signed it, and what the files were. It proves itself: Record stands at
// Index in the log whose Head the device has signed, so that anyone who knows the group can check it later, with
// no peer and no catalog. The other fields repeat, for people and scripts, what Head and Record say.
type Receipt struct {
	V          int           `json:"version"`
	Group      ReceiptGroup  `json:"group"`
	Entry      ReceiptEntry  `json:"entry"`
	Account    string        `json:"account"` // as the group's members knew it
	Device     signed.Key    `json:"device"`
	LogSize    int64         `json:"log_size"`
	LogRoot    signed.Hash   `json:"log_root"`
	Infohash   string        `json:"infohash,omitempty"`
	InfoSHA256 signed.Hash   `json:"info_sha256"`
	Files      []ReceiptFile `json:"files"`
	Time       time.Time     `json:"time"` // of the fetch
	Head       string        `json:"head"`
	Index      int64         `json:"index"`
	Record     string        `json:"record"`
	Proof      []signed.Hash `json:"proof"`
	share      *Share
}

// ReceiptGroup names the group: ID for good, Name as it was called here.
type ReceiptGroup struct {
	ID   signed.GroupID `json:"id"`
	Name string         `json:"name"`
}

// ReceiptEntry is what was fetched.
type ReceiptEntry struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Content string `json:"content"`
}

// ReceiptFile is a file of the content: Path below it, with slashes; empty where the content is one file.
type ReceiptFile struct {
	Path   string      `json:"path"`
	Size   int64       `json:"size"`
	SHA256 signed.Hash `json:"sha256"`
}

// NewReceipt makes the receipt of an entry whose torrent was fetched and verified. record is the entry's, hashes are
// those of all records below head, files are in the torrent's order. It refuses what does not fit together.
func NewReceipt(name string, e *Entry, head signed.Head, record []byte, hashes []signed.Hash, files []ReceiptFile, now time.Time) (*Receipt, error) {
	proof, err := signed.ProveRecord(hashes, e.Index)
	if err != nil {
		return nil, fmt.Errorf("making a receipt: %w", err)
	}
	r := &Receipt{V: receiptVersion, Group: ReceiptGroup{head.Group, name}, Entry: ReceiptEntry{e.Name, e.Version, e.Content},
		Account: e.Account, Device: head.Device, LogSize: head.Size, LogRoot: head.Root, InfoSHA256: e.Info, Files: files,
		Time: time.Unix(now.Unix(), 0).UTC(), Head: string(head.Raw), Index: e.Index, Record: string(record), Proof: proof}
	if e.V1 != nil {
		r.Infohash = e.V1.HexString()
	}
	return r, r.check()
}

// Encode is the receipt as it is kept.
func (r *Receipt) Encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding a receipt: %w", err)
	}
	return buf.Bytes(), nil
}

// DecodeReceipt reads a receipt and checks that its parts prove one another: the head's signature, the record in the
// log, and everything else against the record. That the group is the right one, the caller knows by Group.ID.
func DecodeReceipt(raw []byte) (*Receipt, error) {
	if len(raw) > maxReceipt {
		return nil, badReceipt("it has %d bytes, more than %d", len(raw), maxReceipt)
	}
	var head struct {
		V *int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.V == nil {
		return nil, badReceipt("it is none, or damaged")
	}
	if *head.V != receiptVersion {
		return nil, badReceipt("it has version %d, and this p2pshare reads version %d", *head.V, receiptVersion)
	}
	var r Receipt
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, badReceipt("%w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, badReceipt("something stands behind it")
	}
	return &r, r.check()
}

// Share is what was signed, with the sums and web seeds.
func (r *Receipt) Share() *Share { return r.share }

func (r *Receipt) check() error {
	if len(r.Head) > signed.MaxHead || len(r.Record) > signed.MaxRecord || len(r.Proof) > maxProof || len(r.Files) > maxFiles {
		return badReceipt("a part of it is too large")
	}
	head, err := signed.OpenHead([]byte(r.Head), r.Group.ID)
	if err != nil {
		return badReceipt("%w", err)
	}
	if head.Device != r.Device || head.Size != r.LogSize || head.Root != r.LogRoot {
		return badReceipt("it names another log than its head")
	}
	if err := signed.CheckRecord(head, r.Index, []byte(r.Record), r.Proof); err != nil {
		return badReceipt("%w", err)
	}
	s, err := ReadShare([]byte(r.Record))
	if err != nil {
		return badReceipt("%w", err)
	}
	infohash := ""
	if s.V1 != nil {
		infohash = s.V1.HexString()
	}
	if (ReceiptEntry{s.Name, s.Version, s.Content}) != r.Entry || infohash != r.Infohash || s.Info != r.InfoSHA256 {
		return badReceipt("it names another torrent than the record that was signed")
	}
	size, sums := int64(0), make([]signed.Hash, len(r.Files))
	for i, f := range r.Files {
		if f.Size < 0 || f.Size > maxSize {
			return badReceipt("the file %q has %d bytes", f.Path, f.Size)
		}
		size += f.Size
		sums[i] = f.SHA256
		if len(s.Sums) > 0 && len(s.Sums) == len(r.Files) && s.Sums[i] != f.SHA256 {
			return badReceipt("the file %q has another SHA-256 than was signed", f.Path)
		}
	}
	if all := s.FileSums(); all != nil && *all != SumOfSums(sums) {
		return badReceipt("a file has another SHA-256 than was signed")
	}
	if len(r.Files) != s.Files || size != s.Size {
		return badReceipt("it lists %d files of %d bytes, and %d of %d were signed", len(r.Files), size, s.Files, s.Size)
	}
	r.share = s
	return nil
}

func badReceipt(format string, args ...any) error {
	return fault.New(fault.Unverified, "the receipt does not hold: %w", fmt.Errorf(format, args...))
}

// Difference is a file that is not what the receipt says.
type Difference struct {
	Path    string
	Problem string // "missing", "changed", "not in the receipt"
}

// Compare holds files that were found against the receipt, in its order and then theirs.
func (r *Receipt) Compare(found []ReceiptFile) []Difference {
	have := make(map[string]ReceiptFile, len(found))
	for _, f := range found {
		have[f.Path] = f
	}
	var out []Difference
	for _, f := range r.Files {
		got, ok := have[f.Path]
		switch {
		case !ok:
			out = append(out, Difference{f.Path, "missing"})
		case got.Size != f.Size || got.SHA256 != f.SHA256:
			out = append(out, Difference{f.Path, "changed"})
		}
		delete(have, f.Path)
	}
	for _, f := range found {
		if _, extra := have[f.Path]; extra {
			out = append(out, Difference{f.Path, "not in the receipt"})
		}
	}
	return out
}
