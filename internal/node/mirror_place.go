package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/osfs"
)

// A mirror has the content of an entry in a folder of the entry's name, where others look for it. Where several entries have one
// content, it lies in the folder of one, and in the others is a symlink to it: a torrent is served from one place, and a link costs
// neither room nor a second look at the bytes. When that one entry goes, the content moves to the folder of another.

// settleMirrored brings the content of a mirror to where it belongs: into the folder of one of the entries that refs name, in dir, with
// links in the others.
func (k *keeper) settleMirrored(it *item, dir string, refs []string) {
	k.mu.Lock()
	rec, resting := it.rec, it.state == StateFailed || it.state == StateStopped || it.state == StateDamaged
	again := rec.Failed && !it.retry.IsZero() && time.Now().After(it.retry)
	k.mu.Unlock()
	if again {
		if err := k.runOrRest(it, true); err != nil {
			k.n.log.Warn("a mirror cannot try again what failed", "share", rec.Name, "error", err)
		}
		return
	}
	if rec.Fetch != nil || rec.Was != "" || resting {
		return // until it is done
	}
	folders := make([]string, len(refs))
	for i, ref := range refs {
		folders[i] = filepath.Join(dir, filepath.FromSlash(afterGroup(ref)))
	}
	name := filepath.Base(rec.Path)
	at := slices.Index(folders, filepath.Dir(rec.Path))
	if at < 0 {
		at = 0
		if err := k.move(it, dir, filepath.Join(folders[0], name), refs[0]); err != nil {
			k.n.log.Warn("a mirror cannot move an entry to the folder of its name", "share", rec.Name, "path", rec.Path, "to", folders[0], "error", err)
			return
		}
		rec.Path = filepath.Join(folders[0], name)
	}
	var links []string
	for i, folder := range folders {
		if i != at {
			links = append(links, filepath.Join(folder, name))
		}
	}
	k.link(it, rec, links)
}

// afterGroup is what stands behind the group in GROUP/NAME@VERSION.
func afterGroup(ref string) string {
	_, rest, _ := strings.Cut(ref, "/")
	return rest
}

