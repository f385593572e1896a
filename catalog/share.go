package catalog

import (
	"errors"
	"fmt"
	"time"
	"unicode"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Share is a torrent under a name in a group: what a publisher signs.
type Share struct {
	ID       string // of the record, chosen by the publisher; a later share of the account with it takes its place
	Name     string
	Version  string // empty: none
	Content  string // the torrent's name: what the file or folder will be called
	Time     time.Time
	Size     int64          // bytes of the payload
	Files    int            // without pads
	V1       *metainfo.Hash // SHA-1 infohash; nil for a torrent of v2 alone
	Info     signed.Hash    // SHA-256 of the info: the v2 infohash where there is one, and a stronger name for v1
	Torrent  signed.Hash    // SHA-256 of the .torrent
	Sums     []signed.Hash  // SHA-256 of each file, in the torrent's order; none where there are more than 10,000
	Read     []string       // who it is for: accounts, @teams, @roles; none: everyone in the group
	Until    time.Time      // from then on it is not listed; zero: for ever
	WebSeeds []string       // of public groups
	Note     string
	Chunks   *signed.Hash // SHA-256 of the index of its chunks (internal/chunk), which members have beside the .torrent; nil: there is none

	// Sealed says that the torrent is one age file of SealedSize bytes (seal.Open), so that who may not read can hold
	// it: Content, Size, Files and Sums are those of what is in it. Empty: it is the content itself.
	Sealed     seal.Form
	SealedSize int64

	// AllSums is SumOfSums of the torrent's files where Sums does not list them: there are more than 10,000, or it is sealed,
	// and has one file. nil: Sums says it, or nothing does.
	AllSums *signed.Hash
}

// FileSums is SumOfSums of the torrent's files; nil where the share says nothing of them.
func (s *Share) FileSums() *signed.Hash {
	if s.AllSums != nil || s.Sealed != "" || len(s.Sums) == 0 {
		return s.AllSums
	}
	h := SumOfSums(s.Sums)
	return &h
}

// SumOfSums is one hash for those of many files: the SHA-256 of their SHA-256s, one after the other.
func SumOfSums(sums []signed.Hash) signed.Hash {
	b := make([]byte, 0, len(sums)*len(signed.Hash{}))
	for _, s := range sums {
		b = append(b, s[:]...)
	}
	return signed.HashOf(b)
}

// Path is what rules judge: NAME/VERSION.
func (s *Share) Path() string { return path(s.Name, s.Version) }

// Ref is how the share is asked for: NAME@VERSION.
func (s *Share) Ref() string {
	if s.Version == "" {
		return s.Name
	}
	return s.Name + "@" + s.Version
}

// body is what a share says, as it is written in clear or sealed: the keys in order.
type body struct {
	Chunks   *signed.Hash  `json:"chunks,omitempty"`
	Content  string        `json:"content"`
	Files    int           `json:"files"`
	Info     signed.Hash   `json:"info"`
	Name     string        `json:"name"`
	Note     string        `json:"note,omitempty"`
	Read     []string      `json:"read,omitempty"`
	Sealed   string        `json:"sealed,omitempty"`
	SealedSz int64         `json:"sealed_size,omitempty"`
	SHA256   []signed.Hash `json:"sha256,omitempty"`
	Size     int64         `json:"size"`
	Sums     *signed.Hash  `json:"sums,omitempty"`
	Time     int64         `json:"time"`
	Torrent  signed.Hash   `json:"torrent"`
	Until    int64         `json:"until,omitempty"`
	V1       string        `json:"v1,omitempty"`
	Version  string        `json:"version,omitempty"`
	WebSeeds []string      `json:"webseeds,omitempty"`
}

func (s *Share) body() body {
	b := body{Chunks: s.Chunks, Content: s.Content, Files: s.Files, Info: s.Info, Name: s.Name, Note: s.Note, Read: s.Read, SHA256: s.Sums,
		Sealed: string(s.Sealed), SealedSz: s.SealedSize, Size: s.Size, Sums: s.AllSums, Time: s.Time.Unix(), Torrent: s.Torrent, Version: s.Version, WebSeeds: s.WebSeeds}
	if !s.Until.IsZero() {
		b.Until = s.Until.Unix()
	}
	if s.V1 != nil {
		b.V1 = s.V1.HexString()
	}
	return b
}

// Body is the canonical form of what the share says, to be sealed for a private group.
func (s *Share) Body() ([]byte, error) {
	b, err := signed.Marshal(s.body())
	if err == nil {
		_, err = ReadBody(b)
	}
	if err != nil {
		return nil, fmt.Errorf("making a share: %w", err)
	}
	return b, nil
}

// Marshal makes the bytes of the record of a share in clear, for a public group, at a time (signed.NextTime).
func (s *Share) Marshal(n int64) ([]byte, error) {
	if _, err := s.Body(); err != nil {
		return nil, err
	}
	return checked(signed.Marshal(struct {
		ID   string `json:"id"`
		N    int64  `json:"n"`
		Op   string `json:"op"`
		Open body   `json:"open"`
	}{s.ID, n, "share", s.body()}))
}

// Drop takes back the shares of an ID.
type Drop struct {
	ID   string
	Note string // why, for people; of a public group

	// In a private group the note is sealed to those who could read what is taken back: NoteBody is what is in the box.
	Audience string
	Epoch    int64
	Box      []byte
}

// NoteBody is the canonical form of a note that is to be sealed.
func NoteBody(note string) ([]byte, error) {
	b, err := signed.Marshal(noteBody{note})
	if err == nil {
		_, err = readNote(b)
	}
	if err != nil {
		return nil, fmt.Errorf("making a note: %w", err)
	}
	return b, nil
}

type noteBody struct {
	Note string `json:"note"`
}

func readNote(raw []byte) (string, error) {
	f, err := signed.ReadFields(raw)
	if err != nil {
		return "", err
	}
	note := f.NeedText("note", maxNote)
	f.Fail("note", checkNote(note))
	return note, f.Done()
}

// Marshal makes the bytes of the record, at a time.
func (d *Drop) Marshal(n int64) ([]byte, error) {
	return checked(signed.Marshal(struct {
		Audience string `json:"aud,omitempty"`
		Box      []byte `json:"box,omitempty"`
		Epoch    int64  `json:"epoch,omitempty"`
		ID       string `json:"id"`
		N        int64  `json:"n"`
		Note     string `json:"note,omitempty"`
		Op       string `json:"op"`
	}{d.Audience, d.Box, d.Epoch, d.ID, n, d.Note, "drop"}))
}

// note is why, as far as it can be read here.
func (d *Drop) note(open Opener) string {
	if d.Box == nil || open == nil {
		return d.Note
	}
	clear, err := open.OpenShare(d.Audience, d.Epoch, d.Box)
	if err != nil {
		return ""
	}
	note, err := readNote(clear)
	if err != nil {
		return ""
	}
	return note
}

// checked reads what was made as others will read it.
func checked(raw []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	r, err := signed.ParseRecord(raw)
	if err == nil {
		_, err = readRecord(r, true)
	}
	if err != nil {
		return nil, fmt.Errorf("making a record: %w", err)
	}
	return raw, nil
}

// record is a record of the catalog: one of the three, with its ID.
type record struct {
	id     string
	share  *Share
	sealed *Sealed
	drop   *Drop
}

// readRecord reads a share or drop. With sums it keeps the lists that an index does not need.
func readRecord(r signed.Record, sums bool) (out record, err error) {
	f := r.Fields()
	out.id = f.NeedText("id", signed.MaxName)
	f.Fail("id", signed.CheckName(out.id))
	switch {
	case r.Op == "drop":
		d := Drop{ID: out.id, Note: f.Text("note", maxNote)}
		f.Fail("note", checkNote(d.Note))
		if f.Has("box") {
			d.Audience, d.Epoch, d.Box = f.NeedText("aud", signed.MaxName), f.NeedInt("epoch", 1, maxEpoch), f.NeedBytes("box", maxNoteBox)
			f.Fail("aud", signed.CheckName(d.Audience))
			if d.Note != "" {
				f.Fail("note", errors.New("in clear words and sealed"))
			}
		}
		out.drop = &d
	case f.Has("open"):
		raw := f.Raw("open")
		if raw == nil {
			break
		}
		s, err := readBody(raw, sums)
		if err == nil && s.Sealed != "" {
			err = errors.New("sealed content in clear words")
		}
		f.Fail("open", err)
		s.ID = out.id
		out.share = &s
	default:
		s := Sealed{ID: out.id, Audience: f.NeedText("aud", signed.MaxName), Epoch: f.NeedInt("epoch", 1, maxEpoch), Box: f.NeedBytes("box", maxBox)}
		f.Fail("aud", signed.CheckName(s.Audience))
		if raw := f.Raw("hold"); raw != nil {
			var err error
			s.Hold, err = readHold(raw)
			f.Fail("hold", err)
		}
		out.sealed = &s
	}
	return out, f.Done()
}

// ReadShare reads the record of a share in clear, with all it says.
func ReadShare(raw []byte) (*Share, error) {
	out, err := shareRecord(raw)
	if err != nil {
		return nil, err
	}
	if out.share == nil {
		return nil, fault.New(fault.Unverified, "the share is sealed")
	}
	return out.share, nil
}

// shareRecord reads the record of a share, in clear or sealed.
func shareRecord(raw []byte) (out record, err error) {
	r, err := signed.ParseRecord(raw)
	if err != nil {
		return out, err
	}
	if r.Op != "share" {
		return out, fault.New(fault.Unverified, "the record is no share, but %q", r.Op)
	}
	if out, err = readRecord(r, true); err != nil {
		return out, fault.New(fault.Unverified, "reading a share: %w", err)
	}
	return out, nil
}

// ReadBody reads what Body has made, from a box that was opened.
func ReadBody(raw []byte) (*Share, error) {
	s, err := readBody(raw, true)
	if err != nil {
		return nil, fault.New(fault.Unverified, "reading a share: %w", err)
	}
	return &s, nil
}

func readBody(raw []byte, sums bool) (s Share, err error) {
	f, err := signed.ReadFields(raw)
	if err != nil {
		return s, err
	}
	s.Name = f.NeedText("name", maxEntryName)
	f.Fail("name", CheckName(s.Name))
	if s.Version = f.Text("version", maxVersion); s.Version != "" {
		f.Fail("version", CheckVersion(s.Version))
	}
	s.Content = f.NeedText("content", maxNameLen)
	f.Fail("content", names.Plain(s.Content))
	s.Time = time.Unix(f.NeedInt("time", 1, 1<<40), 0).UTC()
	s.Size = f.NeedInt("size", 0, maxSize)
	s.Files = int(f.NeedInt("files", 1, maxFiles))
	if f.Has("v1") {
		s.V1 = new(metainfo.Hash)
		f.NeedHex("v1", s.V1[:])
		f.Fail("v1", infohash.Check(s.V1[:]))
	}
	s.Info, s.Torrent = needHash(f, "info"), needHash(f, "torrent")
	if f.Has("chunks") {
		h := needHash(f, "chunks")
		s.Chunks = &h
	}
	n := 0
	f.Each("sha256", maxSums, func(raw []byte) error {
		n++
		if raw[0] != '"' {
			return errors.New("no string")
		}
		h, err := signed.ParseHash(string(raw[1 : len(raw)-1]))
		if err == nil {
			err = infohash.Check(h[:])
		}
		if sums {
			s.Sums = append(s.Sums, h)
		}
		return err
	})
	if n > 0 && n != s.Files {
		f.Fail("sha256", fmt.Errorf("%d sums for %d files", n, s.Files))
	}
	if f.Has("sums") {
		h := needHash(f, "sums")
		s.AllSums = &h
	}
	s.Read = f.Texts("read", maxRead, signed.MaxName+1)
	if f.Has("until") {
		s.Until = time.Unix(f.NeedInt("until", 1, 1<<40), 0).UTC()
	}
	s.WebSeeds = f.Texts("webseeds", maxWebSeeds, maxURL)
	for _, u := range s.WebSeeds {
		f.Fail("webseeds", CheckWebSeed(u))
	}
	switch s.Sealed = seal.Form(f.Text("sealed", 8)); s.Sealed {
	case "":
	case seal.File, seal.Tar:
		s.SealedSize = f.NeedInt("sealed_size", 1, maxSize)
		if s.Sealed == seal.File && s.Files != 1 {
			f.Fail("files", fmt.Errorf("%d in one file", s.Files))
		}
	default:
		f.Fail("sealed", fmt.Errorf("the form %q is unknown", s.Sealed))
	}
	if n > 0 && s.AllSums != nil && s.Sealed == "" {
		f.Fail("sums", errors.New("sha256 says it already"))
	}
	s.Note = f.Text("note", maxNote)
	f.Fail("note", checkNote(s.Note))
	return s, f.Done()
}

// needHash reads the SHA-256 of something that there is.
func needHash(f *signed.Fields, name string) signed.Hash {
	h := f.NeedHash(name)
	f.Fail(name, infohash.Check(h[:]))
	return h
}

// checkNote keeps what is shown from moving the cursor or turning the line around. Newlines may be.
func checkNote(s string) error {
	for _, c := range s {
		if c != '\n' && !unicode.IsPrint(c) {
			return fmt.Errorf("it has the character %q, which does not print", c)
		}
	}
	return nil
}

// Facts are what a torrent turned out to be.
type Facts struct {
	Name    string
	Size    int64
	Files   int            // without pads
	V1      *metainfo.Hash // nil for a torrent of v2 alone
	Info    signed.Hash    // SHA-256 of the info
	Torrent *signed.Hash   // SHA-256 of the .torrent; nil where only the info came, from peers
}

// CheckTorrent refuses a torrent that is not what the share says, and names what differs. By is who signed it.
func (s *Share) CheckTorrent(by string, got Facts) error {
	what := ""
	switch {
	case got.Info != s.Info:
		what = fmt.Sprintf("its info has the SHA-256 %v, not %v", got.Info, s.Info)
	case (got.V1 == nil) != (s.V1 == nil) || got.V1 != nil && *got.V1 != *s.V1:
		what = fmt.Sprintf("its infohash is %v, not %v", got.V1, s.V1)
	case got.Torrent != nil && *got.Torrent != s.Torrent:
		what = fmt.Sprintf("the .torrent has the SHA-256 %v, not %v", *got.Torrent, s.Torrent)
	case s.Sealed != "" && (got.Size != s.SealedSize || got.Files != 1):
		what = fmt.Sprintf("it has %d bytes in %d files, not %d in one age file", got.Size, got.Files, s.SealedSize)
	case s.Sealed != "":
		return nil
	case got.Name != s.Content:
		what = fmt.Sprintf("it is called %q, not %q", got.Name, s.Content)
	case got.Size != s.Size:
		what = fmt.Sprintf("it has %d bytes, not %d", got.Size, s.Size)
	case got.Files != s.Files:
		what = fmt.Sprintf("it has %d files, not %d", got.Files, s.Files)
	default:
		return nil
	}
	return fault.New(fault.Unverified, "the torrent is not what %q signed as %q: %s", by, s.Ref(), what)
}
