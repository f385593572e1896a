package node

import (
	"log/slog"
	"time"
)

// GroupRequest asks something of groups: exactly one of its pointers is set. Group names a joined group by its
// local name, ID or link.
type GroupRequest struct {
	Group   string `json:"group,omitempty"`
	Offline bool   `json:"offline,omitempty"` // look for no members, and sign without having asked them

	Create *CreateGroup `json:"create,omitempty"` // Group is the name
	Join   *JoinGroup   `json:"join,omitempty"`   // Group is the link, or the path of an export
	Leave  *struct{}    `json:"leave,omitempty"`
	List   *struct{}    `json:"list,omitempty"` // of all groups
	Show   *struct{}    `json:"show,omitempty"`
	Link   *LinkGroup   `json:"link,omitempty"`
	Log    *struct{}    `json:"log,omitempty"`

	Restore *RestoreGroup `json:"restore,omitempty"` // Group is the folder of a backup
	Audit   *AuditQuery   `json:"audit,omitempty"`

	Passwd       *ChangePassword `json:"passwd,omitempty"`
	AddUser      *AddUser        `json:"add_user,omitempty"`
	AddUsers     *AddUsers       `json:"add_users,omitempty"`
	ChangeUser   *ChangeUser     `json:"change_user,omitempty"`
	RemoveUser   *string         `json:"remove_user,omitempty"`
	RemoveDevice *string         `json:"remove_device,omitempty"` // its key or the first digits
	Lost         bool            `json:"lost,omitempty"`          // somebody else may have that device: its account gets another password first
	AddRule      *AddRule        `json:"add_rule,omitempty"`
	RemoveRule   *string         `json:"remove_rule,omitempty"` // its ID
	TestRule     *TestRule       `json:"test_rule,omitempty"`
	Owners       *ChangeOwners   `json:"owners,omitempty"`
	Follow       *Follow         `json:"follow,omitempty"`
}

// Secret is a password. It goes over the home's socket and prints as "redacted".
type Secret string

func (s Secret) String() string       { return "redacted" }
func (s Secret) GoString() string     { return "redacted" }
func (s Secret) LogValue() slog.Value { return slog.StringValue("redacted") }

// LinkGroup asks for the link that others join by.
type LinkGroup struct {
	Hints []string `json:"hints,omitempty"` // host:port of members, at most 8, to go into it
}

// CreateGroup makes a group whose owner and first admin is this machine's user.
type CreateGroup struct {
	Kind  string `json:"kind"`            // public or private
	User  string `json:"user,omitempty"`  // the admin's account; empty: admin
	Open  bool   `json:"open,omitempty"`  // anyone may publish; in a private group, who joins by its password
	Stale int    `json:"stale,omitempty"` // hours; 0: 720

	// Of a private group.
	Strict   bool   `json:"strict,omitempty"`   // who has not heard of an admin for Stale hours neither serves nor lets in
	Password Secret `json:"password,omitempty"` // to join; empty: one is made
	NoJoin   bool   `json:"no_join,omitempty"`  // no group password: who is in, an admin adds
}

// JoinGroup joins a group, to read it or, with the key of an account or device, as that.
type JoinGroup struct {
	As        string        `json:"as,omitempty"`    // the local name; empty: the group's own
	Peers     []string      `json:"peers,omitempty"` // members' addresses, host:port
	User      string        `json:"user,omitempty"`
	Key       string        `json:"key,omitempty"`        // file with the account's key, absolute: this machine becomes a device of it
	DeviceKey string        `json:"device_key,omitempty"` // file with the device's key, absolute; made if it is not there
	Label     string        `json:"label,omitempty"`      // of the device; empty: the machine's name
	Timeout   time.Duration `json:"timeout,omitempty"`    // to find a member; 0: none

	// Of a private group: with User the password is that account's, else the group's, and an account is made.
	Password Secret `json:"password,omitempty"`
	Account  string `json:"account,omitempty"` // the name of the account that is made; empty: the system's user
}

// RestoreGroup brings a group back from the folder that a backup keeps (Follow.Dir), with an account's password.
type RestoreGroup struct {
	As       string `json:"as,omitempty"`
	User     string `json:"user"`
	Password Secret `json:"password"`
	Label    string `json:"label,omitempty"`
	Follow   bool   `json:"follow,omitempty"` // go on as the backup in that folder
}

