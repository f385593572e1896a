package group

import (
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// Fill appends a record whatever room it takes.
func (g *Group) Fill(r Record) error { return g.append(0, r) }

// OpensSlowly has g call wait before it opens the box of a share or grant.
func (g *Group) OpensSlowly(wait func(what string)) {
	g.opener = slowly{g.opener, wait}
	open := g.keys.openBox
	g.keys.openBox = func(box []byte, most int64, place int, ids ...seal.Identity) ([]byte, error) {
		wait("grant")
		return open(box, most, place, ids...)
	}
}

type slowly struct {
	catalog.Opener
	wait func(what string)
}

func (s slowly) OpenShare(aud string, epoch int64, box []byte) ([]byte, error) {
	s.wait("share")
	return s.Opener.OpenShare(aud, epoch, box)
}
