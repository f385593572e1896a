package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// bare are the files and folders that may begin goroutines, or take panics, in a way of their own, and why.
var bare = map[string]string{
	"internal/panics/":             "begins them for all others",
	"internal/engine/contained.go": "takes the panics of what the client calls, and logs their stacks",
	"internal/engine/dhtguard.go":  "a packet that panics the decoder is refused, which is what the function is asked",
	"internal/localapi/follow.go":  "is of the command, which ends with it",
	"internal/localapi/conform/":   "a test, for every client of the API",
	"cmd/p2pshare-bench/":          "is a program of its own, which measures other processes",
	"internal/bench/":              "is of a command that measures other processes, and ends with it",
	"integration/":                 "tests' tools",
}

func mayBeBare(path string) bool {
	for b := range bare {
		if path == b || strings.HasSuffix(b, "/") && strings.HasPrefix(path, b) {
			return true
		}
	}
	return false
}

// bareIn are the places in a file from which a panic would end the process: goroutines that are not begun through package
// panics, functions that the standard library calls in goroutines of its own, and recovers that may keep the stack for
// themselves.
func bareIn(f *ast.File) (found []ast.Node) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if lit, ok := n.Call.Fun.(*ast.FuncLit); !guards(n.Call.Fun) && !(ok && catches(lit)) && !isLocalGuard(f, n.Call.Fun) {
				found = append(found, n)
			}
		case *ast.CallExpr:
			switch name := calledName(n); {
			case name == "recover":
				found = append(found, n)
			case name == "Go" && len(n.Args) == 1 && !guarded(n.Args[0]):
				found = append(found, n)
			case name == "AfterFunc" && len(n.Args) == 2 && !guarded(n.Args[1]) && !simple(n.Args[1]):
				found = append(found, n)
			}
		case *ast.KeyValueExpr: // of an http.Transport
			key, ok := n.Key.(*ast.Ident)
			if ok && slices.Contains([]string{"DialContext", "DialTLSContext"}, key.Name) && !guarded(n.Value) && !netDialer(n.Value) {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

// calledName is the last part of what a call calls.
func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// guards says whether an expression is a call that gives a guarded function.
func guards(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	if s, ok := c.Fun.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "panics" {
			return slices.Contains([]string{"Guard", "Caught", "Persist", "Dial"}, s.Sel.Name)
		}
	}
	// The keeper's and the engine's, which are Persist.
	return slices.Contains([]string{"steady", "persist"}, calledName(c))
}

func guarded(e ast.Expr) bool {
	lit, ok := e.(*ast.FuncLit)
	return guards(e) || ok && catches(lit)
}

// catches says whether a function does nothing but to send or keep what panics.Catch gives.
func catches(f *ast.FuncLit) bool {
	if len(f.Body.List) != 1 {
		return false
	}
	var of ast.Expr
	switch s := f.Body.List[0].(type) {
	case *ast.SendStmt:
		of = s.Value
	case *ast.AssignStmt:
		of = s.Rhs[0]
	}
	c, ok := of.(*ast.CallExpr)
	if !ok || calledName(c) != "Catch" {
		return false
	}
	x, ok := c.Fun.(*ast.SelectorExpr)
	return ok && x.X.(*ast.Ident).Name == "panics"
}

// isLocalGuard says whether e is a variable of the file's that was made by panics.Guard.
func isLocalGuard(f *ast.File, e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	is := false
	ast.Inspect(f, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 && len(a.Rhs) == 1 {
			if l, ok := a.Lhs[0].(*ast.Ident); ok && l.Name == id.Name && l.Obj == id.Obj && guards(a.Rhs[0]) {
				is = true
			}
		}
		return true
	})
	return is
}

// simple says whether a function does nothing but to close, cancel, stop, send, or set a deadline.
func simple(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return strings.EqualFold(e.Sel.Name, "close")
	case *ast.Ident:
		return e.Name == "cancel"
	}
	lit, ok := e.(*ast.FuncLit)
	if !ok || len(lit.Body.List) != 1 {
		return false
	}
	var of ast.Expr
	switch s := lit.Body.List[0].(type) {
	case *ast.SendStmt:
		return true
	case *ast.ExprStmt:
		of = s.X
	case *ast.AssignStmt:
		of = s.Rhs[0]
	}
	c, ok := of.(*ast.CallExpr)
	return ok && slices.Contains([]string{"Close", "close", "cancel", "Stop", "SetReadDeadline"}, calledName(c))
}

// netDialer says whether e is the method of a net.Dialer that was just made.
func netDialer(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "DialContext" {
		return false
	}
	p, ok := s.X.(*ast.ParenExpr)
	return ok && p != nil
}

// TestNoPanicEndsTheProcess: whatever runs in a goroutine of its own is begun through package panics, so that a panic costs
// what it happened in and is logged with its stack.
func TestNoPanicEndsTheProcess(t *testing.T) {
	used := map[string]bool{}
	for _, f := range source(t) {
		if f.test {
			continue
		}
		found := bareIn(f.ast)
		if mayBeBare(f.path) {
			for b := range bare {
				if len(found) > 0 && strings.HasPrefix(f.path, b) {
					used[b] = true
				}
			}
			continue
		}
		for _, n := range found {
			t.Errorf("%s: a panic here ends the process, or hides its stack: panics.Guard, Persist, Caught and Group are there for it", f.set.Position(n.Pos()))
		}
	}
	for b, why := range bare {
		if !used[b] {
			t.Errorf("%s is excepted (%s), and needs it no more", b, why)
		}
	}
}

// TestBareIsFound tries what TestNoPanicEndsTheProcess looks for.
func TestBareIsFound(t *testing.T) {
	for code, want := range map[string]int{
		`go f()`:                                                       1,
		`go x.f()`:                                                     1,
		`go func() { f() }()`:                                          1,
		`go func() { c <- f() }()`:                                     1,
		`go panics.Guard(f, failed)()`:                                 0,
		`go func() { c <- panics.Catch(f) }()`:                         0,
		`go func() { g(); c <- panics.Catch(f) }()`:                    1,
		`g := panics.Guard(f, failed); go g()`:                         0,
		`g := f; go g()`:                                               1,
		`wg.Go(f)`:                                                     1,
		`x.wg.Go(func() { f() })`:                                      1,
		`wg.Go(panics.Guard(f, failed))`:                               0,
		`g.Go(func() error { return f() })`:                            1,
		`g.Go(panics.Caught(f))`:                                       0,
		`wg.Go(k.steady("x", f))`:                                      0,
		`wg.Go(func() { k.steady("x", f) })`:                           1,
		`group.Start(f)`:                                               0,
		`time.AfterFunc(d, f)`:                                         1,
		`time.AfterFunc(d, func() { s.f() })`:                          1,
		`time.AfterFunc(d, panics.Guard(f, failed))`:                   0,
		`context.AfterFunc(ctx, func() { c.Close() })`:                 0,
		`context.AfterFunc(ctx, func() { cancel(err) })`:               0,
		`defer func() { recover() }()`:                                 1,
		`_ = http.Transport{DialContext: d.dial}`:                      1,
		`_ = http.Transport{DialContext: panics.Dial(d.dial)}`:         0,
		`_ = http.Transport{DialContext: (&net.Dialer{}).DialContext}`: 0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc _() {\n"+code+"\n}\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(bareIn(f)); got != want {
			t.Errorf("%s: got %d places, want %d", code, got, want)
		}
	}
}
