package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// mutation is one change of a source file: text replaces the bytes from begin to end.
type mutation struct {
	file       string // path, relative to the module
	line       int
	begin, end int
	text       string
	what       string // for people and equivalent.txt: the change with surrounding code, without the line number
}

// apply returns the changed source.
func (m mutation) apply(src []byte) []byte {
	return slices.Concat(src[:m.begin], []byte(m.text), src[m.end:])
}

// swaps maps operators to their replacements.
var swaps = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD,
}

// mutations lists the possible changes of a file, sorted by position.
func mutations(name string, src []byte) ([]mutation, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	c := &collector{name: name, src: src, set: set}
	ast.Inspect(tree, c.visit)
	slices.SortStableFunc(c.out, func(a, b mutation) int { return a.begin - b.begin })
	return c.out, nil
}

type collector struct {
	name string
	src  []byte
	set  *token.FileSet
	out  []mutation
}

func (c *collector) at(p token.Pos) int { return c.set.Position(p).Offset }

func (c *collector) code(n ast.Node) string {
	s := strings.Join(strings.Fields(string(c.src[c.at(n.Pos()):c.at(n.End())])), " ")
	if r := []rune(s); len(r) > 70 {
		s = string(r[:70]) + "…"
	}
	return s
}

// replace adds a change of a node's whole text; around identifies it in the file.
func (c *collector) replace(n, around ast.Node, text, format string, args ...any) {
	c.out = append(c.out, mutation{c.name, c.set.Position(n.Pos()).Line, c.at(n.Pos()), c.at(n.End()), text,
		fmt.Sprintf(format, args...) + " in " + c.code(around)})
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		cond := string(c.src[c.at(n.Cond.Pos()):c.at(n.Cond.End())])
		// The condition stays in the code, so that everything it uses stays used.
		c.replace(n.Cond, n.Cond, "false && ("+cond+")", "never")
		if n.Else != nil {
			c.replace(n.Cond, n.Cond, "true || ("+cond+")", "always")
		}
	case *ast.CaseClause:
		for _, e := range n.List {
			if _, ok := e.(*ast.BinaryExpr); ok {
				c.replace(e, e, "false && ("+string(c.src[c.at(e.Pos()):c.at(e.End())])+")", "never")
			}
		}
	case *ast.BinaryExpr:
		// "never" already covers checks of errors.
		if id, isNil := n.Y.(*ast.Ident); isNil && id.Name == "nil" {
			break
		}
		if to, ok := swaps[n.Op]; ok {
			at := c.at(n.OpPos)
			c.out = append(c.out, mutation{c.name, c.set.Position(n.OpPos).Line, at, at + len(n.Op.String()), to.String(),
				fmt.Sprintf("%s for %s in %s", to, n.Op, c.code(n))})
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			c.replace(n, n, string(c.src[c.at(n.X.Pos()):c.at(n.X.End())]), "no !")
		}
	case *ast.ReturnStmt:
		for _, r := range n.Results {
			if id, ok := r.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") {
				c.replace(r, n, map[string]string{"true": "false", "false": "true"}[id.Name], "the other answer")
			}
		}
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); ok && !logs(call) {
			c.replace(n, n, "", "without the call")
		}
	case *ast.DeferStmt:
		if !logs(n.Call) && !unlocks(n.Call) {
			c.replace(n, n, "", "without the call")
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) == 2 && (id.Name == "min" || id.Name == "max") {
			c.replace(n, n, c.text(n.Args[0]), "without the bound")
		}
	case *ast.CompositeLit:
		for i, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if _, field := kv.Key.(*ast.Ident); field && n.Type != nil && !isMap(n.Type) {
					c.field(n, i, kv)
				}
			}
		}
	case *ast.GenDecl:
		if n.Tok == token.CONST {
			c.constants(n)
		}
	}
	return true
}

func (c *collector) text(n ast.Node) string { return string(c.src[c.at(n.Pos()):c.at(n.End())]) }

// field omits a field of a literal: a time limit, a check, a bound.
func (c *collector) field(lit *ast.CompositeLit, i int, kv *ast.KeyValueExpr) {
	end := c.at(kv.End())
	if i+1 < len(lit.Elts) {
		end = c.at(lit.Elts[i+1].Pos())
	} else if end < len(c.src) && c.src[end] == ',' {
		end++
	}
	c.out = append(c.out, mutation{c.name, c.set.Position(kv.Pos()).Line, c.at(kv.Pos()), end, "", "without the field " + c.code(kv)})
}

// constants multiplies the constants of a declaration, which are often bounds, by a thousand.
func (c *collector) constants(d *ast.GenDecl) {
	for _, s := range d.Specs {
		v, ok := s.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, e := range v.Values {
			if number(e) && i < len(v.Names) {
				c.replace(e, v, "1000 * ("+c.text(e)+")", "a thousand times")
			}
		}
	}
}

// number says whether an expression consists only of numbers and names of constants.
func number(e ast.Expr) bool {
	digits := false
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.INT {
				digits = true
			} else {
				ok = false
			}
		case *ast.CallExpr, *ast.FuncLit, *ast.CompositeLit:
			ok = false
		}
		return ok
	})
	return ok && digits
}

func isMap(e ast.Expr) bool {
	switch e.(type) {
	case *ast.MapType, *ast.ArrayType:
		return true
	}
	return false
}

// logs says whether a call only reports something.
func logs(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"Debug", "Info", "Warn", "Error", "Printf", "Println", "Log", "Logf", "Done"}, sel.Sel.Name)
}

func unlocks(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"Unlock", "RUnlock"}, sel.Sel.Name)
}
