package node

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/state"
)

// groupsOpeningFile is opening.json for groups, by the names of their folders.
const groupsOpeningFile = "groups-opening.json"

// errGroupStopped is a group that is not opened, because the process ended while it was.
var errGroupStopped = errors.New("the group is stopped")

// openFolders opens the groups of the home. Those that were being opened when the process before this one ended come last and
// one at a time, so that the one that ends it is known; one that ended it twice is left as it is, and told in bad with
// those that cannot be opened. The next daemon tries it again, once.
func (n *Node) openFolders() (all []*group.Group, bad map[string]error, err error) {
	dir := n.home.Path("groups")
	folders, err := group.Folders(dir)
	if err != nil || len(folders) == 0 {
		return nil, nil, err
	}
	o := &opening{path: n.home.Path(groupsOpeningFile), idle: make(chan struct{})}
	o.warn = func(err error) { n.log.Error("which groups are being opened could not be written", "error", err) }
	if err := state.ReadVersioned(o.path, openingVersion, &o.doc); err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Error("which groups were being opened cannot be read", "error", err)
		o.doc = openingDoc{}
	}
	deaths := o.died(func(folder string) bool { return slices.Contains(folders, folder) })
	bad = map[string]error{}
	open := func(some ...string) {
		o.begin(some...)
		for _, folder := range some {
			var g *group.Group
			err := panics.Catch(func() (err error) {
				g, err = group.Open(filepath.Join(dir, folder), time.Now)
				return err
			})
			if bug, ok := errors.AsType[*panics.Error](err); ok {
				n.log.Error("a group has met a bug while it was opened", "folder", folder, "panic", fmt.Sprint(bug.Value), "stack", string(bug.Stack))
			}
			if err != nil {
				bad[folder] = err
				continue
			}
			all = append(all, g)
		}
		o.change(func(d *openingDoc) bool {
			d.Now = []string{}
			for _, folder := range some {
				delete(d.Deaths, folder)
			}
			return true
		})
	}
	open(slices.DeleteFunc(slices.Clone(folders), func(folder string) bool { return deaths[folder] > 0 })...)
	for _, folder := range folders {
		switch {
		case deaths[folder] >= tooManyDeaths:
			bad[folder] = fault.Hint(fmt.Errorf("%w: p2pshare ended %d times while it was opening it", errGroupStopped, deaths[folder]),
				"p2pshare log may say what happened, please report it; it is tried again when a daemon is started the next time; p2pshare group leave %s forgets the group", folder)
			if n.keeper != nil {
				o.change(func(d *openingDoc) bool { d.Deaths[folder] = tooManyDeaths - 1; return true })
			}
		case deaths[folder] > 0:
			open(folder)
		}
	}
	slices.SortFunc(all, func(a, b *group.Group) int { return strings.Compare(a.Name(), b.Name()) })
	return all, bad, nil
}
