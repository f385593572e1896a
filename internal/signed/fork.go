package signed

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Fork is proof that a device signed two histories: two heads of one size that differ, or a larger one whose
// first records are not those of the smaller. Whoever has it can show it to anyone.
type Fork struct {
	Small, Large Head   // Small.Size <= Large.Size
	Instead      Hash   // the tree of Large's first Small.Size records; Large.Root where the sizes are equal
	Proof        []Hash // that Instead is in Large; none where the sizes are equal
}

type wireFork struct {
	Instead Hash   `json:"instead"`
	Large   string `json:"large"`
	Proof   []Hash `json:"proof,omitempty"`
	Small   string `json:"small"`
	V       int    `json:"v"`
}

// NewFork makes the evidence from two heads of one device and the hashes of the records below the larger, which
// are not needed where the sizes are equal. It refuses when the heads belong to one history.
func NewFork(a, b Head, hashes []Hash) (Fork, error) {
	if a.Size > b.Size {
		a, b = b, a
	}
	f := Fork{Small: a, Large: b, Instead: b.Root}
	if a.Size < b.Size {
		if int64(len(hashes)) != b.Size {
			return Fork{}, refuse("fork", Gap, "%d hashes for a log of %d records", len(hashes), b.Size)
		}
		var t Tree
		for _, h := range hashes[:a.Size] {
			t.AppendHash(h)
		}
		f.Instead = t.Root()
		l, err := storeLeaves(hashes)
		if err != nil {
			return Fork{}, fmt.Errorf("proving a fork: %w", err)
		}
		p, err := tlog.ProveTree(b.Size, a.Size, l)
		if err != nil {
			return Fork{}, fmt.Errorf("proving a fork: %w", err)
		}
		f.Proof = fromProof(p)
	}
	return f, f.check()
}

func (f Fork) check() error {
	switch {
	case f.Small.Group != f.Large.Group || f.Small.Device != f.Large.Device:
		return refuse("fork", WrongDevice, "its heads belong to two devices or groups")
	case f.Small.Size > f.Large.Size:
		return refuse("fork", Malformed, "the smaller head has %d records, the larger %d", f.Small.Size, f.Large.Size)
	case f.Instead == f.Small.Root:
		return refuse("fork", Disagrees, "the two heads of device %v belong to one history", f.Small.Device)
	case f.Small.Size == f.Large.Size:
		if f.Instead != f.Large.Root || len(f.Proof) > 0 {
			return refuse("fork", NotCanonical, "heads of one size need no proof")
		}
		return nil
	}
	err := tlog.CheckTree(toProof(f.Proof), f.Large.Size, tlog.Hash(f.Large.Root), f.Small.Size, tlog.Hash(f.Instead))
	if err != nil {
		return refuse("fork", Disagrees, "its proof does not hold: %v", err)
	}
	return nil
}

// Marshal is the evidence as it is kept and sent.
func (f Fork) Marshal() ([]byte, error) {
	return Marshal(wireFork{V: 1, Small: string(f.Small.Raw), Large: string(f.Large.Raw), Instead: f.Instead, Proof: f.Proof})
}

// OpenFork reads evidence from anyone; what it returns is proven.
func OpenFork(raw []byte, g GroupID) (Fork, error) {
	if len(raw) > MaxFork {
		return Fork{}, refuse("fork", TooLarge, "%d bytes, more than %d", len(raw), MaxFork)
	}
	r, err := ReadFields(raw)
	if err != nil {
		return Fork{}, refuse("fork", NotCanonical, "%v", err)
	}
	r.NeedInt("v", 1, 1)
	small, large := r.NeedText("small", MaxHead), r.NeedText("large", MaxHead)
	f := Fork{Instead: r.NeedHash("instead")}
	for _, s := range r.Texts("proof", 64, 64) {
		h, err := ParseHash(s)
		r.Fail("proof", err)
		f.Proof = append(f.Proof, h)
	}
	if err := r.Done(); err != nil {
		return Fork{}, refuse("fork", Malformed, "%v", err)
	}
	if f.Small, err = OpenHead([]byte(small), g); err != nil {
		return Fork{}, err
	}
	if f.Large, err = OpenHead([]byte(large), g); err != nil {
		return Fork{}, err
	}
	return f, f.check()
}
