package cli

import (
	"context"
	"fmt"
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
		name: "verify", args: "TORRENT [PATH]", min: 1, max: 2, run: verifyAction,
		summary: "check content on disk against a torrent",
		about: "Hashes the content, which is PATH, or lies beside the .torrent file under the torrent's name. Prints OK, or each " +
			"file that has wrong or missing bytes, and then ends with 13. Files that the torrent does not name are " +
			"mentioned and change nothing. Nothing is written.",
		examples: []example{
			{"content beside the torrent", "p2pshare verify release.torrent"},
			{"content elsewhere", "p2pshare verify release.torrent /srv/files/release"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitUnverified, exitInterrupted},
	}
}

func verifyAction(ctx context.Context, s *session, c *cli.Context) error {
	if t := c.Args().First(); strings.HasPrefix(t, "magnet:") {
		return fault.Hint(usagef("verify needs a .torrent file, and %q is a magnet link", t), "p2pshare fetch checks what is in place already")
	}
	return runVerify(ctx, s, verifyOptions{node.VerifyRequest{Torrent: s.abs(c.Args().Get(0)), Data: s.abs(c.Args().Get(1))}})
}

func runVerify(ctx context.Context, s *session, o verifyOptions) error {
	var v *node.Verified
	err := s.with(ctx, node.Network{}, func(b Backend) (err error) {
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
	for _, x := range v.Extra {
		s.out.say("not in the torrent: %s", printable(x))
	}
	if v.OK {
		s.out.answer(fmt.Sprintf("OK %s: %s", v.Path, counted(v.Files, v.Size)))
		return nil
	}
	for _, bad := range v.Bad {
		s.out.answer(fmt.Sprintf("%s: %s", bad.Path, bad.Problem))
	}
	err = fault.New(fault.Unverified, "%d of %s did not verify: %q", len(v.Bad), plural(v.Files, "file"), v.Path)
	return fault.Hint(err, "p2pshare fetch of the same torrent into another folder gets good ones")
}
