package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// bare are the files and folders that may start goroutines, or recover from panics, without package panics, and why.
var bare = map[string]string{
	"internal/panics/":             "starts them for all others",
	"internal/engine/contained.go": "recovers panics in the client's calls, and logs their stacks",
	"internal/engine/dhtguard.go":  "reports whether a packet makes the decoder panic",
	"internal/localapi/follow.go":  "runs in the command, which ends with it",
	"internal/localapi/conform/":   "a test for clients of the API",
	"cmd/p2pshare-bench/":          "a separate program that measures other processes",
	"internal/bench/":              "part of a command that measures other processes, and ends with it",
	"integration/":                 "tools of tests",
}

func mayBeBare(path string) bool {
	for b := range bare {
		if path == b || strings.HasSuffix(b, "/") && strings.HasPrefix(path, b) {
			return true
		}
	}
	return false
}

// bareIn returns the places in a file where a panic would end the process: goroutines that are not started through package
// panics, functions that the standard library calls in its own goroutines, and recovers that may discard the stack.
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

// calledName returns the last part of the name of the called function.
func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// guards says whether an expression is a call that returns a guarded function.
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
	// Those of the keeper and the engine, which wrap Persist.
	return slices.Contains([]string{"steady", "persist"}, calledName(c))
}

func guarded(e ast.Expr) bool {
	lit, ok := e.(*ast.FuncLit)
	return guards(e) || ok && catches(lit)
}

// catches says whether a function only sends or stores the result of panics.Catch.
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

// isLocalGuard says whether e is a variable of the file that was set by panics.Guard.
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

// simple says whether a function only closes, cancels, stops, sends, or sets a deadline.
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

// netDialer says whether e is the method of a net.Dialer literal.
func netDialer(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "DialContext" {
		return false
	}
	p, ok := s.X.(*ast.ParenExpr)
	return ok && p != nil
}

// TestNoPanicEndsTheProcess checks that every goroutine is started through package panics, so that a panic costs only what it
// happened in and is logged with its stack.
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
			t.Errorf("%s: a panic here ends the process, or loses its stack: use panics.Guard, Persist, Caught or Group", f.set.Position(n.Pos()))
		}
	}
	for b, why := range bare {
		if !used[b] {
			t.Errorf("%s is exempt (%s), but no longer needs to be", b, why)
		}
	}
}

// TestBareIsFound tests the check of TestNoPanicEndsTheProcess.
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
