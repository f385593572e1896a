package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

const enginePath = "github.com/anacrolix/torrent"

func versionCommand() command {
	return command{
		name: "version", group: groupProgram, run: versionAction, summary: "show the version of p2pshare, of Go and of the engine",
		about:    "Prints what a bug report needs. p2pshare --version does the same.",
		examples: []example{{"for scripts", "p2pshare version --json"}},
		exits:    []int{exitDone, exitUsage},
	}
}

func versionAction(_ context.Context, s *session, _ *cli.Context) error {
	v := struct {
		P2pshare string `json:"p2pshare"`
		Go       string `json:"go"`
		Engine   string `json:"engine"`
		System   string `json:"system"`
	}{buildVersion(s.env.Version), runtime.Version(), engineVersion(), runtime.GOOS + "/" + runtime.GOARCH}
	if s.out.json {
		s.out.object("version", v)
		return nil
	}
	s.out.answer(fmt.Sprintf("p2pshare %s (%s %s, %s, %s)", v.P2pshare, enginePath, v.Engine, v.Go, v.System))
	return nil
}

// buildVersion is the version given at the build, else what the Go toolchain knows of the module.
func buildVersion(given string) string {
	if given != "" {
		return given
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func engineVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == enginePath {
				return d.Version
			}
		}
	}
	return "unknown"
}
