package doctor

import "fmt"

// share judges one share. What the node says itself of a state is taken for what it is, unless what is seen
// says more.
func (c *chart) share(s Share, f Facts) {
	switch s.State {
	case Damaged:
		c.grave("home", s.Name, "what the home has of it cannot be read: "+s.Reason, or(s.Hint, "p2pshare remove "+s.ID+", and add it anew"))
		return
	case Stopped:
		if s.Asked {
			c.grave("stopped", s.Name, because("it was stopped", s.Reason), "p2pshare start "+s.ID)
		}
		return
	case Queued:
		c.slow("queued", s.Name, "it waits for its turn: as many fetches run as the daemon may run", "p2pshare daemon --fetches N runs more at a time")
		return
	}
	if c.source(s) || c.disk(s) {
		return
	}
	switch {
	case s.State == Failed:
		c.grave("failed", s.Name, because("it cannot go on", s.Reason), or(s.Hint, "p2pshare start "+s.ID+" tries again"))
	case s.State == Waiting && f.Daemon:
		c.grave("waiting", s.Name, because("it waits", s.Reason), or(s.Hint, "it goes on by itself"))
	case s.State != Waiting:
		c.moving(s, f)
	}
}

// source judges the files of what is shared.
func (c *chart) source(s Share) bool {
	switch {
	case s.Gone && s.Own:
		c.grave("source-gone", s.Name, fmt.Sprintf("its files are not there: %q", s.Path), "bring them back (is a drive to be mounted?), and it goes on; or p2pshare remove "+s.ID)
	case s.Gone:
		c.grave("source-gone", s.Name, fmt.Sprintf("its files are not there: %q", s.Path),
			fmt.Sprintf("bring them back (is a drive to be mounted?), and it goes on; or p2pshare repair %s fetches them again", s.ID))
	case s.Source != "" && s.Own:
		c.grave("source-changed", s.Name, "its files are not what was published: "+s.Source,
			fmt.Sprintf("bring them back as they were, and p2pshare start %s; or publish %q as it is now, which makes a new infohash", s.ID, s.Path))
	case s.Source != "" && s.Mirror && s.State != Failed:
		c.slow("source-changed", s.Name, "its files are not what was published: "+s.Source, "the mirror fetches them again by itself")
	case s.Source != "":
		c.grave("source-changed", s.Name, "its files are not what was published: "+s.Source,
			fmt.Sprintf("p2pshare repair %s fetches again what is wrong of them, and p2pshare verify %s lists it", s.ID, s.ID))
	default:
		return false
	}
	return true
}

// disk judges whether a fetch has room.
func (c *chart) disk(s Share) bool {
	if s.Missing <= 0 || s.Free < 0 || s.Free >= s.Missing+s.Floor {
		return false
	}
	floor := ""
	if s.Floor > 0 {
		floor = fmt.Sprintf(", and %s are to stay free", size(s.Floor))
	}
	c.grave("disk-full", s.Name, fmt.Sprintf("the disk of %q has %s left, %s are still to come%s", s.Path, size(s.Free), size(s.Missing), floor),
		fmt.Sprintf("make room for %s more, and it goes on by itself", size(s.Missing+s.Floor-s.Free)))
	return true
}

// moving judges a share that could move.
func (c *chart) moving(s Share, f Facts) {
	alone := s.Private && s.Trackers == 0 && s.Peers == 0
	switch {
	case alone && (s.State != Fetching || s.WebSeeds == 0):
		c.grave("private-no-tracker", s.Name, "it is private, and names no tracker: nobody can find it, or be found", "name its tracker with --tracker URL, or its peers with --peer HOST:PORT")
	case s.State == Fetching && s.For >= peerPatience && s.Peers == 0 && s.Down == 0:
		c.nobody(s, f)
	case s.State == Fetching && s.For >= peerPatience && s.Seeds == 0 && s.Down == 0:
		c.grave("nobody", s.Name, fmt.Sprintf("nobody who has all of it was found: of %s connected none has what is missing, or gives it", count(s.Peers, "peer")),
			"ask whoever published it to keep it available; it goes on by itself as soon as somebody has it")
	}
	c.rate(s.Name, s.ID, "up", "sending of this share", "", s.UpLimit, s.Up)
	c.rate(s.Name, s.ID, "down", "receiving of this share", "", s.DownLimit, s.Down)
}

func (c *chart) nobody(s Share, f Facts) {
	if s.Group != "" {
		c.grave("nobody", s.Name, fmt.Sprintf("no member of %q that is online has it", s.Group),
			fmt.Sprintf("it comes by itself when one is; p2pshare group show %s says who is there, p2pshare catalog show %s who published it", s.Group, s.Group))
		return
	}
	what := "nobody who has it was found"
	if s.Known > 0 {
		what = fmt.Sprintf("%s known to have it, or want it, and none answers", isAre(s.Known, "address"))
	}
	do := "ask whoever published it whether it is still kept available, and for an address to give with --peer HOST:PORT"
	if f.DHT.Off && s.Trackers == 0 {
		do = "look in more places: leave --no-dht out, or name a tracker with --tracker URL"
	}
	c.grave("nobody", s.Name, what, do)
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

func or(hint, otherwise string) string {
	if hint != "" {
		return hint
	}
	return otherwise
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func isAre(n int, one string) string {
	if n == 1 {
		return "1 " + one + " is"
	}
	return fmt.Sprintf("%d %ses are", n, one)
}
