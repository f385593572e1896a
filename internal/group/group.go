package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/grouplog"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Group is a group that this home has joined. Its methods may be called from several goroutines.
type Group struct {
	dir    string
	link   signed.Link
	device signed.SigningKey
	log    *grouplog.Store
	now    func() time.Time
	memo   acl.Memo
	keys   *keyring       // of a private group
	opener catalog.Opener // keys, but in tests

	// OnClaim hears of devices that ask for names that are others'. It is set before the group is used; may be nil.
	OnClaim func(Claimant)

	indexing           sync.Mutex // one builds the index at a time
	opening, absorbing sync.Mutex // one opens shares, and one keys, at a time; see opening.go
	absorbed           *acl.State // the latest whose grants were opened; guarded by mu
	unopened           []*parts   // of which something is to be opened; guarded by mu
	woken              bool       // among them is what nobody waits to open; guarded by mu

	doorsMu sync.Mutex
	doors   *doors           // of the latest State that was asked of
	placed  map[place]placed // whom shares are sealed to, as far as it was asked

	mu      sync.Mutex
	conf    Settings
	devices map[signed.Key]*parts
	dropped map[signed.Key]bool // devices whose logs were removed, as nothing of them counts
	full    map[signed.Key]full // devices of which nothing more is taken today
	state   *acl.State          // nil: to be folded again
	latest  *acl.State          // as it was folded last; nil: never
	waiting early
	future  map[signed.Key]time.Time // logs that end at a record from the future, and when it may be read
	index   *catalog.Index           // nil: to be built again
	version uint64                   // counts what index does not hold
	seq     uint64
	forkSum string // of the evidence that devices is marked with
	changed chan struct{}
	refused []Claimant
	untold  []Claimant // of them

	writing  sync.Mutex        // one Append at a time
	compared grouplog.Compared // for the next Append
	ready    bool              // compared holds
}

// Settings is what a home keeps of a group beside what was signed.
type Settings struct {
	Name   string   `json:"name"` // local
	Link   string   `json:"link"` // in full
	Peers  []string `json:"peers,omitempty"`
	Met    bool     `json:"met,omitempty"`   // another member has ever answered
	Heard  int64    `json:"heard,omitempty"` // when a member gave all that it has, in seconds since 1970; now and then written
	Out    bool     `json:"out,omitempty"`   // members turn this machine away who once let it in
	Follow *Follow  `json:"follow,omitempty"`
	Skip   []string `json:"skip,omitempty"` // what the user has removed from the mirror, by the SHA-256 of its info: it is not fetched again
	Old    []string `json:"old,omitempty"`  // what the mirror has removed for something newer, NAME@VERSION and that SHA-256: likewise
}

// Follow is how much of a group this machine mirrors.
type Follow struct {
	Keep  int      `json:"keep,omitempty"`
	Space int64    `json:"space,omitempty"`
	Match []string `json:"match,omitempty"`
	Dir   string   `json:"dir"`
}

// parts are what the fold and the catalog have read of a device's log.
type parts struct {
	acl   *acl.Part
	cat   *catalog.Part   // is replaced, not changed: whoever opens what follows reads it without Group.mu
	next  []signed.Record // that cat has not read yet
	keys  int             // counts the times that keys have come by which more of it may open
	tried int             // the count when cat was read
	reads bool            // somebody is reading

	opening sync.Mutex // held by who reads
	bytes   int64
	today   today
	since   uint64 // the number of the change that brought it
	at      uint64 // of its last change
}

const settingsVersion = 1

