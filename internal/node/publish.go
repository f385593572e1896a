package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/internal/webaddr"
	"github.com/p2pshare/p2pshare/seeder"
)

// Publish builds a torrent of r.Path, writes what files were asked for, and keeps the content
// available until ctx ends, which is then no error. Event.Published comes once it can be fetched.
func (n *Node) Publish(ctx context.Context, r PublishRequest, on func(Event)) error {
	if err := n.checkPublish(r); err != nil {
		return err
	}
	if n.keeper != nil && !r.NoSeed {
		on, end := n.hear(on)
		defer end()
		return n.keeper.publish(ctx, r, on)
	}
	on, end := n.hear(on)
	defer end()
	built, pub, err := n.makeTorrent(ctx, r, on)
	if err != nil {
		return err
	}
	if pub.sealed != nil {
		defer os.Remove(pub.sealed.box) // nobody serves it on
	}
	n.guard.Allow(allowedBy(r)...)
	if r.NoSeed {
		on(Event{Published: pub})
		return nil
	}
	s, err := n.share(ctx, built.Torrent, built.Located, nil, shareOptions{peers: r.Peers, announce: r.Announce, limits: r.Limits, policy: r.Policy, group: pub.group, name: pub.Name}, on)
	if err != nil {
		return err
	}
	defer s.close()
	on(Event{Published: pub})
	if r.UntilCopies > 0 {
		return s.runUntil(ctx, r.UntilCopies, on)
	}
	return s.run(ctx, on)
}

// makeTorrent builds, writes what was asked for, and signs it into the group that was named.
func (n *Node) makeTorrent(ctx context.Context, r PublishRequest, on func(Event)) (_ *seeder.Built, _ *Published, err error) {
	var (
		in   *member
		with *sealedSource
		salt []byte
	)
	if r.In != nil {
		if in, err = n.mayPublish(ctx, r, on); err != nil {
			return nil, nil, err
		}
		if in.private() {
			r.Private = true
			if salt, err = in.newSalt(); err != nil {
				return nil, nil, err
			}
		}
		if r.In.Seal {
			if with, err = in.sealSource(ctx, r, on); err != nil {
				return nil, nil, err
			}
			r.Path, r.Name, r.Exclude = with.box, "", nil
			defer func() {
				if err != nil {
					err = errors.Join(err, os.Remove(with.box))
				}
			}()
		}
	}
	if in == nil || !in.private() { // whose links name no place
		sayCarried(r, on)
	}
	built, err := n.build(ctx, r, salt, on)
	if err != nil {
		return nil, nil, err
	}
	if in != nil {
		if err = in.mayReplace(r, built, with); err != nil {
			return nil, nil, err
		}
	}
	if r.index, err = n.makeIndex(ctx, r, built, on); err != nil {
		return nil, nil, err
	}
	pub, err := n.writeOut(r, built)
	if err != nil {
		return nil, nil, err
	}
	if with != nil {
		pub.sealed = with
		pub.Name, pub.Size, pub.Files = with.listing.Name, with.listing.Size, len(with.listing.Files)
		for _, s := range with.listing.Skipped {
			pub.Skipped = append(pub.Skipped, Skipped{Path: s.Path, Reason: s.Reason})
		}
	}
	if in == nil {
		return built, pub, nil
	}
	if pub.Entry, err = n.intoGroup(ctx, in, r, built, with, on); err != nil {
		return nil, nil, err
	}
	if in.private() {
		pub.group = in.ID().String()
	}
	return built, pub, nil
}

// sayCarried says that what is published carries what may be a secret of the user's: a passkey, a password or a token.
func sayCarried(r PublishRequest, on func(Event)) {
	for _, u := range slices.Concat(r.Trackers...) {
		if webaddr.Tells(u) {
			warn(on, "the magnet link and the .torrent carry all of %s, and with it what looks like a passkey: whoever has one of them can announce as you; "+
				"to keep it for yourself, publish without that --tracker, and announce with p2pshare seed FILE.torrent --tracker URL", webaddr.RedactURL(u))
		}
	}
	for _, u := range r.WebSeeds {
		if at, err := url.Parse(u); err == nil && (at.User != nil || at.RawQuery != "") { // a path is long in many places
			warn(on, "the magnet link and the .torrent carry all of the web seed %s, and with it what looks like a password or token", webaddr.RedactURL(u))
		}
	}
}

func (n *Node) checkPublish(r PublishRequest) error {
	if err := checkChunks(r); err != nil {
		return err
	}
	if err := checkKeeping(r.Limits, r.Policy, r.Peers, r.Announce); err != nil {
		return err
	}
	if r.UntilCopies < 0 {
		return fault.New(fault.Usage, "--until-copies %d is negative", r.UntilCopies)
	}
	for _, tier := range r.Trackers {
		for _, u := range tier {
			if err := catalog.CheckTracker(u); err != nil {
				return fault.Hint(fault.New(fault.Usage, "--tracker: %w", err), "write it as https://HOST/announce or udp://HOST:PORT/announce")
			}
		}
	}
	for flag, out := range map[string]string{"-o": r.Output, "--sums": r.Sums} {
		if out == "" {
			continue
		}
		if within(out, r.Path) {
			return fault.Hint(fault.New(fault.Usage, "%s %q is inside the folder that is published", flag, out),
				"put it beside the folder: inside, it would be part of the next publish and change its infohash")
		}
	}
	return nil
}

