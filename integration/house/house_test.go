package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/p2pshare/p2pshare/"

// The limits of a file and a function, in lines. The goals are 400 and 80; above these limits the test fails.
const (
	maxFileLines     = 450
	maxFunctionLines = 120
)

// file is one Go source file of the module.
type file struct {
	path  string // relative to the module, with slashes
	pkg   string // its folder
	test  bool
	lines int
	ast   *ast.File
	set   *token.FileSet
}

func (f file) imports() []string {
	var out []string
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value) // the parser has accepted it
		out = append(out, p)
	}
	return out
}

func source(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "goutp") {
			return filepath.SkipDir // goutp is a separate module
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, p, b, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		out = append(out, file{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), strings.Count(string(b), "\n"), tree, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("found %d Go files: looking in the wrong place", len(out))
	}
	return out
}

// within says whether a package is one of the folders or below one.
func within(pkg string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

// TestImports enforces the layers: cmd uses node, node uses the domain packages and the engine, and all of them use the small
// packages below. No package imports one above or beside it.
func TestImports(t *testing.T) {
	domain := []string{"seeder", "fetcher", "catalog", "acl"}
	ground := []string{"internal/metafile", "internal/content", "internal/names", "internal/fault", "internal/gate", "internal/state", "internal/netguard", "internal/seal", "internal/signed", "internal/store", "internal/grouplog", "internal/groupnet", "internal/groupsync", "internal/spelling", "internal/chunk", "internal/infohash", "internal/panics", "internal/jsonsafe", "internal/version", "internal/plaintar", "internal/places", "internal/webaddr", "internal/sizes", "internal/osfs", "internal/shaper"}
	rules := []struct {
		name string
		of   func(pkg string) bool
		bad  func(pkg, imported string) bool // our packages come without the module prefix
	}{
		{"base packages import nothing above them",
			func(p string) bool { return within(p, ground...) },
			func(_, i string) bool {
				return within(i, domain...) || within(i, "internal/node", "internal/engine", "internal/lint", "internal/localapi", "cmd")
			}},
		{"domain packages do not import each other, except fetcher, which may import catalog",
			func(p string) bool { return within(p, domain...) },
			func(p, i string) bool {
				own := strings.Split(p, "/")[0]
				return within(i, domain...) && !within(i, own) && !(own == "fetcher" && within(i, "catalog"))
			}},
		{"domain packages do not import the packages that connect them",
			func(p string) bool { return within(p, domain...) },
			func(_, i string) bool {
				return within(i, "internal/node", "internal/engine", "internal/localapi", "cmd")
			}},
		{"the engine imports no domain package and nothing above",
			func(p string) bool { return within(p, "internal/engine") },
			func(_, i string) bool {
				return within(i, domain...) || within(i, "internal/node", "internal/localapi", "cmd")
			}},
		{"the command line reaches swarms and files only through node",
			func(p string) bool { return within(p, "cmd") },
			func(_, i string) bool { return within(i, "internal/engine", "seeder", "fetcher", "internal/content") }},
		{"nothing imports the command line", func(p string) bool { return !within(p, "cmd") }, func(_, i string) bool { return within(i, "cmd") }},
		{"nothing imports the tools of tests", func(p string) bool { return !within(p, "integration") }, func(_, i string) bool { return within(i, "integration") }},
		{"tests of the whole program use the binary, not its packages", func(p string) bool { return within(p, "integration") },
			func(_, i string) bool {
				return within(i, domain...) || within(i, "internal", "cmd") && i != "internal/needs"
			}},
		{"the benchmarks use the program only through its command line", func(p string) bool { return within(p, "internal/bench", "cmd/p2pshare-bench") },
			func(_, i string) bool {
				return within(i, domain...) || within(i, "internal", "cmd") && !within(i, "internal/bench", "internal/fault", "internal/sizes", "internal/state")
			}},
		{"only the engine imports the BitTorrent client and the DHT",
			func(p string) bool { return !within(p, "internal/engine") },
			func(_, i string) bool {
				if within(i, "github.com/anacrolix/dht") {
					return true
				}
				const client = "github.com/anacrolix/torrent"
				data := []string{client + "/metainfo", client + "/storage", client + "/bencode", client + "/merkle"}
				return within(i, client) && !within(i, data...)
			}},
	}
	for _, f := range source(t) {
		for _, i := range f.imports() {
			short := strings.TrimPrefix(i, module)
			for _, r := range rules {
				// A package's tests may use the real client, and packages above their own.
				if f.test && (strings.HasPrefix(r.name, "only the engine") || strings.HasPrefix(r.name, "base packages")) {
					continue
				}
				if r.of(f.pkg) && r.bad(f.pkg, short) {
					t.Errorf("%s imports %q: %s", f.path, i, r.name)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, f := range source(t) {
		if f.test {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, want at most %d: does it still have a single purpose?", f.path, f.lines, maxFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, want at most %d", f.path, fn.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestPackages(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range source(t) {
		if f.test {
			continue
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "misc"}, f.ast.Name.Name) {
			t.Errorf("%s: the name of package %s does not say what it does", f.path, f.ast.Name.Name)
		}
		documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

// TestForbidden checks that files do not make calls that are forbidden to their kind.
func TestForbidden(t *testing.T) {
	rules := []struct {
		why   string
		of    func(file) bool
		calls []string
	}{
		{"libraries never print or exit", func(f file) bool { return !f.test && !within(f.pkg, "cmd", "integration") },
			[]string{"os.Exit", "fmt.Print", "fmt.Println", "fmt.Printf", "log.Fatal", "log.Fatalf", "log.Print", "log.Printf", "log.Println"}},
		{"only internal/needs may skip a test, which make test does not allow", func(f file) bool { return f.test }, []string{"t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "b.Skipf"}},
		{"wait for events, not for time", func(f file) bool { return !f.test }, []string{"time.Sleep"}},
	}
	for _, f := range source(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, r := range rules {
				if r.of(f) && slices.Contains(r.calls, x.Name+"."+sel.Sel.Name) {
					t.Errorf("%s calls %s.%s: %s", f.set.Position(call.Pos()), x.Name, sel.Sel.Name, r.why)
				}
			}
			return true
		})
	}
}
