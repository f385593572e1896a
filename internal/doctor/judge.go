package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Judge says what is wrong, the gravest first, and what was looked at and is well, a sentence each.
func Judge(f Facts) (found []Finding, well []string) {
	c := &chart{}
	c.home(f)
	for _, a := range f.Groups {
		c.found = append(c.found, Finding{"group", a.Grave, "", a.What, a.Do})
	}
	c.port(f.Port, f.LAN)
	c.lan(f.LAN)
	c.dht(f.DHT)
	c.dns(f.DNS, f.LAN)
	c.clock(f.Clock)
	c.rates(f.Rates)
	for _, s := range f.Shares {
		c.share(s, f)
	}
	c.sites(f.Sites)
	slices.SortStableFunc(c.found, func(a, b Finding) int { return cmp.Compare(gravity(a), gravity(b)) })
	return c.found, c.well
}

func gravity(f Finding) int {
	if f.Grave {
		return 0
	}
	return 1
}

// chart is what was found so far.
type chart struct {
	found []Finding
	well  []string
}

func (c *chart) grave(code, share, what, do string) {
	c.found = append(c.found, Finding{code, true, share, what, do})
}

func (c *chart) slow(code, share, what, do string) {
	c.found = append(c.found, Finding{code, false, share, what, do})
}

func (c *chart) fine(format string, args ...any) {
	c.well = append(c.well, fmt.Sprintf(format, args...))
}

func (c *chart) home(f Facts) {
	resting := 0
	for _, s := range f.Shares {
		if s.State == Waiting {
			resting++
		}
	}
	switch {
	case f.Daemon:
		c.fine("a daemon runs")
	case resting > 0:
		c.grave("no-daemon", "", fmt.Sprintf("no daemon runs in %q, and so %s", f.Home, rest(resting)), "p2pshare daemon --detach")
	}
	for _, p := range f.Problems {
		c.slow("home", "", "something in the home cannot be read: "+p, "p2pshare status shows what is left; copy it back from a backup, or remove the share and add it anew")
	}
	if f.HomeFree >= 0 && f.HomeFree < homeRoom {
		c.grave("disk-full", "", fmt.Sprintf("the disk of the home %q has %s left: what is kept there cannot be written", f.Home, size(f.HomeFree)),
			"make room there, or move the home and name it with --home")
	}
}

func rest(n int) string {
	if n == 1 {
		return "one share rests"
	}
	return fmt.Sprintf("%d shares rest", n)
}

func (c *chart) port(p Port, l LAN) {
	if p.Number == 0 {
		return
	}
	if p.Loopback {
		c.slow("port-closed", "", fmt.Sprintf("port %d is open to this machine alone, as --listen says", p.Number), "leave --listen out to be reached by others")
		return
	}
	if len(l.Interfaces) == 0 && len(p.Tries) == 0 {
		c.grave("no-network", "", "this machine is in no network: no interface but loopback is up", "connect it to one; the shares go on by themselves")
		return
	}
	var closed, open []string
	for _, t := range p.Tries {
		if t.Err != "" {
			closed = append(closed, fmt.Sprintf("%s (%s)", t.Addr, t.Err))
		} else {
			open = append(open, t.Addr)
		}
	}
	switch {
	case len(closed) > 0:
		c.slow("port-closed", "", fmt.Sprintf("connections to port %d are blocked on this machine, at %s: others can be fetched from only if this machine finds them first", p.Number, strings.Join(closed, ", ")),
			fmt.Sprintf("let TCP and UDP port %d in through the firewall of this machine, and keep it with --port %d", p.Number, p.Number))
	case p.Came > 0:
		c.fine("port %d is open: others have connected to it", p.Number)
	case p.Router:
		c.fine("a router that opens ports on request is there, and was asked for port %d", p.Number)
	case !p.Public && len(open) > 0:
		c.slow("port-closed", "", fmt.Sprintf("port %d may be closed to the internet: the addresses of this machine are those of a local network, no router that opens ports on request was found, and nobody has connected yet", p.Number),
			fmt.Sprintf("forward TCP and UDP port %d of the router to this machine, and keep it with --port %d; on the local network nothing need be done", p.Number, p.Number))
	case len(open) > 0:
		c.fine("port %d answers at %s", p.Number, strings.Join(open, ", "))
	}
}

func (c *chart) lan(l LAN) {
	if l.Off || len(l.Interfaces) == 0 {
		return
	}
	var heard, deaf []string
	for _, i := range l.Interfaces {
		if i.Heard {
			heard = append(heard, i.Name)
		} else {
			deaf = append(deaf, fmt.Sprintf("%s (%s)", i.Name, i.Err))
		}
	}
	if len(heard) == 0 {
		c.slow("no-multicast", "", "multicast does not work on "+strings.Join(deaf, ", ")+": peers on the local network do not find each other",
			"let UDP port 6771 through the firewall, and turn multicast on (ip link set DEV multicast on); until then name peers with --peer HOST:PORT")
		return
	}
	c.fine("multicast works on %s", strings.Join(heard, ", "))
}

