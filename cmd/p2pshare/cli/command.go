package cli

import (
	"context"

	"github.com/urfave/cli/v2"
)

// command is an entry of the table that parsing, help, man page and completion are made from.
type command struct {
	name     string // of one word, or of several with a space between them
	group    string // of the overview
	args     string // what stands after the name in the usage line
	needs    string // what that can be, for who has left it out; may be empty
	summary  string // half a sentence
	about    string // paragraphs
	examples []example
	exits    []int
	flags    []cli.Flag // its own; the common ones are added
	min, max int        // number of arguments; max -1: any
	run      func(ctx context.Context, s *session, c *cli.Context) error
}

type example struct{ does, line string }

// commands is the table, in the order of help.
func commands() []command {
	return []command{
		publishCommand(), fetchCommand(), seedCommand(),
		groupCreateCommand(), groupJoinCommand(), groupLeaveCommand(), groupListCommand(), groupShowCommand(), groupLinkCommand(), groupPasswdCommand(),
		groupLogCommand(), groupAuditCommand(), groupFollowCommand(), groupRestoreCommand(),
		userAddCommand(), userListCommand(), userRoleCommand(), userExpireCommand(), userTeamsCommand(), userDevicesCommand(), userRemoveCommand(), deviceListCommand(), deviceRemoveCommand(),
		ruleAddCommand(), ruleListCommand(), ruleRemoveCommand(), ruleTestCommand(),
		ownerKeyCommand(), ownerAddCommand(), ownerRemoveCommand(), ownerRotateCommand(), ownerThresholdCommand(), ownerSignCommand(),
		ownerLockCommand(), ownerExportCommand(), ownerImportCommand(),
		catalogListCommand(), catalogShowCommand(), catalogVerifyCommand(), catalogExportCommand(), catalogImportCommand(), dropCommand(),
		daemonCommand(), statusCommand(), listCommand(), stopCommand(), startCommand(), removeCommand(), repairCommand(), limitCommand(),
		verifyCommand(), lintCommand(),
		doctorCommand(), logCommand(),
		configCommand(), completionCommand(), manCommand(), helpCommand(), versionCommand(),
	}
}

// level is what the words mean that several commands begin with.
type level struct{ summary, about string }

func levels() map[string]level {
	return map[string]level{
		"group": {"make, join and look after groups",
			"A group is a signed catalog that people follow: they join it once by its link, and fetch by name from then on. In a public group the link is enough; " +
				"a private group takes a password as well, and nobody else gets a byte, a name or a hint of it. Admins say who publishes; nobody has to be online but one member."},
		"group user":   {"say who is in a group, and in which role", "An account is a person or a machine that publishes or reads. The admins add and remove them."},
		"group device": {"look at the machines of a group", "Each machine signs with a key of its own, which its account vouches for."},
		"group rule":   {"say who may publish and read what", "Rules are asked in their order, and the first that speaks of an account and a path decides. Where none does, publishers may publish and everyone may read."},
		"group owner":  {"change who owns a group", "Owners sign the root of a group: who owns it and who its admins are. With a threshold of two or more, a change goes from owner to owner as a draft in a file."},
		"catalog":      {"look at what a group shares", "The catalog of a group is what its publishers have signed, as this machine has it: a daemon keeps it up to date with the members, and every fetch by name looks first what is new."},
	}
}

// The groups of the overview.
const (
	groupTransfers = "Share and get"
	groupGroups    = "Groups and their catalogs"
	groupShares    = "What the home keeps"
	groupChecks    = "Look at content and torrents"
	groupProgram   = "The program"
)

const (
	groupCommon  = "Everywhere"
	groupNetwork = "Network"
	groupTorrent = "The torrent"
	groupEntry   = "The group"
	groupMember  = "Member and keys"
	groupOutput  = "What is written"
	groupSeeding = "When seeding ends"
	groupDaemon  = "The daemon"
)

func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "home", Category: groupCommon, Usage: "keep state in `DIR` (default: $XDG_STATE_HOME/p2pshare, or ~/.local/state/p2pshare)"},
		&cli.StringFlag{Name: "config", Category: groupCommon, Usage: "read settings from `FILE` (default: $XDG_CONFIG_HOME/p2pshare/config.toml, or ~/.config/p2pshare/config.toml)"},
		&cli.BoolFlag{Name: "json", Category: groupCommon, Usage: "write JSON to stdout, one object a line, and nothing to stderr but the log"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: groupCommon, Usage: "write nothing but the answer and errors"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupCommon, Usage: "write the log to stderr"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Category: groupCommon, Usage: "show help"},
	}
}

// networkFlags are those of commands that meet peers. tracker is the usage of --tracker, which means
// more to publish.
func networkFlags(tracker string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen", Category: groupNetwork, Usage: "listen on the address `HOST` (default: every address)"},
		&cli.IntFlag{Name: "port", Category: groupNetwork, Usage: "listen on TCP and UDP port `N`", DefaultText: "a free one"},
		&cli.StringSliceFlag{Name: "peer", Category: groupNetwork, Usage: "connect to the peer `HOST:PORT`; may be repeated"},
		&cli.StringSliceFlag{Name: "tracker", Category: groupNetwork, Usage: tracker},
		&cli.StringSliceFlag{Name: "insecure-tracker", Category: groupNetwork, Usage: "do not verify the certificate of https trackers at `HOST`; may be repeated"},
		&cli.StringSliceFlag{Name: "allow-net", Category: groupNetwork, Usage: "web seeds, trackers and sources that others name may be at the private addresses of `NET` (10.0.0.0/8); may be repeated"},
		&cli.BoolFlag{Name: "no-dht", Category: groupNetwork, Usage: "do not use the DHT"},
		&cli.StringSliceFlag{Name: "dht-node", Category: groupNetwork, Usage: "enter the DHT at `HOST:PORT` instead of the public nodes; may be repeated"},
		&cli.BoolFlag{Name: "no-lan", Category: groupNetwork, Usage: "do not look for peers on the local network"},
		&cli.StringFlag{Name: "max-up", Category: groupNetwork, Usage: "send at most `RATE` (2M/s, 1MiB, 80Mbit)"},
		&cli.StringFlag{Name: "max-down", Category: groupNetwork, Usage: "receive at most `RATE`"},
		&cli.BoolFlag{Name: "utp", Category: groupNetwork, Usage: "use uTP besides TCP: slower, gets through more routers"},
		&cli.BoolFlag{Name: "no-upnp", Category: groupNetwork, Usage: "do not ask the router to open the port"},
		&cli.StringFlag{Name: "super-seed", Category: groupNetwork, Value: "auto", Usage: "`WHEN` each peer is shown a few pieces at a time: auto (while no two others have everything), on or off"},
	}
}

func (c command) allFlags() []cli.Flag {
	return append(append([]cli.Flag{}, c.flags...), commonFlags()...)
}

// newApp is the table as urfave/cli sees it. act is what runs for a command.
func newApp(table []command, act func(command) cli.ActionFunc) *cli.App {
	app := &cli.App{
		Name: "p2pshare", Usage: tagline, Description: overviewText,
		// Help is ours (help.go), and no value is split at its commas: URLs and globs hold some.
		HideHelp: true, HideVersion: true, DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {}, // else it ends the process itself
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return err },
	}
	for _, c := range table {
		app.Commands = append(app.Commands, &cli.Command{
			Name: c.name, Usage: c.summary, ArgsUsage: c.args, Description: c.about, Flags: c.allFlags(),
			HideHelp: true, Action: act(c),
			OnUsageError: func(_ *cli.Context, err error, _ bool) error { return err },
		})
	}
	return app
}
