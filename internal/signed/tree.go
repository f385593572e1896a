package signed

import (
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the Merkle tree (RFC 6962) of a log. It holds only what it needs to grow: a hash for each bit that is set in
// its size. The zero Tree is that of an empty log.
type Tree struct {
	size  int64
	peaks []tlog.Hash // of the perfect subtrees from the largest to the smallest
}

func (t *Tree) Size() int64 { return t.size }

// Clone returns an independent copy.
func (t *Tree) Clone() *Tree {
	return &Tree{t.size, append([]tlog.Hash(nil), t.peaks...)}
}

// Append adds a record and returns its hash.
func (t *Tree) Append(record []byte) Hash {
	h := tlog.RecordHash(record)
	t.AppendHash(Hash(h))
	return Hash(h)
}

// AppendHash adds a record by its hash.
func (t *Tree) AppendHash(leaf Hash) {
	h := tlog.Hash(leaf)
	for range bits.TrailingZeros64(^uint64(t.size)) {
		last := len(t.peaks) - 1
		h = tlog.NodeHash(t.peaks[last], h)
		t.peaks = t.peaks[:last]
	}
	t.peaks = append(t.peaks, h)
	t.size++
}

// Root returns the hash of the tree; that of an empty one is the SHA-256 of the empty string.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return HashOf(nil)
	}
	h := t.peaks[len(t.peaks)-1]
	for i := len(t.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.peaks[i], h)
	}
	return Hash(h)
}

// VerifyRecords appends records to t and checks that the result is the log of head: so one signature proves all that a
// peer sent. On an error t is unchanged. The records must end exactly at head's size.
func (t *Tree) VerifyRecords(head Head, records [][]byte) error {
	if got := t.size + int64(len(records)); got != head.Size {
		return refuse("log", ErrGap, "%d records of device %v, but its head has %d", got, head.Device, head.Size)
	}
	n := t.Clone()
	for _, r := range records {
		if len(r) > MaxRecord {
			return refuse("record", ErrTooLarge, "record %d of device %v has %d bytes, more than %d", n.size, head.Device, len(r), MaxRecord)
		}
		n.Append(r)
	}
	if n.Root() != head.Root {
		return refuse("log", ErrDisagrees, "the %d records after record %d are not the ones that the head of device %v covers",
			len(records), t.size, head.Device)
	}
	*t = *n
	return nil
}

// ProveRecord proves that the record at index is in the log with these leaves; receipts contain such proofs.
func ProveRecord(hashes []Hash, index int64) ([]Hash, error) {
	if index < 0 || index >= int64(len(hashes)) {
		return nil, refuse("record", ErrDisagrees, "there is no record %d in a log of %d", index, len(hashes))
	}
	return proofOf(hashes, int(index)), nil
}

// proofOf returns the audit path of RFC 6962, section 2.1.1, from the leaf up.
func proofOf(hashes []Hash, index int) []Hash {
	if len(hashes) < 2 {
		return nil
	}
	left := 1 << (bits.Len(uint(len(hashes)-1)) - 1) // the largest power of two below
	if index < left {
		return append(proofOf(hashes[:left], index), treeOf(hashes[left:]).Root())
	}
	return append(proofOf(hashes[left:], index-left), treeOf(hashes[:left]).Root())
}

func treeOf(hashes []Hash) *Tree {
	t := new(Tree)
	for _, h := range hashes {
		t.AppendHash(h)
	}
	return t
}

// before returns the root of the first index records of a log of size records, from the proof that record number index
// is in it: the left-hand hashes of the proof are the perfect subtrees of the records before it, the smallest first.
func before(index, size int64, proof []Hash) Hash {
	t := &Tree{size: index}
	last := size - 1
	for _, h := range proof {
		if index&1 == 1 || index == last {
			t.peaks = append(t.peaks, tlog.Hash(h))
			for ; index&1 == 0 && index > 0; index >>= 1 {
				last >>= 1
			}
		}
		index >>= 1
		last >>= 1
	}
	slices.Reverse(t.peaks)
	return t.Root()
}

// CheckRecord checks that proof shows record to be at index in the log of head.
func CheckRecord(head Head, index int64, record []byte, proof []Hash) error {
	if index < 0 || index >= head.Size {
		return refuse("record", ErrDisagrees, "there is no record %d in a log of %d", index, head.Size)
	}
	if err := tlog.CheckRecord(toProof(proof), head.Size, tlog.Hash(head.Root), index, tlog.RecordHash(record)); err != nil {
		return refuse("record", ErrDisagrees, "record %d is not in the log that device %v signed", index, head.Device)
	}
	return nil
}

func toProof(p []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(p))
	for i, h := range p {
		out[i] = tlog.Hash(h)
	}
	return out
}