// move has an item's content go to another place. The item does it when it starts again, whatever happens in between.
func (k *keeper) move(it *item, dir, to, ref string) error {
	if err := freePlace(to, it.rec.Links); err != nil {
		return err
	}
	k.halt(it)
	err := k.tryChange(it, func(r *record) {
		r.Was, r.WasIn, r.Path, r.Root, r.Entry = r.Path, r.Root, to, dir, ref
		if r.Signed != nil {
			signed := *r.Signed
			signed.Ref, r.Signed = ref, &signed
		}
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.start(it, nil)
	return err
}

// freePlace refuses a place where something lies, unless it is one of our links.
func freePlace(at string, links []string) error {
	fi, err := os.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() == fs.ModeSymlink && slices.Contains(links, at) {
		return nil
	}
	return fmt.Errorf("%q is there already", at)
}

// carry takes the content of an item to where its record says that it is, if it was to be moved. On one file system that is a
// rename; to another it is copied, as a fetch that reuses it.
func (k *keeper) carry(it *item) error {
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.Was == "" {
		return nil
	}
	// If nothing is there, it was moved when the daemon ended, or is gone.
	if _, err := os.Lstat(rec.Was); err == nil {
		if err := takePlace(rec.Was, rec.Path, rec.Links); osfs.OtherDrive(err) {
			return k.copyOver(it, rec)
		} else if err != nil {
			return err
		}
	}
	if at, err := stampsIn(k.store, it.id); err == nil {
		at.Root = rec.Path
		if m, err := k.torrentOf(it); err == nil && !m.Dir {
			at.Root = filepath.Dir(rec.Path)
		}
		if err := k.putStamps(it, at); err != nil {
			return err
		}
	}
	removeEmpty(filepath.Dir(rec.Was), rec.WasIn)
	return k.tryChange(it, func(r *record) { r.Was, r.WasIn = "", "" })
}

// takePlace renames, and takes the place of nothing but one of our links.
func takePlace(from, to string, links []string) error {
	if err := freePlace(to, links); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// copyOver makes a fetch of a move to another file system: it takes all that is there, and asks others for nothing but what is wrong.
func (k *keeper) copyOver(it *item, rec record) error {
	m, err := k.torrentOf(it)
	if err != nil {
		return err
	}
	req, err := rec.toRepair(it.id, m)
	if err != nil {
		return err
	}
	req.Reuse = []string{rec.Was}
	k.n.membersFor(&req)
	return k.tryChange(it, func(r *record) { r.job(req) })
}

// leaveOld removes what was copied to another place.
func (k *keeper) leaveOld(it *item) error {
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.Was == "" {
		return nil
	}
	m, err := k.torrentOf(it)
	if err != nil {
		return err
	}
	if someOf(m, rec.Was) {
		at, err := content.At(m, rec.Was)
		if err != nil {
			return err
		}
		if err := removeContent(at, m.Dir, make([]bool, len(at.Paths))); err != nil {
			return err
		}
	}
	removeEmpty(filepath.Dir(rec.Was), rec.WasIn)
	return k.tryChange(it, func(r *record) { r.Was, r.WasIn = "", "" })
}

// link makes links to an item's content, and removes those that it had and are not wanted any more. It is on disk what there is to
// remove before there is anything.
func (k *keeper) link(it *item, rec record, links []string) {
	if slices.Equal(rec.Links, links) && !slices.ContainsFunc(links, func(at string) bool { return !leadsTo(at, rec.Path) }) {
		return
	}
	all := slices.Concat(rec.Links, links)
	slices.Sort(all)
	if err := k.tryChange(it, func(r *record) { r.Links = slices.Compact(all) }); err != nil {
		k.n.log.Warn("the links of a mirror", "share", rec.Name, "error", err)
		return
	}
	for _, at := range rec.Links {
		if !slices.Contains(links, at) {
			removeLink(at, rec.Root)
		}
	}
	var made []string
	for _, at := range links {
		if err := makeLink(at, rec.Path, rec.Links); err != nil {
			k.n.log.Warn("a mirror has the content of an entry, and cannot make a link to it in the folder of its name", "share", rec.Name, "folder", filepath.Dir(at), "error", err)
			continue
		}
		made = append(made, at)
	}
	k.change(it, func(r *record) { r.Links = made })
}

// unlink removes the links to an item's content.
func (k *keeper) unlink(it *item) {
	k.mu.Lock()
	links, root := it.rec.Links, it.rec.Root
	k.mu.Unlock()
	for _, at := range links {
		removeLink(at, root)
	}
}

func removeLink(at, dir string) {
	if fi, err := os.Lstat(at); err != nil || fi.Mode().Type() != fs.ModeSymlink || os.Remove(at) != nil {
		return
	}
	removeEmpty(filepath.Dir(at), dir)
}

// makeLink makes a relative link, so that the folder of the mirror can be moved, mounted elsewhere and copied.
func makeLink(at, to string, ours []string) error {
	if leadsTo(at, to) {
		return nil
	}
	if err := freePlace(at, ours); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(at), to)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, at)
}

func leadsTo(link, to string) bool {
	target, err := os.Readlink(link)
	return err == nil && filepath.Join(filepath.Dir(link), target) == to
}

// adopt gives a mirror what was fetched here before: a copy of it in the mirror's folder, by reference where the file system can, which
// is served from then on. What the user has stays where it is.
func (k *keeper) adopt(it *item, r FetchRequest) error {
	k.halt(it)
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.Fetch != nil {
		k.discard(it, rec.Fetch)
	}
	if rec.Path != "" && !rec.unfinished() {
		r.Reuse = append(r.Reuse, rec.Path)
	}
	err := k.tryChange(it, func(x *record) {
		x.Kind, x.Mirror, x.Entry, x.Group = "fetch", r.Mirror, r.Entry.Ref, r.Entry.Group
		x.Root, x.Links = r.Root, nil
		x.Path, x.Done, x.Policy = filepath.Join(r.Dir, filepath.Base(rec.Path)), time.Time{}, Policy{}
		x.job(r)
	})
	if err != nil {
		return err
	}
	k.n.log.Info("a mirror takes over what was fetched here before", "share", rec.Name, "from", rec.Path)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.start(it, nil)
	return nil
}

// carried is carry where an item begins.
func (k *keeper) carried(ctx context.Context, it *item) error {
	if err := k.carry(it); err != nil && ctx.Err() == nil {
		return fmt.Errorf("moving the content to %q: %w", it.rec.Path, err)
	}
	return ctx.Err()
}
