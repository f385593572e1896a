package cli

import (
	"github.com/p2pshare/p2pshare/internal/sizes"
	"math"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// maxRatio and maxCopies are beyond what anybody means; what is above them is a slip of the hand.
const (
	maxRatio  = 1e6
	maxCopies = 100_000
)

// policyFlags say when seeding has done its work. of is whose seeding.
func policyFlags(of string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "stop-ratio", Aliases: []string{"ratio"}, Category: groupSeeding, Usage: "stop seeding " + of + " when `R` times its size was sent (1.5; 0: never)"},
		&cli.StringFlag{Name: "stop-time", Category: groupSeeding, Usage: "stop seeding " + of + " after `TIME` of it (90m, 36h, 14d; 0: never)"},
		&cli.StringFlag{Name: "stop-copies", Category: groupSeeding, Usage: "stop seeding " + of + " when `N` other machines have all of it (0: never)"},
	}
}

// readPolicy reads policyFlags into p; what was not given stays.
func readPolicy(c *cli.Context, p node.Policy) (node.Policy, error) {
	if v := c.String("stop-ratio"); v != "" {
		r, err := parseRatio(v)
		if err != nil {
			return p, flagValue("stop-ratio", err)
		}
		p.Ratio = r
	}
	if v := c.String("stop-time"); v != "" {
		d, err := sizes.Duration(v)
		if err != nil {
			return p, flagValue("stop-time", err)
		}
		p.Time = d
	}
	if v := c.String("stop-copies"); v != "" {
		n, err := parseCopies(v)
		if err != nil {
			return p, flagValue("stop-copies", err)
		}
		p.Copies = n
	}
	return p, nil
}

// flagValue says which flag a malformed value was given to.
func flagValue(flag string, err error) error {
	return fault.Hint(usagef("--%s: %w", flag, err), "%s", fault.HintOf(err))
}

func parseRatio(s string) (float64, error) {
	r, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(r) || r < 0 || r > maxRatio {
		return 0, fault.Hint(usagef("%q is not a ratio", s), "write 1.5 for one and a half times the size, or 0 for never")
	}
	return r, nil
}

func parseCopies(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxCopies {
		return 0, fault.Hint(usagef("%q is not a number of copies", s), "write a whole number, or 0 for never")
	}
	return n, nil
}
