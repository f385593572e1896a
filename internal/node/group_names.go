package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/audit"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// checkFor refuses to share with a name that no admin has confirmed: somebody else may have it tomorrow.
// An admin's machine confirms it now; another waits a little for one to do it.
func (m *member) checkFor(ctx context.Context, who []string) error {
	if me, err := m.Account(); err == nil && me.Role == acl.Admin && len(who) > 0 {
		m.care()
	}
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	for {
		changed, _ := m.Changed()
		s, err := m.State()
		if err != nil {
			return err
		}
		err = m.sure(s, who)
		if err == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return err
		}
	}
}

// confirmWait is how long a machine waits for an admin's to confirm an account that has just come.
const confirmWait = 3 * time.Second

// sure refuses names that no admin has confirmed yet.
func (m *member) sure(s *acl.State, who []string) error {
	for _, name := range who {
		if name == "*" || strings.HasPrefix(name, "@") {
			continue
		}
		if a, ok := s.Account(name); ok && !a.Gone && !a.Pinned {
			return fault.Hint(fault.New(fault.Denied, "--for %s: no admin of %q has confirmed %q yet", name, m.Name(), name),
				"an admin's machine does it as soon as it is online; until then share with everyone, or with a team")
		}
	}
	return nil
}

// unconfirmed says whether an account's name is its own word alone.
func (m *member) unconfirmed(name string) bool {
	s, err := m.State()
	if err != nil {
		return false
	}
	a, ok := s.Account(name)
	return ok && !a.Gone && !a.Pinned
}

// claimed tells of a device that asks for a name that is another's.
func (m *member) claimed(c group.Claimant) {
	m.s.n.log.Warn("a device asks for a name that is another's, and is refused", "group", m.Name(), "name", c.Name, "device", deviceName(c.Device))
	if !m.private() {
		return
	}
	if l := m.auditLog(); l != nil {
		l.Add(audit.Line{What: audit.Refused, Device: deviceName(c.Device), Why: fmt.Sprintf("it asks for the name %q, which is another's", c.Name)})
	}
}

// nameWarnings are what a reader should know of names that are not sure.
func (m *member) nameWarnings(s *acl.State) (out []string) {
	if name := m.Unnamed(); name != "" {
		out = append(out, fmt.Sprintf("the name %q that this machine joined with is another's: p2pshare group leave %s, then join with another name", name, m.Name()))
	}
	waiting := slices.DeleteFunc(s.Unconfirmed(), func(name string) bool {
		a, _ := s.Account(name)
		return time.Since(time.UnixMilli(a.Since)) < confirmTime
	})
	if len(waiting) > 0 {
		out = append(out, fmt.Sprintf("no admin's machine was online to confirm %s yet: until one is, rules and --for do not count for that name", few(waiting)))
	}
	seen := map[string]bool{}
	for _, c := range s.Contested() {
		if !seen[c.Name] {
			out = append(out, fmt.Sprintf("several ask for the name %q, and nobody has it before an admin's machine has confirmed one", c.Name))
		}
		seen[c.Name] = true
	}
	for _, c := range m.Claimants() {
		out = append(out, fmt.Sprintf("the device %s asked for the name %q, which is another's, and was refused", deviceName(c.Device), c.Name))
	}
	return out
}

// confirmTime is how long an admin's machine that is online may take to confirm a new account; no warning comes before that.
const confirmTime = time.Minute

// few lists names, the first of many.
func few(list []string) string {
	if len(list) <= fewNames {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:fewNames], ", "), len(list)-fewNames)
}

// taken waits until a member has the hello of this machine's device.
func (m *member) taken(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	// One member may know of somebody that the others do not: they have a little more time.
	stop := make(chan struct{})
	defer close(stop)
	go panics.Guard(func() {
		select {
		case <-m.crowd.Taken():
		case <-stop:
			return
		}
		select {
		case <-time.After(slotWait):
			cancel()
		case <-stop:
		}
	}, func(bug *panics.Error) {
		bug.Log(m.s.n.log, "a join")
		cancel()
	})()
	if err := m.crowd.PassedOn(limited); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-m.crowd.Taken():
			return m.errTaken()
		default:
		}
		return fault.Hint(fault.New(fault.Timeout, "no member has taken this machine's new device"), "join again when one is online")
	}
	return nil
}

// errTaken is a newcomer whose name belongs to somebody else.
func (m *member) errTaken() error {
	return fault.Hint(fault.New(fault.Denied, "the name %q is another's in this group", m.OwnName()), "join with another name: --account NAME")
}
