package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

type verifyOptions struct {
	request node.VerifyRequest
}

func verifyCommand() command {
	return command{
		name: "verify", group: groupChecks, args: "TORRENT|REF [PATH]", min: 0, max: 2, run: verifyAction,
		summary: "check content on disk, of a torrent or a share",
		about: "Takes a .torrent file (what ends in .torrent or is a path), or a share of the home by its ID, name, infohash or magnet link. " +
			"Hashes the content, which is PATH, the share's own, or lies beside the .torrent file under the torrent's name. Prints OK, or each " +
			"file that has wrong or missing bytes, and then ends with 13. Files that the torrent does not name are " +
			"mentioned and change nothing. Nothing is written.\n\n" +
			"With --receipt, the one argument is PATH, and the content, which else lies beside the receipt, is held against what p2pshare fetch --receipt has written: " +
			"the signature and its proof, and the SHA-256 of every file. No network and no catalog is needed. A file that the receipt does not " +
			"name is an error then. --group says in which group it must have been signed.",
		examples: []example{
			{"content beside the torrent", "p2pshare verify release.torrent"},
			{"a share", "p2pshare verify release"},
			{"content elsewhere", "p2pshare verify release.torrent /srv/files/release"},
			{"what was fetched from a group a year ago", "p2pshare verify --receipt app.receipt ./app --group acme"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitUnverified, exitInterrupted},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "receipt", Category: groupOutput, Usage: "hold the content against the receipt in `FILE`"},
			&cli.StringFlag{Name: "group", Category: groupOutput, Usage: "which must be of `GROUP`: a local name, ID or link"},
		},
	}
}

func verifyAction(ctx context.Context, s *session, c *cli.Context) error {
	receipt := c.String("receipt") != ""
	switch {
	case receipt && c.Args().Len() > 1:
		return fault.Hint(usagef("verify takes no argument %q", c.Args().Get(1)), "with --receipt, the content's path is the only one")
	case receipt:
		return s.verifyReceipt(ctx, c)
	case c.String("group") != "":
		return fault.Hint(usagef("--group is for --receipt"), "p2pshare catalog verify GROUP verifies a catalog")
	case c.Args().Len() == 0:
		return seeHelp(usagef("verify needs TORRENT|REF"), find(s.table, "verify"))
	}
	r := node.VerifyRequest{Data: s.abs(c.Args().Get(1))}
	if what := c.Args().First(); s.isTorrent(what) {
		r.Torrent = s.abs(what)
	} else {
		r.Ref = what
	}
	return runVerify(ctx, s, verifyOptions{r})
}

// isTorrent tells a .torrent file from a share: by its name or a separator in it, or because it is there.
func (s *session) isTorrent(arg string) bool {
	if strings.HasPrefix(arg, "magnet:") {
		return false
	}
	if strings.HasSuffix(arg, ".torrent") || isPath(arg) {
		return true
	}
	info, err := os.Stat(s.abs(arg))
	return err == nil && info.Mode().IsRegular()
}

func runVerify(ctx context.Context, s *session, o verifyOptions) error {
	var v *node.Verified
	err := s.with(ctx, func(b Backend) (err error) {
		v, err = b.Verify(ctx, o.request, s.out.event)
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "nothing was changed")
	}
	if s.out.json {
		o := *v
		o.Bad, o.Extra = append([]node.VerifiedFile{}, v.Bad...), append([]string{}, v.Extra...) // [] rather than null
		s.out.object("verified", o)
	}
	s.out.renamed(v.Renamed)
	for _, x := range v.Extra {
		s.out.say("not in the torrent: %s", printable(x))
	}
	if v.OK {
		s.out.answer(fmt.Sprintf("OK %s: %s", v.Path, counted(v.Files, v.Size)))
		return nil
	}
	for _, bad := range v.Bad {
		s.out.answer(fmt.Sprintf("%s: %s", printable(bad.Path), bad.Problem))
	}
	err = fault.New(fault.Unverified, "%d of %s did not verify: %q", len(v.Bad), plural(v.Files, "file"), v.Path)
	return fault.Hint(err, "p2pshare fetch of the same torrent into another folder gets good ones")
}