// The folders of groups that are on their way in and out.
const (
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

const (
	settingsFile = "group.json"
	deviceFile   = "device.key"
	ownerFile    = "owner.key"
	// nextOwnerFile and digits of its key is one that waits for the root that names it.
	nextOwnerFile = "owner-next-"
)

// Open opens a group's folder.
func Open(dir string, now func() time.Time) (*Group, error) {
	g := &Group{dir: dir, now: now, devices: map[signed.Key]*parts{}, dropped: map[signed.Key]bool{}, full: map[signed.Key]full{}, future: map[signed.Key]time.Time{}, placed: map[place]placed{}, changed: make(chan struct{})}
	if err := state.ReadVersioned(filepath.Join(dir, settingsFile), settingsVersion, &g.conf); err != nil {
		return nil, err
	}
	var err error
	if g.link, err = signed.ParseLink(g.conf.Link); err != nil {
		return nil, fmt.Errorf("the group in %q: %w", dir, err)
	}
	key, err := ReadKey(filepath.Join(dir, deviceFile), KeyDevice)
	if err != nil {
		return nil, err
	}
	g.device = key.Secret
	if g.keys, err = openKeys(dir, g.link); err != nil {
		return nil, err
	}
	g.opener = g.keys
	if g.log, err = grouplog.Open(dir, g.link.Group); err != nil {
		return nil, err
	}
	if err := g.readAll(); err != nil {
		return nil, err
	}
	if err := g.forgetUnvouched(); err != nil {
		return nil, err
	}
	_ = g.open() // what is wrong is told to who asks for the state, or signs
	return g, nil
}

// Folders are the names of the folders of groups below a folder. It removes what a crash left half made or half removed.
func Folders(dir string) (out []string, err error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if half := strings.HasPrefix(e.Name(), newPrefix) || strings.HasPrefix(e.Name(), gonePrefix); half {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("removing what was left of a group: %w", err)
			}
			continue
		}
		if !strings.HasPrefix(e.Name(), ".") && e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// readAll reads every log that is kept, on all cores: of a large catalog that is what opening takes.
func (g *Group) readAll() error {
	heads := g.log.Heads()
	all := make([]*parts, len(heads))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, h := range heads {
		work.Go(panics.Caught(func() error {
			l, err := g.log.Log(h.Device, g.now())
			if err != nil {
				return err
			}
			all[i] = g.newParts(h.Device)
			return all[i].cat.Add(all[i].add(l), g.keys)
		}))
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for i, h := range heads {
		g.seq++
		all[i].at, all[i].since = g.seq, g.seq
		g.devices[h.Device] = all[i]
		if err := g.wait(all[i]); err != nil {
			return err
		}
	}
	g.forkSum = g.log.ForkSum()
	g.stale()
	return nil
}

func (g *Group) newParts(device signed.Key) *parts {
	p := &parts{acl: acl.NewPart(g.link.Group, device), cat: catalog.NewPart(device)}
	p.acl.Common = g.log.Common(device)
	return p
}

// add reads the records of a log that follow those that were read, and gives those that the catalog is to read.
func (p *parts) add(l signed.Log) []signed.Record {
	before := p.acl.Size
	p.acl.Add(l)
	for _, r := range l.Records {
		p.bytes += int64(len(r.Raw)) + 1
		p.today.add(r.N, len(r.Raw)+1)
	}
	return l.Records[:max(0, min(p.acl.Size-before, int64(len(l.Records))))]
}

// take adds the records of a log that follow those that were read. g.mu is held, or nobody else knows g yet.
func (g *Group) take(l signed.Log) error {
	p := g.devices[l.Device]
	if p == nil {
		p = g.newParts(l.Device)
		g.devices[l.Device] = p
	}
	if p.acl.Waits() {
		return g.readOn(p) // l begins behind what was not read yet
	}
	g.toOpen(p, p.add(l))
	g.touched(p)
	return g.wait(p)
}

// touched takes note that a log has changed. g.mu is held.
func (g *Group) touched(p *parts) {
	g.seq++
	p.at = g.seq
	if p.since == 0 {
		p.since = g.seq
	}
	g.stale()
}

// ID is the group's name for good.
func (g *Group) ID() signed.GroupID { return g.link.Group }

// Dir is the group's folder.
func (g *Group) Dir() string { return g.dir }

// Link is what others join by: of a private group the latest. One that came as an archive alone has no secret until the
// account's password has opened it.
func (g *Group) Link() signed.Link {
	if l := g.Links(); len(l) > 0 {
		return l[0]
	}
	return g.link
}

// Device is the secret of this machine's device.
func (g *Group) Device() signed.SigningKey { return g.device }

// Name is what the group is called here.
func (g *Group) Name() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conf.Name
}

// Settings are the home's.
func (g *Group) Settings() Settings {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conf
}

// Change changes the settings, on disk first.
func (g *Group) Change(edit func(*Settings)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.conf
	edit(&next)
	if len(next.Peers) > maxPeers {
		next.Peers = next.Peers[:maxPeers]
	}
	next.Skip = next.Skip[max(0, len(next.Skip)-MaxSkip):]
	next.Old = next.Old[max(0, len(next.Old)-MaxSkip):]
	if err := state.WriteVersioned(filepath.Join(g.dir, settingsFile), settingsVersion, next); err != nil {
		return err
	}
	g.conf = next
	return nil
}

// Ready says whether the group's first root is here: before, nothing is known of it.
func (g *Group) Ready() bool {
	roots, err := g.log.Roots()
	return err == nil && len(roots) > 0
}

// errNotReady is a group of which no member was reached yet.
func (g *Group) errNotReady() error {
	return fault.Hint(fault.New(fault.NotFound, "nothing of the group %q is here yet: no member was found", g.Name()),
		"see that a member is online, or name one with --peer HOST:PORT")
}

// State is what the group's signatures add up to now.
func (g *Group) State() (*acl.State, error) {
	if !g.Ready() {
		return nil, g.errNotReady()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.folded()
}

// folded folds if something has changed. g.mu is held.
func (g *Group) folded() (*acl.State, error) {
	if err := g.wake(); err != nil {
		return nil, err
	}
	if g.state != nil {
		return g.state, nil
	}
	roots, err := g.log.Roots()
	if err != nil {
		return nil, err
	}
	all := make([]*acl.Part, 0, len(g.devices))
	for _, p := range g.devices {
		all = append(all, p.acl)
	}
	s, err := acl.Fold(roots, all, &g.memo)
	if err != nil {
		return nil, err
	}
	g.state, g.latest = s, s
	if err := g.sweep(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Share reads all that an entry's record says.
func (g *Group) Share(e *catalog.Entry) (*catalog.Share, []byte, error) {
	raw, err := g.log.Lines(e.Device, e.Index, signed.MaxRecord+1)
	if err != nil {
		return nil, nil, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	if g.link.Kind != signed.Private {
		s, err := catalog.ReadShare([]byte(line))
		return s, []byte(line), err
	}
	sealed, err := catalog.ReadSealed([]byte(line))
	if err != nil {
		return nil, nil, err
	}
	s, err := sealed.Open(g.keys)
	return s, []byte(line), err
}

// headTimes are when each device was last heard of.
func (g *Group) headTimes() map[signed.Key]time.Time {
	out := map[signed.Key]time.Time{}
	for _, h := range g.log.Heads() {
		out[h.Device] = h.Time
	}
	return out
}

// Problems are files that were set aside.
func (g *Group) Problems() []grouplog.Problem { return g.log.Problems() }

// Forks are the devices that signed two histories.
func (g *Group) Forks() []signed.Fork { return g.log.Forks() }

// Forked is a device that signed two histories, as far as it is known whose it is.
type Forked struct {
	Device  signed.Key
	Account string // that it says it is of; empty: its log is not here
	Admin   bool   // that was an admin's in some root
	Own     bool   // it is this machine's
	Common  int64  // records that count
	Lost    int64  // records that are here and do not count any more
}

// Forked are the devices that signed two histories, in their order.
func (g *Group) Forked() (out []Forked) {
	roots, _ := g.log.Roots() // without roots there are no admins
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.log.Forks() {
		d := Forked{Device: f.Device, Own: f.Device == g.device.Public(), Common: f.Size}
		if p := g.devices[f.Device]; p != nil {
			d.Account, d.Lost = p.acl.Account(), max(0, p.acl.Size-f.Size)
		}
		d.Admin = slices.ContainsFunc(roots, func(r *signed.SignedRoot) bool {
			return slices.ContainsFunc(r.Admins, func(a signed.Admin) bool { return a.Name == d.Account })
		})
		out = append(out, d)
	}
	return out
}

// Heads are the times and sizes of all logs.
func (g *Group) AllHeads() []signed.Head { return g.log.Heads() }

// Log reads and verifies a device's log again.
func (g *Group) Log(k signed.Key) (signed.Log, error) { return g.log.Log(k, g.now()) }
