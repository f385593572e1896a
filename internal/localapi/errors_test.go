//go:build unix

package localapi_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// kinds is how many kinds package fault has, read from its source, so that a new one is not forgotten here.
func kinds(t *testing.T) int {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../fault/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		if id, ok := g.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident); ok && id.Name == "Kind" {
			return len(g.Specs)
		}
	}
	t.Fatal("package fault has no constants of type Kind")
	return 0
}

func TestErrors(t *testing.T) {
	tests := map[string]error{
		"plain":           errors.New("plain"),
		"a hint alone":    fault.Hint(errors.New("e"), "do %q", "this"),
		"hint below":      fmt.Errorf("doing: %w", fault.Hint(fault.New(fault.Denied, "inner"), "the way out")),
		"outer kind wins": &fault.Error{Kind: fault.Timeout, Err: fault.Hint(fault.New(fault.NotFound, "n"), "h")},
		"odd characters":  fault.Hint(fault.New(fault.Usage, "a\n\"b\" <c> & \x1b[31m é \u202e"), "h\x00"),
		"canceled":        fmt.Errorf("w: %w", context.Canceled),
		"deadline":        fault.New(fault.Timeout, "w: %w", context.DeadlineExceeded),
		"a password":      seal.WrongPassword(),
		"the group's":     seal.WrongGroupPassword(),
	}
	for k := range kinds(t) {
		tests[fmt.Sprintf("kind %d", k)] = fault.Hint(fault.New(fault.Kind(k), "of kind %d", k), "hint %d", k)
		tests[fmt.Sprintf("kind %d without a hint", k)] = fault.New(fault.Kind(k), "of kind %d", k)
	}
	f := &fake{}
	c := serve(t, f, "v").dial(t, "v")
	calls := map[string]func() error{
		"publish": func() error { return c.Publish(t.Context(), node.PublishRequest{}, ignore) },
		"fetch":   func() error { return c.Fetch(t.Context(), node.FetchRequest{}, ignore) },
		"seed":    func() error { return c.Seed(t.Context(), node.SeedRequest{}, ignore) },
		"repair":  func() error { return c.Repair(t.Context(), node.RepairRequest{}, ignore) },
		"verify":  func() error { _, err := c.Verify(t.Context(), node.VerifyRequest{}, ignore); return err },
		"doctor":  func() error { _, err := c.Doctor(t.Context(), node.DoctorRequest{}, ignore); return err },
		"group":   func() error { _, err := c.Group(t.Context(), node.GroupRequest{}, ignore); return err },
		"catalog": func() error { _, err := c.Catalog(t.Context(), node.CatalogRequest{}, ignore); return err },
		"status":  func() error { _, err := c.Status(t.Context(), node.StatusRequest{}); return err },
		"change":  func() error { _, err := c.Change(t.Context(), node.ChangeRequest{}); return err },
		"remove":  func() error { _, err := c.Remove(t.Context(), node.RemoveRequest{}); return err },
		"limit":   func() error { _, err := c.Limit(t.Context(), node.LimitRequest{}); return err },
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			f.err = want
			for call, do := range calls {
				got := do()
				if got == nil {
					t.Fatalf("%s: got no error, want %v", call, want)
				}
				if got.Error() != want.Error() || fault.KindOf(got) != fault.KindOf(want) || fault.HintOf(got) != fault.HintOf(want) {
					t.Errorf("%s: got %q, kind %d, hint %q, want %q, kind %d, hint %q", call,
						got, fault.KindOf(got), fault.HintOf(got), want, fault.KindOf(want), fault.HintOf(want))
				}
				for _, cause := range []error{context.Canceled, context.DeadlineExceeded, seal.ErrPassword} {
					if errors.Is(got, cause) != errors.Is(want, cause) {
						t.Errorf("%s: errors.Is %v: got %v, want %v", call, cause, errors.Is(got, cause), errors.Is(want, cause))
					}
				}
			}
		})
	}
	f.err = nil
	for call, do := range calls {
		if err := do(); err != nil {
			t.Errorf("%s without an error: got %v", call, err)
		}
	}
}
