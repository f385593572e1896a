package cli

import (
	"github.com/p2pshare/p2pshare/internal/sizes"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// flagError matches what package flag says of a value it cannot parse.
var flagError = regexp.MustCompile(`(?s)^invalid (?:boolean )?value "(.*)" for (?:flag )?-([a-z0-9-]+): (.*)$`)

func isFlagError(err error, name, value, cause *string) bool {
	m := flagError.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	*name, *value, *cause = m[2], m[1], strings.TrimSuffix(m[3], "\n")
	if *cause == "parse error" {
		*cause = "not a number"
		if strings.Contains(err.Error(), "boolean") {
			*cause = "neither true nor false"
		}
	}
	return true
}

// readNetwork reads the network flags. The trackers are left to the command.
func (s *session) readNetwork(c *cli.Context) (node.Network, error) {
	n := node.Network{
		ListenHost: c.String("listen"), Port: c.Int("port"), NoDHT: c.Bool("no-dht"), DHTNodes: c.StringSlice("dht-node"),
		InsecureTrackers: c.StringSlice("insecure-tracker"), AllowNets: c.StringSlice("allow-net"), NoLAN: c.Bool("no-lan"), Peers: c.StringSlice("peer"), UTP: c.Bool("utp"), NoUPnP: c.Bool("no-upnp"),
	}
	if n.Port < 0 || n.Port > 65535 {
		return n, usagef("--port %d is not between 0 and 65535", n.Port)
	}
	if n.NoDHT && len(n.DHTNodes) > 0 {
		return n, fault.Hint(usagef("--no-dht%s and --dht-node%s contradict each other", s.givenBy("no-dht"), s.givenBy("dht-node")), "leave one of them out, or write --no-dht=false")
	}
	for flag, list := range map[string][]string{"--peer": n.Peers, "--dht-node": n.DHTNodes} {
		if err := each(flag, list, catalog.CheckAddr); err != nil {
			return n, err
		}
	}
	if err := each("--insecure-tracker", n.InsecureTrackers, checkHost); err != nil {
		return n, err
	}
	for _, net := range n.AllowNets {
		if err := judge("allow-net", net); err != nil {
			return n, flagValue("allow-net", err)
		}
	}
	if err := judge("super-seed", c.String("super-seed")); err != nil {
		return n, err
	}
	if v := c.String("super-seed"); v != "auto" {
		n.SuperSeed = v
	}
	if text := proxyWarning(s.env.Getenv); text != "" {
		s.out.event(node.Event{Level: "warn", Message: text})
	}
	var err error
	if n.MaxUp, err = rateFlag(c, "max-up"); err != nil {
		return n, err
	}
	n.MaxDown, err = rateFlag(c, "max-down")
	return n, err
}

// readTrackers reads --tracker where every URL is asked by itself; only a torrent that is made has tiers.
func readTrackers(c *cli.Context) ([]string, error) {
	var urls []string
	for _, tier := range c.StringSlice("tracker") {
		urls = append(urls, strings.Fields(tier)...)
	}
	return urls, each("--tracker", urls, catalog.CheckTracker)
}

func rateFlag(c *cli.Context, name string) (int64, error) {
	if c.String(name) == "" {
		return 0, nil
	}
	n, err := sizes.Rate(c.String(name))
	if err != nil {
		return 0, fault.Hint(usagef("--%s: %w", name, err), "%s", fault.HintOf(err))
	}
	return n, nil
}

// each judges the values of a repeated flag.
func each(flag string, list []string, check func(string) error) error {
	for _, v := range list {
		if err := check(v); err != nil {
			return usagef("%s: %w", flag, err)
		}
	}
	return nil
}

// givenBy says where a flag comes from that is not on the line.
func (s *session) givenBy(flag string) string {
	if from, ok := s.words.from[flag]; ok {
		return " (from " + from.String() + ")"
	}
	return ""
}

// proxyWarning says what a proxy of the environment does not carry, where somebody may count on it: SOCKS is set to hide who
// fetches, and ALL_PROXY to carry everything.
func proxyWarning(getenv func(string) string) string {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if scheme, _, _ := strings.Cut(strings.ToLower(getenv(name)), "://"); scheme == "socks5" || scheme == "socks5h" {
			return name + " carries web seeds, http(s) trackers and addresses of .torrent files alone: peers, UDP trackers and the DHT are reached without it"
		}
	}
	for _, name := range []string{"ALL_PROXY", "all_proxy"} {
		if getenv(name) != "" {
			return name + " is not used: HTTP_PROXY and HTTPS_PROXY carry web seeds, http(s) trackers and addresses of .torrent files, and nothing carries peers"
		}
	}
	return ""
}