// AuditQuery asks for lines of this machine's audit of a group, the latest last.
type AuditQuery struct {
	User  string    `json:"user,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Lines int       `json:"lines,omitempty"` // 0: 100
}

// AuditLine is who was let in, refused or served how much, by this machine.
type AuditLine struct {
	Time    time.Time `json:"time"`
	What    string    `json:"what"` // admitted, refused, served, cut, garbage
	Account string    `json:"account,omitempty"`
	Device  string    `json:"device,omitempty"`
	From    string    `json:"from,omitempty"`  // IP address
	Entry   string    `json:"entry,omitempty"` // GROUP/NAME@VERSION
	Why     string    `json:"why,omitempty"`
	Sent    int64     `json:"sent,omitempty"` // bytes
	Got     int64     `json:"got,omitempty"`
	Bad     int64     `json:"bad,omitempty"` // pieces that did not verify
	Seconds float64   `json:"seconds,omitempty"`
	Times   int64     `json:"times,omitempty"` // how often the same was refused in a row
}

// ChangePassword gives an account another password, or the group one to join by.
type ChangePassword struct {
	User     string `json:"user,omitempty"`     // empty: the own account; others' by an admin
	Group    bool   `json:"group,omitempty"`    // the password to join by, by an admin
	Password Secret `json:"password,omitempty"` // empty: one is made
	Old      Secret `json:"old,omitempty"`      // of an admin, whose keys stay; not needed where the group was made
}

// AddUser adds an account to a group, and writes its key to a file for who is to have it.
type AddUser struct {
	Name  string    `json:"name"`
	Role  string    `json:"role"`            // publisher or member; in private groups also backup, mirror or invite
	Teams []string  `json:"teams,omitempty"` // without @
	Until time.Time `json:"until,omitzero"`
	Key   string    `json:"key"` // the file to write, absolute; 0600, never over another; public groups

	Password Secret `json:"password,omitempty"` // private groups; empty: one is made
	Devices  int64  `json:"devices,omitempty"`  // how many machines it may have; 0: acl.MaxDevices
}

// AddUsers adds many accounts to a private group, all or none of them, each with a password that is made.
type AddUsers struct {
	Users []AddUser `json:"users"`
	Out   string    `json:"out"`            // the file to write names, links and passwords to, absolute; 0600, never over another
	Skip  bool      `json:"skip,omitempty"` // leave those as they are who have an account
}

// ChangeUser changes what is not nil. To make or unmake an admin takes the owners.
type ChangeUser struct {
	Name  string     `json:"name"`
	Role  *string    `json:"role,omitempty"`
	Until *time.Time `json:"until,omitempty"` // zero: for ever
	Teams *[]string  `json:"teams,omitempty"`
	// Devices is how many machines the account may have at a time, from 1 to 10,000.
	Devices *int64 `json:"devices,omitempty"`

	Passphrase Secret `json:"passphrase,omitempty"` // of the owner key in this home, to make or unmake an admin
	Draft      string `json:"draft,omitempty"`      // the file to write, absolute, where other owners have to sign that too
}

// AddRule adds a rule, at the end or before another.
type AddRule struct {
	Rule   string `json:"rule"`             // "deny guest read hr/**"
	Before string `json:"before,omitempty"` // a rule's ID
}

// TestRule asks which rule decides.
type TestRule struct {
	User  string `json:"user"`
	Right string `json:"right"` // read or publish
	Path  string `json:"path"`
}

// ChangeOwners makes the next root. What lacks signatures of other owners is written to Draft for them.
type ChangeOwners struct {
	Own    bool     `json:"own,omitempty"`    // make this home an owner key, if it holds none, and nothing else: for the owners to add
	Add    []string `json:"add,omitempty"`    // keys
	Remove []string `json:"remove,omitempty"` // keys
	Rotate bool     `json:"rotate,omitempty"` // this machine's owner key for a new one
	Need   int      `json:"need,omitempty"`   // how many owners sign; 0: as before
	Draft  string   `json:"draft,omitempty"`  // a file, absolute: read and signed if it is there, else written

	Passphrase Secret  `json:"passphrase,omitempty"` // of the owner key in this home, if it has one
	Lock       *Secret `json:"lock,omitempty"`       // give it this one, and nothing else; empty: none
	Export     string  `json:"export,omitempty"`     // write it to a file, absolute, encrypted with Passphrase, and nothing else
	Import     string  `json:"import,omitempty"`     // take it from such a file, and nothing else
}

// Follow makes this machine a mirror of a group.
type Follow struct {
	Keep  int      `json:"keep,omitempty"`  // versions of each name; 0: all
	Space int64    `json:"space,omitempty"` // bytes; 0: no limit
	Match []string `json:"match,omitempty"` // globs over names; none: all
	Dir   string   `json:"dir,omitempty"`   // absolute
	Stop  bool     `json:"stop,omitempty"`
}

// GroupAnswer is what came of a GroupRequest.
type GroupAnswer struct {
	Groups   []Group          `json:"groups,omitempty"` // the one that was asked of, or all
	Link     string           `json:"link,omitempty"`
	Accounts []GroupAccount   `json:"accounts,omitempty"`
	Devices  []GroupDevice    `json:"devices,omitempty"`
	Rules    []GroupRule      `json:"rules,omitempty"`
	Decision *GroupDecision   `json:"decision,omitempty"`
	Log      []GroupLogRecord `json:"log,omitempty"`
	Wrote    string           `json:"wrote,omitempty"`   // a file: a key, a draft of a root
	Missing  int              `json:"missing,omitempty"` // signatures that a draft still lacks
	Added    int              `json:"added,omitempty"`   // accounts of AddUsers

	AddedRule string `json:"added_rule,omitempty"` // the ID of the one of AddRule

	Password Secret      `json:"password,omitempty"` // that was made
	User     string      `json:"user,omitempty"`     // whose it is; empty: the group's
	Notes    []string    `json:"notes,omitempty"`    // what the user should know of what was done, sentences without full stops
	Audit    []AuditLine `json:"audit,omitempty"`
}

// Group is a group that the home has joined.
type Group struct {
	Name     string   `json:"name"`  // local
	Title    string   `json:"title"` // the group's own
	ID       string   `json:"id"`
	Kind     string   `json:"kind"`
	Version  int64    `json:"version"` // of the root
	Owners   int      `json:"owners"`
	Need     int      `json:"need"`
	Owner    string   `json:"owner,omitempty"`   // the key, if this machine holds one of an owner
	Locked   bool     `json:"locked,omitempty"`  // it has a passphrase, and what the owner signs takes that
	Account  string   `json:"account,omitempty"` // ours; empty: a reader without one
	Role     string   `json:"role,omitempty"`
	Device   string   `json:"device"` // our key
	Accounts int      `json:"accounts"`
	Devices  int      `json:"devices"`
	Entries  int      `json:"entries"`
	Age      string   `json:"age"`     // fresh, old or stale
	Members  int      `json:"members"` // machines of members that are met now
	Strict   bool     `json:"strict,omitempty"`
	Follow   *Follow  `json:"follow,omitempty"`
	Mirror   *Mirror  `json:"mirror,omitempty"` // with Follow: how far it is
	Warnings []string `json:"warnings"`         // forks, broken logs, a stale view, a wrong clock

	Heard       time.Time `json:"heard,omitzero"`        // when a member gave all that it has last
	AdminSigned time.Time `json:"admin_signed,omitzero"` // when an admin or the owners signed something last, as far as it is known here
}

// Mirror is how far the mirror of a group is. Entries that have one content count once.
type Mirror struct {
	Wanted int   `json:"wanted"` // contents that it is to hold
	Here   int   `json:"here"`   // of those, whole
	Bytes  int64 `json:"bytes"`  // of those that are here
	Free   int64 `json:"free"`   // bytes that are free where it lies; below 0: not known

	LeftOut []LeftOut `json:"left_out"` // what it does not mirror though it is among what is followed, a hundred at most
	Left    int       `json:"left"`     // how many those are
}

// LeftOut is an entry that is not mirrored.
type LeftOut struct {
	Ref  string `json:"ref"` // NAME@VERSION
	Size int64  `json:"size"`
	Why  string `json:"why"`
}

// GroupAccount is an account of a group.
type GroupAccount struct {
	Name  string    `json:"name"`
	Role  string    `json:"role"`
	Teams []string  `json:"teams,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Gone  bool      `json:"gone,omitempty"`

	Unconfirmed bool `json:"unconfirmed,omitempty"` // it came by itself, and no admin has confirmed its name yet

	Devices int       `json:"devices"`          // that count
	Places  int64     `json:"places,omitempty"` // how many may; 0: as many as an admin likes
	Seen    time.Time `json:"seen,omitzero"`    // the latest head of one of them
	Locked  bool      `json:"locked,omitempty"` // has a password
}

