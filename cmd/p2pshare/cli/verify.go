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
		name: "verify", group: groupChecks, args: "TORRENT|REF [PATH]", min: 1, max: 2, run: verifyAction,
		summary: "check content on disk, of a torrent or a share",
		about: "Takes a .torrent file (what ends in .torrent or is a path), or a share of the home by its ID, name, infohash or magnet link. " +
			"Hashes the content, which is PATH, the share's own, or lies beside the .torrent file under the torrent's name. Prints OK, or each " +
			"file that has wrong or missing bytes, and then ends with 13. Files that the torrent does not name are " +
			"mentioned and change nothing. Nothing is written.",
		examples: []example{
			{"content beside the torrent", "p2pshare verify release.torrent"},
			{"a share", "p2pshare verify release"},
			{"content elsewhere", "p2pshare verify release.torrent /srv/files/release"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitUnverified, exitInterrupted},
	}
}

func verifyAction(ctx context.Context, s *session, c *cli.Context) error {
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
