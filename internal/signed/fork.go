package signed

import (
	"bytes"

	"golang.org/x/mod/sumdb/tlog"
)

// Fork is proof that a device signed two histories: two of its heads, and the first record in which their logs differ.
// It convinces anyone. Both histories have the records before that one, and only those count.
type Fork struct {
	Device  Key
	Size    int64     // how many records precede the one that differs
	Root    Hash      // root of the tree of those
	Heads   [2]Head   // each of more than Size records
	Records [2]Hash   // the hash of record number Size in each; in ascending order, so that a fork has a single encoding
	Proofs  [2][]Hash // that Records are in the logs: RFC 6962, section 2.1.1
}

type wireFork struct {
	Heads   [2]string `json:"heads"`
	One     []Hash    `json:"one,omitempty"`
	Other   []Hash    `json:"other,omitempty"`
	Records [2]Hash   `json:"records"`
	Size    int64     `json:"size"`
	V       int       `json:"v"`
}

// NewFork makes the proof from two heads of one device and the hashes of all records below each. It refuses with
// ErrDisagrees if the heads belong to the same history, or the hashes do not belong to the heads.
func NewFork(one, other Head, hashes, others []Hash) (Fork, error) {
	if int64(len(hashes)) != one.Size || int64(len(others)) != other.Size {
		return Fork{}, refuse("fork", ErrGap, "%d and %d hashes for logs of %d and %d records", len(hashes), len(others), one.Size, other.Size)
	}
	at := 0
	for ; at < min(len(hashes), len(others)) && hashes[at] == others[at]; at++ {
	}
	if at == min(len(hashes), len(others)) {
		return Fork{}, refuse("fork", ErrDisagrees, "the two heads of device %v belong to the same history", one.Device)
	}
	if bytes.Compare(hashes[at][:], others[at][:]) > 0 {
		one, other, hashes, others = other, one, others, hashes
	}
	f := Fork{
		Device: one.Device, Size: int64(at), Heads: [2]Head{one, other}, Records: [2]Hash{hashes[at], others[at]},
		Proofs: [2][]Hash{proofOf(hashes, at), proofOf(others, at)},
	}
	return f, f.check()
}

// check verifies everything except the signatures of the heads, and sets Device and Root.
func (f *Fork) check() error {
	if f.Heads[0].Group != f.Heads[1].Group || f.Heads[0].Device != f.Heads[1].Device {
		return refuse("fork", ErrWrongDevice, "its heads belong to different devices or groups")
	}
	if bytes.Compare(f.Records[0][:], f.Records[1][:]) >= 0 {
		return refuse("fork", ErrNotCanonical, "its two records are the same, or in the wrong order")
	}
	var roots [2]Hash
	for i, h := range f.Heads {
		if f.Size < 0 || f.Size >= h.Size {
			return refuse("fork", ErrDisagrees, "there is no record %d in a log of %d", f.Size, h.Size)
		}
		if err := tlog.CheckRecord(toProof(f.Proofs[i]), h.Size, tlog.Hash(h.Root), f.Size, tlog.Hash(f.Records[i])); err != nil {
			return refuse("fork", ErrDisagrees, "its proof is not valid: %v", err)
		}
		roots[i] = before(f.Size, h.Size, f.Proofs[i])
	}
	if roots[0] != roots[1] {
		return refuse("fork", ErrDisagrees, "the logs differ before record %d too", f.Size)
	}
	f.Device, f.Root = f.Heads[0].Device, roots[0]
	return nil
}

// Before reports whether f leaves fewer records of the device's log than g. Of all known forks of a device the one
// that leaves the fewest counts, so that everyone who knows the same forks, in whatever order they came, counts the
// same records. Two forks that leave equally many but different records are ordered by Root: in that case there is
// evidence yet to be found that leaves fewer.
func (f Fork) Before(g Fork) bool {
	return f.Size < g.Size || f.Size == g.Size && bytes.Compare(f.Root[:], g.Root[:]) < 0
}

// Marshal returns the proof as it is stored and sent.
func (f Fork) Marshal() ([]byte, error) {
	return Marshal(wireFork{
		V: 1, Heads: [2]string{string(f.Heads[0].Raw), string(f.Heads[1].Raw)}, Records: f.Records, Size: f.Size,
		One: f.Proofs[0], Other: f.Proofs[1],
	})
}

// OpenFork reads a proof from anyone and verifies it.
func OpenFork(raw []byte, g GroupID) (Fork, error) {
	if len(raw) > MaxFork {
		return Fork{}, refuse("fork", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxFork)
	}
	r, err := ReadFields(raw)
	if err != nil {
		return Fork{}, refuse("fork", ErrNotCanonical, "%v", err)
	}
	r.NeedInt("v", 1, 1)
	f := Fork{Size: r.NeedInt("size", 0, MaxRecords-1)}
	heads := r.Texts("heads", 2, MaxHead)
	records := readHashes(r, "records", 2)
	f.Proofs = [2][]Hash{readHashes(r, "one", maxProof), readHashes(r, "other", maxProof)}
	if err := r.Done(); err != nil {
		return Fork{}, refuse("fork", ErrMalformed, "%v", err)
	}
	if len(heads) != 2 || len(records) != 2 {
		return Fork{}, refuse("fork", ErrMalformed, "it does not have two heads and two records")
	}
	f.Records = [2]Hash(records)
	for i := range f.Heads {
		if f.Heads[i], err = OpenHead([]byte(heads[i]), g); err != nil {
			return Fork{}, err
		}
	}
	return f, f.check()
}

func readHashes(r *Fields, name string, most int) (out []Hash) {
	for _, s := range r.Texts(name, most, 64) {
		h, err := ParseHash(s)
		r.Fail(name, err)
		out = append(out, h)
	}
	return out
}
