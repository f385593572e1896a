package catalog

import (
	"errors"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Sealed is a share of a private group: an age file to an audience, which holds what Share.Body makes.
type Sealed struct {
	ID       string
	Audience string
	Epoch    int64
	Box      []byte
	Hold     *Hold // of a share whose content is sealed too; nil: it is for no mirror
}

// Hold is what a mirror knows of a share: a torrent to be kept, of one age file.
type Hold struct {
	Torrent signed.Hash // SHA-256 of the .torrent
	Size    int64       // bytes of the age file
	Sums    signed.Hash // SumOfSums of it; all zeros: not said
}

// Hold is what mirrors may know of a share whose content is sealed; nil of others.
func (s *Share) Hold() *Hold {
	if s.Sealed == "" {
		return nil
	}
	h := &Hold{Torrent: s.Torrent, Size: s.SealedSize}
	if sums := s.FileSums(); sums != nil {
		h.Sums = *sums
	}
	return h
}

// wireHold is a Hold as it is written: the keys in order.
type wireHold struct {
	Size    int64        `json:"size"`
	Sums    *signed.Hash `json:"sums,omitempty"`
	Torrent signed.Hash  `json:"torrent"`
}

// Marshal makes the bytes of the record of a sealed share.
func (s *Sealed) Marshal(n int64) ([]byte, error) {
	var hold *wireHold
	if s.Hold != nil {
		hold = &wireHold{Size: s.Hold.Size, Torrent: s.Hold.Torrent}
		if s.Hold.Sums != (signed.Hash{}) {
			hold.Sums = &s.Hold.Sums
		}
	}
	return checked(signed.Marshal(struct {
		Audience string    `json:"aud"`
		Box      []byte    `json:"box"`
		Epoch    int64     `json:"epoch"`
		Hold     *wireHold `json:"hold,omitempty"`
		ID       string    `json:"id"`
		N        int64     `json:"n"`
		Op       string    `json:"op"`
	}{s.Audience, s.Box, s.Epoch, hold, s.ID, n, "share"}))
}

// ReadSealed reads the record of a sealed share: what its box holds, Open says.
func ReadSealed(raw []byte) (*Sealed, error) {
	out, err := shareRecord(raw)
	if err != nil {
		return nil, err
	}
	if out.sealed == nil {
		return nil, fault.New(fault.Unverified, "the share is not sealed")
	}
	return out.sealed, nil
}

// Open reads the share in the box with all it says. The error is of fault.Denied where the Opener cannot open it, and of
// fault.Unverified where it is none.
func (s *Sealed) Open(open Opener) (*Share, error) {
	share, theirs, err := s.open(open, true)
	switch {
	case theirs != nil:
		return nil, fault.New(fault.Denied, "opening a share: %w", theirs)
	case err != nil:
		return nil, fault.New(fault.Unverified, "reading a share: %w", err)
	}
	return share, nil
}

// open tells the Opener's error, that the share is for others, from one that says that it is no share.
func (s *Sealed) open(open Opener, sums bool) (share *Share, theirs, err error) {
	clear, theirs := open.OpenShare(s.Audience, s.Epoch, s.Box)
	if theirs != nil {
		return nil, theirs, nil
	}
	body, err := readBody(clear, sums)
	if err != nil {
		return nil, nil, err
	}
	body.ID = s.ID
	hold := body.Hold()
	switch {
	case len(body.WebSeeds) > 0:
		return nil, nil, errors.New("web seeds in a private group")
	case (hold == nil) != (s.Hold == nil) || hold != nil && *hold != *s.Hold:
		// A torrent that mirrors may have has to be the sealed one.
		return nil, nil, errors.New("it shows mirrors another torrent than members")
	}
	return &body, nil, nil
}

func readHold(raw []byte) (*Hold, error) {
	f, err := signed.ReadFields(raw)
	if err != nil {
		return nil, err
	}
	h := Hold{Size: f.NeedInt("size", 1, maxSize), Torrent: needHash(f, "torrent")}
	if f.Has("sums") {
		h.Sums = needHash(f, "sums")
	}
	return &h, f.Done()
}