// within says whether file lies in the folder dir.
func within(file, dir string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func (n *Node) build(ctx context.Context, r PublishRequest, salt []byte, on func(Event)) (*seeder.Built, error) {
	h := &hashing{on: on, phase: "hashing", name: filepath.Base(r.Path)}
	trackers := r.Trackers
	return seeder.Build(ctx, seeder.Options{
		Path: r.Path, Name: r.Name, Format: seeder.Format(r.Format), PieceLength: r.PieceLength,
		Private: r.Private, Salt: salt, Trackers: trackers, WebSeeds: r.WebSeeds, Exclude: r.Exclude, Own: n.ownFor(r),
		Comment: r.Comment, Portable: r.Portable, Fine: r.Chunks == ChunksOn, Sums: r.Sums != "" || r.In != nil, Progress: h.progress,
		Warn: func(text string) {
			if r.In == nil || !r.In.Seal { // the encrypted file's name says nothing; those in it were told of
				warn(on, "%s", text)
			}
		},
	})
}

// ownFor are the folders that a publish leaves out. What was encrypted for a group lies in the home, and is to be published.
func (n *Node) ownFor(r PublishRequest) []string {
	if r.In != nil && r.In.Seal {
		return nil
	}
	return []string{n.home.Dir()}
}

// writeOut writes the files that were asked for and says what was made.
func (n *Node) writeOut(r PublishRequest, b *seeder.Built) (*Published, error) {
	t := b.Torrent
	pub := &Published{
		Name: t.Name, Size: t.Size, Files: len(t.Files), PieceLength: t.PieceLength, Format: string(b.Format),
		Magnet: magnetFor(t), Skipped: []Skipped{},
	}
	pub.Infohash, pub.InfohashV2 = hashes(t)
	for _, x := range b.Trouble {
		pub.Trouble = append(pub.Trouble, Skipped{Path: x.Path, Reason: x.Why})
	}
	for _, s := range b.Skipped {
		pub.Skipped = append(pub.Skipped, Skipped{Path: s.Path, Reason: s.Reason})
	}
	if r.Output != "" {
		if err := replaceable(r.Output, "torrent file", func(old []byte) bool {
			_, err := metafile.Decode(old)
			return err == nil
		}); err != nil {
			return nil, err
		}
		if err := state.WriteFile(r.Output, b.Bytes, outMode(r.Umask)); err != nil {
			return nil, fmt.Errorf("writing the torrent file: %w", err)
		}
		pub.TorrentFile = r.Output
	}
	if r.Sums != "" {
		var sums strings.Builder
		if err := seeder.WriteSums(&sums, b.Sums); err != nil {
			return nil, fmt.Errorf("writing the checksums: %w", err)
		}
		if err := replaceable(r.Sums, "list of checksums", looksLikeSums); err != nil {
			return nil, err
		}
		if err := state.WriteFile(r.Sums, []byte(sums.String()), outMode(r.Umask)); err != nil {
			return nil, fmt.Errorf("writing the checksums: %w", err)
		}
		pub.SumsFile = r.Sums
	}
	return pub, writeIndex(r, pub)
}

// outMode is the mode of a file that is written for somebody with a umask.
func outMode(umask uint32) fs.FileMode {
	if umask == 0 {
		umask = 0o022
	}
	return 0o666 &^ fs.FileMode(umask) & fs.ModePerm
}

// replaceable refuses to write over a file that is not of the kind to be written: a slip of -o must not
// cost the user a file.
func replaceable(path, kind string, same func(old []byte) bool) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().IsRegular() && fi.Size() <= 64<<20 {
		if old, err := os.ReadFile(path); err == nil && (len(old) == 0 || same(old)) {
			return nil
		}
	}
	return fault.Hint(fault.New(fault.Usage, "%q exists and is no %s", path, kind), "choose another name, or move it away")
}

// looksLikeSums says whether the first line is sha256sum's: 64 hex digits, two spaces and a name.
func looksLikeSums(b []byte) bool {
	line, _, _ := strings.Cut(string(b), "\n")
	hash, name, ok := strings.Cut(strings.TrimPrefix(line, `\`), " ")
	return ok && len(hash) == 64 && len(name) > 1 && strings.Trim(hash, "0123456789abcdef") == ""
}

func announceList(t *metafile.Torrent) (urls []string) {
	for _, tier := range t.Meta.UpvertedAnnounceList() {
		urls = append(urls, tier...)
	}
	return urls
}

// hashes are t's infohashes in hex, empty for one that it does not have.
func hashes(t *metafile.Torrent) (v1, v2 string) {
	if t.V1 != nil {
		v1 = t.V1.HexString()
	}
	if t.V2 != nil {
		v2 = fmt.Sprintf("%x", t.V2[:])
	}
	return v1, v2
}

// located is what a share serves; Stamps are those seen when the bytes were verified.
type located = content.Located