// GroupDevice is a machine of an account.
type GroupDevice struct {
	Key     string    `json:"key"`
	Account string    `json:"account"`
	Label   string    `json:"label"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen,omitzero"` // the time of its head
	Records int64     `json:"records"`
	Problem string    `json:"problem,omitempty"` // removed, frozen, broken
}

// GroupRule is a rule in force, in the order in which they are asked.
type GroupRule struct {
	ID      string   `json:"id"`
	Rule    string   `json:"rule"`
	Matches []string `json:"matches,omitempty"` // accounts that it names now
}

// GroupDecision is what TestRule found.
type GroupDecision struct {
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty"` // the ID; empty: a default decided
	Why     string `json:"why"`
}

// GroupLogRecord is a line of the signed history.
type GroupLogRecord struct {
	Time    time.Time `json:"time"`
	Account string    `json:"account,omitempty"`
	Device  string    `json:"device,omitempty"`
	Kind    string    `json:"kind"`            // root, device, account, rule, key, link, share, drop or other
	Entry   string    `json:"entry,omitempty"` // NAME[@VERSION] that was shared or dropped, if it is known here
	Note    string    `json:"note,omitempty"`  // why it was dropped
	What    string    `json:"what"`            // a sentence
	Void    string    `json:"void,omitempty"`  // why it does not count
}

