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
// those that cannot be opened, as is one in which it ended twice over what members had sent (heard). The next daemon tries it
// again, once.
func (n *Node) openFolders() (all []*group.Group, heard *opening, bad map[string]error, err error) {
	dir := n.home.Path("groups")
	folders, err := group.Folders(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	heard = n.groupsOpening(groupsHeardFile)
	heard.within = heardWithin
	if len(folders) == 0 {
		heard.doc.Boot = bootID() // of groups that come: a death of this process is to count
		return nil, heard, nil, nil
	}
	o := n.groupsOpening(groupsOpeningFile)
	there := func(folder string) bool { return slices.Contains(folders, folder) }
	deaths, ended := o.died(there), heard.died(there)
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
	open(slices.DeleteFunc(slices.Clone(folders), func(folder string) bool {
		return deaths[folder] > 0 || ended[folder] >= tooManyDeaths
	})...)
	for _, folder := range folders {
		stopped := func(o *opening, times int, over string) {
			bad[folder] = fault.Hint(fmt.Errorf("%w: p2pshare ended %d times while it was %s", errGroupStopped, times, over),
				"p2pshare log may say what happened, please report it; it is tried again when a daemon is started the next time; p2pshare group leave %s forgets the group", folder)
			if n.keeper != nil {
				o.change(func(d *openingDoc) bool {
					d.Deaths[folder] = tooManyDeaths - 1
					o.dated(d, folder, time.Now())
					return true
				})
			}
		}
		switch {
		case deaths[folder] >= tooManyDeaths:
			stopped(o, deaths[folder], "opening it")
		case ended[folder] >= tooManyDeaths:
			stopped(heard, ended[folder], "at work on what its members had sent")
		case deaths[folder] > 0:
			open(folder)
		}
	}
	slices.SortFunc(all, func(a, b *group.Group) int { return strings.Compare(a.Name(), b.Name()) })
	return all, heard, bad, nil
}

// groupsOpening reads one of the files of what is done with groups.
func (n *Node) groupsOpening(name string) *opening {
	o := &opening{path: n.home.Path(name), idle: make(chan struct{})}
	o.warn = func(err error) {
		n.log.Error("what is done with groups could not be written", "file", name, "error", err)
	}
	if err := state.ReadVersioned(o.path, openingVersion, &o.doc); err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Error("what was done with groups cannot be read", "file", name, "error", err)
		o.doc = openingDoc{}
	}
	return o
}
