package signed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const (
	rootDomain = "p2pshare/v1/root"
	ownerName  = "p2pshare/v1/owner/"
)

// Kind says whether a group is open to everyone with its link.
type Kind string

const (
	Public  Kind = "public"
	Private Kind = "private"
)

// Root says who owns a group and who administers it. Only the owners can change it, by signing the next version.
type Root struct {
	Version int64
	Prev    Hash // SHA-256 of the text of the previous version; zero in version 1
	Name    string
	Kind    Kind
	Need    int // how many owners must sign
	Owners  []Key
	Admins  []Admin
	Keep    map[Key]int64 // for devices of admins, how many of their records still count; -1: all
	Open    bool          // anyone may publish
	Stale   int64         // hours without news from an admin after which the group is stale
	Strict  bool          // nothing is served while the group is stale
	Time    time.Time     // to the second
}

// Admin is an account appointed by the owners. Seal, an age recipient, is empty in groups that seal nothing.
type Admin struct {
	Name string
	Key  Key
	Seal string
}

// SignedRoot is a root with its signatures. One that this package returns is consistent in itself; Genesis and Next
// check that it belongs to the group.
type SignedRoot struct {
	Root
	Hash Hash   // of the text
	Raw  []byte // the note, with only the valid signatures, sorted by owner
	text string
	sigs map[Key]note.Signature
}

// wire is a root as it is encoded; the fields are in the order of the keys.
type wire struct {
	Admins []wireAdmin      `json:"admins"`
	Keep   map[string]int64 `json:"keep,omitempty"`
	Kind   Kind             `json:"kind"`
	Name   string           `json:"name"`
	Need   int              `json:"need"`
	Open   bool             `json:"open,omitempty"`
	Owners []Key            `json:"owners"`
	Prev   string           `json:"prev,omitempty"`
	Stale  int64            `json:"stale"`
	Strict bool             `json:"strict,omitempty"`
	Time   int64            `json:"t"`
	V      int64            `json:"v"`
}

type wireAdmin struct {
	Key  Key    `json:"key"`
	Name string `json:"name"`
	Seal string `json:"seal,omitempty"`
}

// Sign makes the note of r, signed by the keys that are available; AddSignature adds others. It refuses a root that is
// not valid, except for the number of signatures.
func (r Root) Sign(by ...SigningKey) ([]byte, error) {
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	raw := []byte(text + "\n")
	for _, s := range by {
		if raw, err = AddSignature(raw, s); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// AddSignature signs a root, which may still lack signatures, as another owner. The signer should first read it, with
// ReadDraft.
func AddSignature(raw []byte, by SigningKey) ([]byte, error) {
	text, _, _ := bytes.Cut(raw, []byte("\n\n"))
	text = append(bytes.TrimSuffix(text, []byte("\n")), '\n')
	if _, err := parseRootText(text); err != nil {
		return nil, err
	}
	signer, err := by.signer(ownerName + by.Public().String())
	if err != nil {
		return nil, err
	}
	n := &note.Note{Text: string(text)}
	old, err := note.Open(raw, nil)
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) {
		old = unknown.Note
	}
	if old != nil {
		n.UnverifiedSigs = old.UnverifiedSigs
	}
	return note.Sign(n, signer)
}

// ReadDraft reads a root that may lack signatures. It does not check those that are there.
func ReadDraft(raw []byte) (Root, error) {
	if len(raw) > MaxRoot {
		return Root{}, refuse("root", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxRoot)
	}
	text, _, _ := bytes.Cut(raw, []byte("\n\n"))
	return parseRootText(append(slices.Clone(bytes.TrimSuffix(text, []byte("\n"))), '\n'))
}

// ParseRoot reads a root that enough of its own owners have signed. It does not check which group it belongs to.
func ParseRoot(raw []byte) (*SignedRoot, error) {
	if len(raw) > MaxRoot {
		return nil, refuse("root", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxRoot)
	}
	text, _, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		return nil, refuse("root", ErrMalformed, "not a signed note")
	}
	r, err := parseRootText(append(slices.Clone(text), '\n'))
	if err != nil {
		return nil, err
	}
	s := &SignedRoot{Root: r, text: string(text) + "\n"}
	s.Hash = HashOf([]byte(s.text))
	if s.sigs, err = s.signatures(raw, r.Owners); err != nil {
		return nil, err
	}
	if len(s.sigs) < r.Need {
		return nil, refuse("root", ErrThreshold, "version %d is signed by %d of its owners, but needs %d", r.Version, len(s.sigs), r.Need)
	}
	return s, s.encode()
}

