package signed

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the Merkle tree (RFC 6962) of a log, of which it holds the least that lets it grow: a hash for each bit
// of its size. The zero Tree is that of an empty log.
type Tree struct {
	size  int64
	peaks []tlog.Hash // of the perfect subtrees from the largest to the smallest
}

func (t *Tree) Size() int64 { return t.size }

// Clone returns a tree that grows by itself.
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

// Root is the hash of the tree; that of an empty one is the SHA-256 of nothing.
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

// VerifyRecords grows t by records and says whether it then is the log of head: what a peer sent, proven by one
// signature. On an error t is as before. The records must end at head's size exactly.
func (t *Tree) VerifyRecords(head Head, records [][]byte) error {
	if got := t.size + int64(len(records)); got != head.Size {
		return refuse("log", Gap, "%d records of device %v, and its head speaks of %d", got, head.Device, head.Size)
	}
	n := t.Clone()
	for _, r := range records {
		if len(r) > MaxRecord {
			return refuse("record", TooLarge, "record %d of device %v has %d bytes, more than %d", n.size, head.Device, len(r), MaxRecord)
		}
		n.Append(r)
	}
	if n.Root() != head.Root {
		return refuse("log", Disagrees, "the %d records after record %d are not those the head of device %v was signed over",
			len(records), t.size, head.Device)
	}
	*t = *n
	return nil
}

// leaves gives tlog the hashes of a tree whose leaves are all at hand.
type leaves []tlog.Hash

// storeLeaves computes every stored hash of a tree.
func storeLeaves(hashes []Hash) (leaves, error) {
	var l leaves
	for i, h := range hashes {
		more, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(h), l)
		if err != nil {
			return nil, err
		}
		l = append(l, more...)
	}
	return l, nil
}

func (l leaves) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		if x < 0 || x >= int64(len(l)) {
			return nil, fmt.Errorf("hash %d of a tree that has %d", x, len(l))
		}
		out[i] = l[x]
	}
	return out, nil
}

// ProveRecord proves that the record at index is in the log with these leaves: what a receipt keeps.
func ProveRecord(hashes []Hash, index int64) ([]Hash, error) {
	l, err := storeLeaves(hashes)
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveRecord(int64(len(hashes)), index, l)
	return fromProof(p), err
}

// CheckRecord says whether proof shows that record stands at index in the log of head.
func CheckRecord(head Head, index int64, record []byte, proof []Hash) error {
	if index < 0 || index >= head.Size {
		return refuse("record", Disagrees, "record %d of a log of %d", index, head.Size)
	}
	if err := tlog.CheckRecord(toProof(proof), head.Size, tlog.Hash(head.Root), index, tlog.RecordHash(record)); err != nil {
		return refuse("record", Disagrees, "record %d is not in the log that device %v signed", index, head.Device)
	}
	return nil
}

func fromProof(p []tlog.Hash) []Hash {
	out := make([]Hash, len(p))
	for i, h := range p {
		out[i] = Hash(h)
	}
	return out
}

func toProof(p []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(p))
	for i, h := range p {
		out[i] = tlog.Hash(h)
	}
	return out
}
