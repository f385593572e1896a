package cli

import (
	"github.com/p2pshare/p2pshare/internal/sizes"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// The sections of the configuration file.
const (
	sectionNetwork = "network" // of every command that meets peers
	sectionDaemon  = "daemon"  // of the daemon alone
)

var (
	networkNames = []string{"listen", "port", "peer", "tracker", "insecure-tracker", "allow-net", "no-dht", "dht-node", "no-lan", "max-up", "max-down", "utp", "no-upnp", "super-seed"}
	daemonNames  = []string{"fetches", "floor", "stop-ratio", "stop-time", "stop-copies", "no-seed", "metrics", "log-format"}
)

// daemonFlags are those of the daemon beside the network's. Each may stand in the configuration file.
func daemonFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.IntFlag{Name: "fetches", Category: groupDaemon, Value: 8, Usage: "run at most `N` fetches at a time, the others wait for their turn (0: all at once)"},
		&cli.StringFlag{Name: "floor", Category: groupDaemon, Value: "1GiB", Usage: "leave `SIZE` of every disk free: fetches wait before it gets less"},
		&cli.BoolFlag{Name: "no-seed", Category: groupSeeding, Usage: "do not share what was fetched, where fetch does not say --seed"},
		&cli.StringFlag{Name: "metrics", Category: groupDaemon, Usage: "serve metrics for Prometheus at `HOST:PORT`", DefaultText: "nowhere"},
		&cli.StringFlag{Name: "log-format", Category: groupDaemon, Value: "text", Usage: "write the log as `FORMAT`: text or json"},
	}, policyFlags("every share that has no rule of its own")...)
}

// sectionOf is the section of the configuration file that a flag of a command is in; "": none.
func sectionOf(command string, f cli.Flag) string {
	name := f.Names()[0]
	if word, _, below := strings.Cut(command, " "); below && (word == "group" || word == "catalog") {
		command = "group"
	}
	switch command {
	case "group", "drop", "publish", "fetch", "seed", "repair", "doctor":
		if slices.Contains(networkNames, name) {
			return sectionNetwork
		}
	case "daemon", "config":
		switch {
		case slices.Contains(networkNames, name):
			return sectionNetwork
		case slices.Contains(daemonNames, name):
			return sectionDaemon
		}
	}
	return ""
}

// envName is the environment variable that stands in for a flag of a command, or "" if none does.
func envName(command string, f cli.Flag) string {
	name := f.Names()[0]
	if name == "home" || name == "config" || sectionOf(command, f) != "" {
		return "P2PSHARE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	}
	return ""
}

// checkHost judges the form of a host without a port.
func checkHost(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if u, err := url.Parse("https://" + s + "/"); err != nil || u.Host != s || u.Port() != "" || u.User != nil || s == "" {
		return fault.Hint(usagef("%q is not a host", s), "write the name or address alone, as in tracker.example.org")
	}
	return nil
}

// judge refuses a value that the flag it stands in for would refuse, so that the place it comes from can be
// named.
func judge(flag, value string) error {
	switch flag {
	case "listen":
		if _, err := netip.ParseAddr(value); err != nil && value != "" {
			return fault.Hint(usagef("%q is not an IP address", value), "give an address of this machine, such as 192.168.1.5 or ::1")
		}
	case "port":
		if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 65535 {
			return usagef("%q is not a number between 0 and 65535", value)
		}
	case "super-seed":
		if value != "" && value != "auto" && value != "on" && value != "off" {
			return usagef("%q is none of auto, on and off", value)
		}
	case "fetches":
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			return fault.Hint(usagef("%q is not a number of fetches", value), "write a whole number; 0 is no limit")
		}
	case "allow-net":
		_, err := node.ParseNet(value)
		return err
	case "peer", "dht-node":
		return catalog.CheckAddr(value)
	case "insecure-tracker":
		return checkHost(value)
	case "tracker":
		for _, u := range strings.Fields(value) { // a tier
			if err := catalog.CheckTracker(u); err != nil {
				return err
			}
		}
	case "max-up", "max-down":
		_, err := sizes.Rate(value)
		return err
	case "floor":
		_, err := sizes.Bytes(value)
		return err
	case "stop-ratio":
		_, err := parseRatio(value)
		return err
	case "stop-time":
		_, err := sizes.Duration(value)
		return err
	case "stop-copies":
		_, err := parseCopies(value)
		return err
	case "metrics":
		if _, _, err := net.SplitHostPort(value); err != nil && value != "" {
			return fault.Hint(usagef("%q is not HOST:PORT", value), "write 127.0.0.1:9877")
		}
	case "log-format":
		if value != "text" && value != "json" {
			return fault.Hint(usagef("%q is not a format of the log", value), "choose text or json")
		}
	}
	return nil
}