// Genesis reads version 1 of the root of group gid.
func Genesis(raw []byte, gid GroupID) (*SignedRoot, error) {
	s, err := ParseRoot(raw)
	if err != nil {
		return nil, err
	}
	if s.Version != 1 {
		return nil, refuse("root", ErrGap, "version %d instead of version 1", s.Version)
	}
	if got := s.ID(); got != gid {
		return nil, refuse("root", ErrWrongGroup, "it founds the group %v, not %v", got, gid)
	}
	return s, nil
}

// ID returns the group that this root, which must be version 1, founds.
func (s *SignedRoot) ID() GroupID { return GroupID(s.Hash[:20]) }

// Next reads the version after s: it must be signed by enough of its own owners and by enough of those of s.
func (s *SignedRoot) Next(raw []byte) (*SignedRoot, error) {
	n, err := ParseRoot(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Version == s.Version && n.Hash == s.Hash, n.Version < s.Version:
		return nil, refuse("root", ErrOld, "version %d, but version %d is known", n.Version, s.Version)
	case n.Version == s.Version:
		return nil, refuse("root", ErrForked, "this version %d differs from the known one: the owners signed two", n.Version)
	case n.Version > s.Version+1:
		return nil, refuse("root", ErrGap, "version %d, but the last known version is %d", n.Version, s.Version)
	case n.Prev != s.Hash:
		return nil, refuse("root", ErrDisagrees, "version %d follows a version %d that is not the known one", n.Version, s.Version)
	case n.Kind != s.Kind:
		return nil, refuse("root", ErrDisagrees, "version %d makes a %s group %s", n.Version, s.Kind, n.Kind)
	case n.Version > MaxRoots:
		return nil, refuse("root", ErrTooLarge, "version %d is beyond %d", n.Version, MaxRoots)
	}
	before, err := n.signatures(raw, s.Owners)
	if err != nil {
		return nil, err
	}
	if len(before) < s.Need {
		return nil, refuse("root", ErrThreshold, "version %d is signed by %d of the owners of version %d, but needs %d",
			n.Version, len(before), s.Version, s.Need)
	}
	for k, sig := range before {
		n.sigs[k] = sig
	}
	return n, n.encode()
}

// Successor returns an unsigned root to change and sign: a copy of s with the next version number.
func (s *SignedRoot) Successor(now time.Time) Root {
	r := s.Root
	r.Version, r.Prev, r.Time = s.Version+1, s.Hash, now
	r.Owners, r.Admins = slices.Clone(s.Owners), slices.Clone(s.Admins)
	r.Keep = make(map[Key]int64, len(s.Keep))
	for k, n := range s.Keep {
		r.Keep[k] = n
	}
	return r
}

// Admin returns the admin with that name, if there is one.
func (r Root) Admin(name string) (Admin, bool) {
	i := slices.IndexFunc(r.Admins, func(a Admin) bool { return a.Name == name })
	if i < 0 {
		return Admin{}, false
	}
	return r.Admins[i], true
}

// signatures returns the valid signatures of these owners.
func (s *SignedRoot) signatures(raw []byte, owners []Key) (map[Key]note.Signature, error) {
	var verifiers []note.Verifier
	of := make(map[string]Key, len(owners))
	for _, k := range owners {
		v, err := k.verifier(ownerName + k.String())
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, v)
		of[v.Name()] = k
	}
	good := make(map[Key]note.Signature)
	n, err := note.Open(raw, note.VerifierList(verifiers...))
	var none *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &none):
		n = none.Note
	case errors.As(err, &invalid):
		return nil, refuse("root", ErrUnsigned, "version %d: the signature of %q is wrong", s.Version, invalid.Name)
	case err != nil:
		return nil, refuse("root", ErrMalformed, "%v", err)
	}
	if n.Text != s.text {
		return nil, refuse("root", ErrMalformed, "not a note with a single text")
	}
	for _, sig := range n.Sigs {
		good[of[sig.Name]] = sig
	}
	return good, nil
}

// encode sets Raw, without anything else that came with the note.
func (s *SignedRoot) encode() error {
	keys := make([]Key, 0, len(s.sigs))
	for k := range s.sigs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	n := &note.Note{Text: s.text}
	for _, k := range keys {
		n.Sigs = append(n.Sigs, s.sigs[k])
	}
	var err error
	s.Raw, err = note.Sign(n)
	return err
}

