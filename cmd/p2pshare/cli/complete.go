package cli

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
)

// completeWithin is how long the shell may be kept waiting: a user who has pressed TAB notices more.
const completeWithin = 400 * time.Millisecond

// completeCommand is what the completion scripts call. It is no command of the user's, and in no list.
func completeCommand() command {
	return command{name: "__complete", args: "shares", min: 1, max: 1, run: completeAction}
}

// completeAction prints what list --quiet does, or nothing if that would take long or fails: the line that is
// being typed is not the place for errors.
func completeAction(ctx context.Context, s *session, c *cli.Context) error {
	if c.Args().First() != "shares" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	found := make(chan []string, 1)
	go func() { // may outlive the command, and ends with the process
		st, err := s.status(ctx, node.StatusRequest{})
		if err != nil {
			close(found)
			return
		}
		found <- typable(st.Shares)
	}()
	select {
	case words := <-found:
		if len(words) > 0 {
			s.out.path(strings.Join(words, "\n"))
		}
	case <-ctx.Done():
	}
	return nil
}
