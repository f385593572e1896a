package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// completeWithin is how long the shell may be kept waiting: a user who has pressed TAB notices more.
const completeWithin = 400 * time.Millisecond

// The kinds of names that are completed.
const (
	kindShares  = "shares"
	kindGroups  = "groups"
	kindEntries = "entries" // GROUP/ and, behind it, GROUP/NAME and GROUP/NAME@VERSION
)

// completeCommand is what the completion scripts call. It is no command of the user's, and in no list.
func completeCommand() command {
	return command{name: "__complete", args: "KIND [TYPED]", min: 1, max: 2, run: completeAction}
}

// completeAction prints names of a kind, one a line, or nothing if that would take long or fails: the line that is
// being typed is not the place for errors.
func completeAction(ctx context.Context, s *session, c *cli.Context) error {
	ask := map[string]func(context.Context, string) ([]string, error){
		kindShares: s.completeShares, kindGroups: s.completeGroups, kindEntries: s.completeEntries,
	}[c.Args().First()]
	if ask == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	found := make(chan []string, 1)
	go panics.Guard(func() { // may outlive the command, and ends with the process
		words, err := ask(ctx, c.Args().Get(1))
		if err != nil {
			words = nil
		}
		found <- words
	}, func(*panics.Error) { found <- nil })() // the line that is typed is no place for it
	select {
	case words := <-found:
		words = slices.DeleteFunc(words, func(w string) bool { return w == "" || printable(w) != w })
		if len(words) > 0 {
			s.out.path(strings.Join(words, "\n"))
		}
	case <-ctx.Done():
	}
	return nil
}

// completeShares are what list --quiet prints.
func (s *session) completeShares(ctx context.Context, _ string) ([]string, error) {
	st, err := s.status(ctx, node.StatusRequest{})
	if err != nil {
		return nil, err
	}
	return typable(st.Shares), nil
}

func (s *session) completeGroups(ctx context.Context, _ string) (names []string, err error) {
	err = s.with(ctx, func(b Backend) error {
		a, err := groupOf(b.Group(ctx, node.GroupRequest{List: &struct{}{}, Offline: true}, func(node.Event) {}))
		if err != nil {
			return err
		}
		for _, x := range a.Groups {
			names = append(names, x.Name)
		}
		return nil
	})
	return names, err
}

// completeEntries are the groups until one is typed, then its names, and behind an @ the versions.
func (s *session) completeEntries(ctx context.Context, typed string) ([]string, error) {
	group, rest, named := strings.Cut(typed, "/")
	if !named {
		names, err := s.completeGroups(ctx, "")
		for i := range names {
			names[i] += "/"
		}
		return names, err
	}
	versions := strings.Contains(rest, "@")
	var words []string
	err := s.with(ctx, func(b Backend) error {
		a, err := catalogOf(b.Catalog(ctx, node.CatalogRequest{Group: group, List: &node.ListCatalog{All: versions}, Offline: true}, func(node.Event) {}))
		if err != nil {
			return err
		}
		for _, e := range a.Entries {
			word := group + "/" + e.Name
			if versions && e.Version != "" {
				word += "@" + e.Version
			}
			words = append(words, word)
		}
		return nil
	})
	return words, err
}
