package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

func allFlag(what string) cli.Flag {
	return &cli.BoolFlag{Name: "all", Category: groupOutput, Usage: what + " every share"}
}

func stopCommand() command {
	return command{
		name: "stop", group: groupShares, args: "REF...", max: -1, run: func(ctx context.Context, s *session, c *cli.Context) error { return changeAction(ctx, s, c, false) },
		summary: "stop shares, which stay known",
		about: "A stopped share is neither sent nor received, and stays so when the daemon is started again, until p2pshare start. " +
			"A fetch that is stopped keeps what it has. " + refText,
		examples: []example{{"one", "p2pshare stop release"}, {"all", "p2pshare stop --all"}},
		exits:    []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse},
		flags:    []cli.Flag{allFlag("stop")},
	}
}

func startCommand() command {
	return command{
		name: "start", group: groupShares, args: "REF...", max: -1, run: func(ctx context.Context, s *session, c *cli.Context) error { return changeAction(ctx, s, c, true) },
		summary: "start shares that were stopped or have failed",
		about: "Content that may have changed since is checked first, in the background. Where no daemon runs, the share is started " +
			"with the next one. " + refText,
		examples: []example{{"one", "p2pshare start release"}, {"all", "p2pshare start --all"}},
		exits:    []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse},
		flags:    []cli.Flag{allFlag("start")},
	}
}

// chosen reads which shares are meant: REFs, or --all.
func (s *session) chosen(c *cli.Context) (refs []string, all bool, err error) {
	refs, all = s.refs(c.Args().Slice()), c.Bool("all")
	switch {
	case all && len(refs) > 0:
		return nil, false, fault.Hint(usagef("--all and %q contradict each other", c.Args().First()), "leave one of them out")
	case !all && len(refs) == 0:
		return nil, false, fault.Hint(usagef("%s needs REF...", c.Command.Name), "p2pshare list shows what there is; --all is every share")
	}
	return refs, all, nil
}

func changeAction(ctx context.Context, s *session, c *cli.Context, run bool) error {
	refs, all, err := s.chosen(c)
	if err != nil {
		return err
	}
	var list []node.Share
	resting := false
	err = s.with(ctx, func(b Backend) (err error) {
		resting = !b.Daemon()
		list, err = b.Change(ctx, node.ChangeRequest{Refs: refs, All: all, Run: run})
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare list shows what was changed")
	}
	s.changed("changed", list)
	for _, x := range list {
		s.out.answer(shareName(x) + ": " + stateText(x))
	}
	if run && resting && len(list) > 0 {
		s.out.say("no daemon runs: they start with it (p2pshare daemon --detach)")
	}
	return nil
}

func (s *session) changed(kind string, list []node.Share) {
	if s.out.json {
		s.out.object(kind, struct {
			Shares []shareObject `json:"shares"`
		}{shareObjects(list)})
	}
}

func removeCommand() command {
	return command{
		name: "remove", group: groupShares, args: "REF...", max: -1, run: removeAction,
		summary: "forget shares; their files stay",
		about: "A share that is removed is no longer sent, received or known. Its files stay where they are, and the command says where; " +
			"only what a fetch has not finished goes with it. " +
			"--data removes its files too, those that the torrent names and no others: it asks first on a terminal, and needs --yes " +
			"elsewhere. A file that was put in the place of one of them stays, and is named; a damaged one goes. What the mirror of a group has fetched it does not fetch again before the next p2pshare group follow. " + refText,
		examples: []example{
			{"end a share and keep its files", "p2pshare remove release"},
			{"and remove its files", "p2pshare remove release --data"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInUse, exitInterrupted},
		flags: []cli.Flag{
			allFlag("remove"),
			&cli.BoolFlag{Name: "data", Category: groupOutput, Usage: "remove their files too; asks first"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Category: groupOutput, Usage: "do not ask"},
		},
	}
}

func removeAction(ctx context.Context, s *session, c *cli.Context) error {
	refs, all, err := s.chosen(c)
	if err != nil {
		return err
	}
	data, yes := c.Bool("data"), c.Bool("yes")
	if data && !yes && s.env.Ask == nil {
		return fault.Hint(usagef("--data removes files, and nobody is here to be asked"), "add --yes if that is what you want")
	}
	r := node.RemoveRequest{Refs: refs, All: all, Data: data}
	var list []node.Share
	err = s.with(ctx, func(b Backend) (err error) {
		if data && !yes {
			if r, err = s.confirmed(ctx, b, r); err != nil {
				return err
			}
		}
		list, err = b.Remove(ctx, r)
		return err
	})
	if err != nil {
		return interrupted(ctx, err, "p2pshare list shows what is left")
	}
	s.changed("removed", list)
	for _, x := range list {
		s.out.answer(removedLine(x, data))
		s.out.listed(len(x.Stays), func(i int) string { return printable(x.Stays[i]) + " stays: it is not what was shared" })
		if x.Mirror {
			s.out.say("its mirror does not fetch %s again, until p2pshare group follow is given anew", shareName(x))
		}
	}
	return nil
}

func removedLine(x node.Share, data bool) string {
	line := "removed " + shareName(x)
	switch {
	case x.Path == "" || x.Files == 0: // nothing of it has come yet
		return line
	case unfinished(x):
		return line + " and what was fetched of it so far"
	case data && x.Absent:
		return line + "; none of its files were at " + x.Path
	case data && len(x.Stays) > 0:
		return line + " and its files but " + plural(len(x.Stays), "other") + " in their place: " + x.Path
	case data:
		return line + " and its files: " + x.Path
	}
	return line + "; its files stay in " + x.Path
}

func unfinished(x node.Share) bool { return x.Kind == "fetch" && x.Done.IsZero() }

// confirmed asks whether files may be removed, and gives back a request for exactly the shares that were shown: a
// name could mean another one by then.
func (s *session) confirmed(ctx context.Context, b Backend, r node.RemoveRequest) (node.RemoveRequest, error) {
	st, err := b.Status(ctx, node.StatusRequest{Refs: r.Refs})
	if err != nil {
		return r, err
	}
	if len(st.Shares) == 0 {
		return r, nil // the backend says that there is none, or removes none of none
	}
	asked := node.RemoveRequest{Data: true}
	var q strings.Builder
	files, size := 0, int64(0)
	for _, x := range st.Shares {
		asked.Refs = append(asked.Refs, x.ID)
		files, size = files+x.Files, size+x.Size
		what := cmp.Or(x.Path, x.Name, x.ID)
		if unfinished(x) { // its path is only where it would be
			what = shareName(x) + " (what was fetched of it so far)"
		}
		fmt.Fprintf(&q, "  %s\n", printable(what))
	}
	q.WriteString(fmt.Sprintf("Remove %s from the disk for good (%s)? [y/N] ", plural(len(st.Shares), "share")+" and "+theirFiles(len(st.Shares)), counted(files, size)))
	answer, err := s.env.Ask(ctx, q.String())
	if err != nil {
		return r, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return asked, nil
	}
	return r, fault.Hint(errors.New("nothing was removed: the answer was not yes"), "without --data, the share is removed and its files stay")
}

func theirFiles(n int) string {
	if n == 1 {
		return "its files"
	}
	return "their files"
}