// CatalogRequest asks something of a group's catalog: exactly one of its pointers is set.
type CatalogRequest struct {
	Group   string `json:"group"`
	Offline bool   `json:"offline,omitempty"` // look for no members, and sign without having asked them

	List   *ListCatalog `json:"list,omitempty"`
	Show   *string      `json:"show,omitempty"`   // NAME[@VERSION]
	Verify *struct{}    `json:"verify,omitempty"` // every signature and hash that is held, again
	Export *string      `json:"export,omitempty"` // the file to write, absolute
	Umask  uint32       `json:"umask,omitempty"`  // of who asks, for that: as PublishRequest.Umask
	Import *string      `json:"import,omitempty"` // the file to read, absolute
	Drop   *string      `json:"drop,omitempty"`   // NAME[@VERSION]
	Note   string       `json:"note,omitempty"`   // with Drop: why, for those who ask for it later
	Taken  *string      `json:"taken,omitempty"`  // NAME[@VERSION]: was it taken back
}

// ListCatalog lists entries.
type ListCatalog struct {
	Search string `json:"search,omitempty"` // words
	All    bool   `json:"all,omitempty"`    // every version, not the latest alone
}

// CatalogAnswer is what came of a CatalogRequest.
type CatalogAnswer struct {
	Group    Group    `json:"group"`
	Entries  []Entry  `json:"entries"`
	Problems []string `json:"problems"`          // records that do not count, and why; disagreements
	Records  int64    `json:"records,omitempty"` // that were verified, exported or taken
	Devices  int      `json:"devices,omitempty"`

	Taken *Taken `json:"taken,omitempty"` // of Taken; nil: it was not taken back
}

// Taken says that an entry was taken back.
type Taken struct {
	By   string    `json:"by"` // the account
	Time time.Time `json:"time"`
	Note string    `json:"note,omitempty"` // why
}

// Entry is a share of a group under its name.
type Entry struct {
	Ref     string    `json:"ref"` // GROUP/NAME@VERSION
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	Content string    `json:"content"` // what the file or folder will be called
	Size    int64     `json:"size"`
	Files   int       `json:"files"`
	Time    time.Time `json:"time"`
	Until   time.Time `json:"until,omitzero"`
	Note    string    `json:"note,omitempty"`
	Account string    `json:"account"`
	Device  string    `json:"device"`

	Unconfirmed bool `json:"unconfirmed,omitempty"` // no admin has confirmed the account's name yet
	Usual       bool `json:"usual,omitempty"`       // GROUP/NAME without a version is this one; of a list

	Infohash   string   `json:"infohash,omitempty"`
	InfoSHA256 string   `json:"info_sha256"`
	Magnet     string   `json:"magnet"`
	For        []string `json:"for,omitempty"`
	WebSeeds   []string `json:"webseeds,omitempty"`
	Others     []string `json:"others,omitempty"` // who else published this name and version, and does not count
}

// InGroup is where a publish goes: GROUP/NAME@VERSION, and what is signed beside.
type InGroup struct {
	Group   string   `json:"group"`
	As      string   `json:"as"` // NAME[@VERSION]
	For     []string `json:"for,omitempty"`
	Note    string   `json:"note,omitempty"`
	Offline bool     `json:"offline,omitempty"` // sign without having asked members
	Seal    bool     `json:"seal,omitempty"`    // the content goes out encrypted, so that mirrors can hold it; private groups
	Replace bool     `json:"replace,omitempty"` // other content may take the place of a version's
}

// FromGroup is what a fetch by name, or one with checks, asks beside.
type FromGroup struct {
	Sums        string `json:"sums,omitempty"`         // a SHA256SUMS file, absolute, that the content must agree with
	MinisignKey string `json:"minisign_key,omitempty"` // the public key of the signature beside Sums (Sums.minisig)
	Receipt     string `json:"receipt,omitempty"`      // the receipt to write, absolute
	Umask       uint32 `json:"umask,omitempty"`        // of who asks, for that: as PublishRequest.Umask
}