func (c *chart) dht(d DHT) {
	switch {
	case d.Off:
	case d.Nodes > 0:
		if d.Nodes == 1 {
			c.fine("1 node of the DHT answers")
		} else {
			c.fine("%d nodes of the DHT answer", d.Nodes)
		}
	case d.For >= dhtPatience:
		c.slow("no-dht", "", fmt.Sprintf("no node of the DHT has answered for %s: peers are found only through trackers, on the local network and by --peer", span(d.For)),
			"see that the machine reaches the internet and that UDP is let through; enter the DHT elsewhere with --dht-node HOST:PORT, or turn it off with --no-dht")
	}
}

func (c *chart) dns(list []Server, l LAN) {
	if len(l.Interfaces) == 0 {
		return // which says it
	}
	var well, ill []string
	for _, s := range list {
		name := "the DNS server " + s.Addr
		if s.Addr == "" {
			name = "the DNS server of this machine"
		}
		if s.Err == "" {
			well = append(well, name)
		} else {
			ill = append(ill, name+" "+s.Err)
		}
	}
	const do = "see that the machine reaches the internet, or set another DNS server in its network settings"
	switch {
	case len(ill) == 0 && len(well) > 0:
		c.fine("%s answers", well[0])
	case len(ill) > 0 && len(well) > 0:
		c.slow("no-dns", "", fmt.Sprintf("%s, and %s does: names take seconds longer to be looked up", strings.Join(ill, ", "), well[0]), do)
	case len(ill) > 0:
		c.slow("no-dns", "", strings.Join(ill, ", ")+": names of the internet cannot be looked up; the local network works without", do)
	}
}

func (c *chart) clock(k Clock) {
	if len(k.Readings) > 0 {
		list := slices.Clone(k.Readings)
		slices.SortFunc(list, func(a, b Reading) int { return cmp.Compare(a.Ahead, b.Ahead) })
		r := list[len(list)/2] // of two or more servers one may be wrong itself
		switch off := r.Ahead.Abs(); {
		case off >= clockOff:
			f := Finding{Code: "clock", Grave: off >= clockBad,
				What: fmt.Sprintf("the clock of this machine is %s %s the time that %s gives", span(off), side(r.Ahead), r.From),
				Do:   "set the clock: timedatectl set-ntp true"}
			if f.Grave {
				f.What += "; certificates of trackers and web seeds are refused"
			}
			c.found = append(c.found, f)
		default:
			c.fine("the clock agrees with %s", r.From)
		}
	}
	if k.Future != "" && k.FutureBy >= clockOff {
		c.slow("clock", "", fmt.Sprintf("%q was written %s in the future: the clock was wrong then, or is now", k.Future, span(k.FutureBy)), "set the clock: timedatectl set-ntp true")
	}
	if k.Jump >= clockJump {
		c.slow("clock", "", fmt.Sprintf("the clock was set back by %s while p2pshare ran: times in the log, and the hours of limits, changed with it", span(k.Jump)), "")
	}
}

func side(d time.Duration) string {
	if d < 0 {
		return "behind"
	}
	return "ahead of"
}

func (c *chart) rates(r Rates) {
	why := ""
	if r.Schedule {
		why = ", by the schedule of this hour"
	}
	c.rate("", "", "up", "sending", why, r.UpLimit, r.Up)
	c.rate("", "", "down", "receiving", why, r.DownLimit, r.Down)
}

func (c *chart) rate(share, id, flag, act, why string, limit int64, now float64) {
	do := "p2pshare limit --" + flag + " none takes the limit away"
	if id != "" {
		do = "p2pshare limit " + id + " --" + flag + " none takes the limit away"
	}
	switch {
	case limit <= 0:
	case limit < lowRate:
		c.slow("rate-limit", share, fmt.Sprintf("%s is limited to %s a second%s, so low that almost nothing moves", act, size(limit), why), do)
	case now >= usedUp*float64(limit):
		c.slow("rate-limit", share, fmt.Sprintf("%s takes all of its limit, %s a second%s", act, size(limit), why), do)
	}
}

func (c *chart) sites(list []Site) {
	answered := 0
	for _, s := range list {
		switch {
		case s.Err == "":
			answered++
		case s.WebSeed:
			c.slow("web-seed", s.Share, fmt.Sprintf("the web seed %s does not give the content: %s", s.URL, s.Err), "mend the server, or fetch with another --webseed URL; peers are used meanwhile")
		default:
			c.slow("tracker", s.Share, fmt.Sprintf("the tracker %s does not answer: %s", s.URL, s.Err), "it is asked again by itself; add another with --tracker URL")
		}
	}
	if answered > 0 {
		c.fine("%d of %d trackers and web seeds answer", answered, len(list))
	}
}

func size(n int64) string { return humanize.Bytes(uint64(max(0, n))) }

// span shows a time as one number, rounded to what matters.
func span(d time.Duration) string {
	unit, name := time.Second, "second"
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*u.d {
			unit, name = u.d, u.name
			break
		}
	}
	n := int64(d.Round(unit) / unit)
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
