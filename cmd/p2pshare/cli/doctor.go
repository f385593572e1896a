package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
)

type doctorOptions struct {
	request node.DoctorRequest
	network node.Network
}

func doctorCommand() command {
	return command{
		name: "doctor", group: groupShares, args: "[REF...]", max: -1, run: doctorAction,
		summary: "say why nothing moves, and what helps",
		about: "Looks at the port, the local network, the DHT, the clock, disks, limits and the shares that REFs name, or all " +
			"that do not move, and says in plain sentences what is wrong and which command helps, the gravest first. " +
			"It asks the daemon to look if one runs, and otherwise looks itself, listening for a moment with the " +
			"network settings given. Changes nothing. Ends with 1 if something keeps everything, or a share, from moving.",
		examples: []example{
			{"everything", "p2pshare doctor"},
			{"why one fetch stands still", "p2pshare doctor release"},
		},
		exits: []int{exitDone, exitFailed, exitUsage, exitNotFound, exitInterrupted},
		flags: networkFlags("look whether the tracker `URL` answers too; may be repeated"),
	}
}

func doctorAction(ctx context.Context, s *session, c *cli.Context) error {
	network, err := s.readNetwork(c)
	if err != nil {
		return err
	}
	if network.Trackers, err = readTrackers(c); err != nil {
		return err
	}
	return runDoctor(ctx, s, doctorOptions{network: network, request: node.DoctorRequest{Refs: s.refs(c.Args().Slice())}})
}

func runDoctor(ctx context.Context, s *session, o doctorOptions) error {
	var d node.Diagnosis
	err := s.withSettings(ctx, Settings{Network: o.network}, func(b Backend) error {
		found, err := b.Doctor(ctx, o.request, s.out.event)
		if err != nil {
			return err
		}
		d = *found
		if !b.Daemon() {
			return nil
		}
		st, err := b.Status(ctx, node.StatusRequest{})
		if err != nil {
			return err
		}
		if own := buildVersion(s.env.Version); st.Version != own {
			d.Findings = append(d.Findings, otherVersion(own, st.Version))
		} else {
			d.Looked = append(d.Looked, "the daemon is of this version, "+own)
		}
		return nil
	})
	if err != nil {
		return interrupted(ctx, err, "nothing was changed")
	}
	return showDiagnosis(s, d)
}

// otherVersion is the finding that only this end can make.
func otherVersion(own, daemon string) node.Finding {
	return node.Finding{
		Code: "daemon-version",
		What: fmt.Sprintf("the daemon is p2pshare %s, and this is %s: what is new in one is not in the other", daemon, own),
		Do:   "end the daemon and start it with this p2pshare: systemctl --user restart p2pshare, or p2pshare daemon --detach",
	}
}

func showDiagnosis(s *session, d node.Diagnosis) error {
	if s.out.json {
		d.Findings, d.Looked = append([]node.Finding{}, d.Findings...), append([]string{}, d.Looked...) // [] rather than null
		s.out.object("diagnosis", d)
	}
	for _, l := range d.Looked {
		s.out.say("well: %s", printable(l))
	}
	grave := 0
	for _, f := range d.Findings {
		mark := "slow"
		if f.Grave {
			mark = "STOP"
			grave++
		}
		of := ""
		if f.Share != "" {
			of = fmt.Sprintf("%q: ", f.Share)
		}
		s.out.answer(fmt.Sprintf("%s %s: %s%s", mark, f.Code, of, f.What))
		if f.Do != "" {
			s.out.answer("  do: " + f.Do)
		}
	}
	switch {
	case grave > 0:
		return fmt.Errorf("doctor found %s that must be mended", plural(grave, "thing"))
	case len(d.Findings) == 0:
		s.out.answer("OK: nothing was found that keeps anything from moving")
	}
	return nil
}
