package node

import (
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/seeder"
)

// mayReplace refuses other content under a version that stands, unless that was asked for: whoever fetches a version
// expects what others were given by that name. An entry without a version is what there is at the time.
func (m *member) mayReplace(r PublishRequest, b *seeder.Built, with *sealedSource) error {
	name, version, err := catalog.SplitName(r.In.As)
	if err != nil || version == "" || r.In.Replace {
		return err
	}
	ix, err := m.Index()
	if err != nil {
		return err
	}
	e, err := ix.Resolve(name, version)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if same, err := m.sameContent(e, b, with); err != nil || same {
		return err
	}
	return fault.Hint(fault.New(fault.Denied, "%s/%s was published by %s on %s, with other content", m.Name(), e.Ref(), e.Account, e.Published().Format(time.DateOnly)),
		"publish it as a new version; or, if nobody has that one yet, with --replace")
}

// sameContent says whether an entry has the content of what was built. A private group's torrents are salted, so that the
// files' sums have to tell; of what is sealed only its outline is known.
func (m *member) sameContent(e *catalog.Entry, b *seeder.Built, with *sealedSource) (bool, error) {
	t := b.Torrent
	if e.Info == infoHash(t) {
		return true, nil
	}
	if with != nil {
		l := with.listing
		return e.Sealed != "" && e.Content == l.Name && e.Size == l.Size && e.Files == len(l.Files), nil
	}
	if e.Sealed != "" || e.Content != t.Name || e.Size != t.Size || e.Files != len(t.Files) {
		return false, nil
	}
	full, _, err := m.Share(e)
	if err != nil {
		return false, err
	}
	return len(b.Sums) > 0 && slices.EqualFunc(full.Sums, b.Sums, func(have signed.Hash, s seeder.Sum) bool { return have == signed.Hash(s.SHA256) }), nil
}