func (r Root) text() (string, error) {
	w := wire{V: r.Version, Name: r.Name, Kind: r.Kind, Need: r.Need, Owners: r.Owners, Open: r.Open, Stale: r.Stale,
		Strict: r.Strict, Time: r.Time.Unix(), Admins: []wireAdmin{}}
	if r.Version > 1 {
		w.Prev = r.Prev.String()
	}
	for _, a := range r.Admins {
		w.Admins = append(w.Admins, wireAdmin{a.Key, a.Name, a.Seal})
	}
	if len(r.Keep) > 0 {
		w.Keep = make(map[string]int64, len(r.Keep))
		for k, n := range r.Keep {
			w.Keep[k.String()] = n
		}
	}
	body, err := Marshal(w)
	if err != nil {
		return "", err
	}
	text := rootDomain + "\n" + string(body) + "\n"
	if len(text) > MaxRoot {
		return "", refuse("root", ErrTooLarge, "%d bytes, more than %d", len(text), MaxRoot)
	}
	_, err = parseRootText([]byte(text))
	return text, err
}

// parseRootText reads the text of a root and checks everything except the signatures.
func parseRootText(text []byte) (r Root, err error) {
	if len(text) > MaxRoot {
		return r, refuse("root", ErrTooLarge, "%d bytes, more than %d", len(text), MaxRoot)
	}
	body, ok := strings.CutPrefix(string(text), rootDomain+"\n")
	body, end := strings.CutSuffix(body, "\n")
	if !ok || !end {
		return r, refuse("root", ErrMalformed, "it does not begin with %q", rootDomain)
	}
	f, err := ReadFields([]byte(body))
	if err != nil {
		return r, refuse("root", ErrNotCanonical, "%v", err)
	}
	r.Version = f.NeedInt("v", 1, maxSafe)
	r.Prev, ok = f.Hash("prev")
	if ok != (r.Version > 1) {
		f.Fail("prev", errors.New("required in all versions except the first"))
	}
	r.Name = f.NeedText("name", maxGroupName)
	f.Fail("name", checkLabel(r.Name))
	r.Kind = Kind(f.NeedText("kind", 16))
	if r.Kind != Public && r.Kind != Private {
		f.Fail("kind", fmt.Errorf("%q is neither public nor private", r.Kind))
	}
	for _, s := range f.Texts("owners", maxOwners, 64) {
		k, err := ParseKey(s)
		if err == nil && slices.Contains(r.Owners, k) {
			err = fmt.Errorf("%v appears twice", k)
		}
		f.Fail("owners", err)
		r.Owners = append(r.Owners, k)
	}
	r.Need = int(f.NeedInt("need", 1, maxOwners))
	if r.Need > len(r.Owners) {
		f.Fail("need", fmt.Errorf("%d signatures of %d owners", r.Need, len(r.Owners)))
	}
	if f.Has("admins") {
		r.Admins = readAdmins(f)
	} else {
		f.Fail("admins", errors.New("missing"))
	}
	r.Keep = f.Sizes("keep", MaxKeep, -1, MaxRecords)
	r.Open = f.Flag("open")
	r.Stale = f.NeedInt("stale", 1, 24*366)
	r.Strict = f.Flag("strict")
	r.Time = time.Unix(f.NeedInt("t", 1, maxSafe), 0).UTC()
	if err := f.Done(); err != nil {
		return Root{}, refuse("root", ErrMalformed, "%v", err)
	}
	return r, nil
}

func readAdmins(f *Fields) (out []Admin) {
	f.Each("admins", maxAdmins, func(raw []byte) error {
		g, err := ReadFields(raw)
		if err != nil {
			return err
		}
		a := Admin{Name: g.NeedText("name", MaxName), Key: g.NeedKey("key"), Seal: g.Text("seal", maxSeal)}
		g.Fail("name", CheckName(a.Name))
		g.Fail("seal", CheckSeal(a.Seal))
		if slices.ContainsFunc(out, func(b Admin) bool { return a.Name == b.Name || a.Key == b.Key }) {
			g.Fail("name", fmt.Errorf("%q or its key appears twice", a.Name))
		}
		out = append(out, a)
		return g.Done()
	})
	return out
}

// MaxName is the longest name of an account, in bytes.
const MaxName = 32

// CheckName checks the name of an account, role or team: 1 to 32 of a-z, 0-9, dot, underscore and hyphen.
func CheckName(s string) error {
	if s == "" || len(s) > MaxName || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return fmt.Errorf("%.40q cannot be a name: use lowercase letters, digits, dots, hyphens and underscores, at most %d", s, MaxName)
	}
	return nil
}

// CheckSeal checks the form of an age recipient; the empty string is valid.
func CheckSeal(s string) error {
	if s != "" && (len(s) > maxSeal || !strings.HasPrefix(s, "age1") || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") != "") {
		return errors.New("not an age recipient")
	}
	return nil
}

// checkLabel checks text that is shown on one line of a terminal.
func checkLabel(s string) error {
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return fmt.Errorf("%q is not valid text, or has a space at either end", s)
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return fmt.Errorf("%q has a character that does not print", s)
		}
	}
	return nil
}
