package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// perRun limits the tests of one changed package: a change that makes them hang counts as noticed.
const perRun = 3 * time.Minute

func main() {
	n := flag.Int("n", 0, "try this many random changes in each package; 0: all")
	seed := flag.Uint64("seed", 1, "the random seed")
	run := flag.String("run", "", "try only changes whose description contains this text")
	list := flag.Bool("list", false, "print the changes without trying them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := mutate(ctx, flag.Args(), *n, *seed, *run, *list)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		code = 2
	}
	os.Exit(code)
}

// result is the outcome of a change.
type result string

const (
	noticed   result = "noticed"
	unnoticed result = "UNNOTICED"
	broken    result = "does not build"
)

func mutate(ctx context.Context, packages []string, n int, seed uint64, text string, listOnly bool) (int, error) {
	if len(packages) == 0 {
		return 2, errors.New("give the packages to change, such as ./acl ./internal/signed")
	}
	known, err := equivalents(filepath.Join("integration", "mutate", "equivalent.txt"))
	if err != nil {
		return 2, err
	}
	counts := map[result]int{}
	for _, pkg := range packages {
		all, err := ofPackage(pkg, text)
		if err != nil {
			return 2, err
		}
		all = slices.DeleteFunc(all, func(m mutation) bool { return known[m.file+"\t"+m.what] })
		if n > 0 && len(all) > n {
			lot := rand.New(rand.NewPCG(seed, 0))
			lot.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			all = all[:n]
		}
		if listOnly {
			for _, m := range all {
				fmt.Printf("%s:%d\t%s\n", m.file, m.line, m.what)
			}
			continue
		}
		if r, out, err := test(ctx, pkg, nil); err != nil || r != unnoticed {
			return 2, errors.Join(err, fmt.Errorf("the tests of %s fail without any change:\n%s", pkg, out))
		}
		for _, m := range all {
			r, _, err := test(ctx, pkg, &m)
			if err != nil {
				return 2, err
			}
			counts[r]++
			if r != noticed {
				fmt.Printf("%s\t%s:%d\t%s\n", r, m.file, m.line, m.what)
			}
		}
	}
	if listOnly {
		return 0, nil
	}
	fmt.Printf("mutate: %d noticed, %d unnoticed, %d did not build\n", counts[noticed], counts[unnoticed], counts[broken])
	if counts[unnoticed] > 0 {
		return 1, nil
	}
	return 0, nil
}

// ofPackage lists the possible changes in a package's files, except tests.
func ofPackage(pkg, text string) ([]mutation, error) {
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []mutation
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || filepath.Base(f) == "doc.go" {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		list, err := mutations(filepath.ToSlash(f), src)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			if strings.Contains(m.file+": "+m.what, text) {
				out = append(out, m)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing to change in %s", pkg)
	}
	return out, nil
}

// test runs a package's tests with a change; without one it checks that they pass at all.
func test(ctx context.Context, pkg string, m *mutation) (result, string, error) {
	dir, err := os.MkdirTemp("", "p2pshare-mutate-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	args := []string{"test", "-vet=off", "-failfast", "-count=1", "-timeout", perRun.String()}
	if m != nil {
		overlay, err := write(dir, *m)
		if err != nil {
			return "", "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+filepath.ToSlash(filepath.Clean(pkg)))...)
	// Leftovers of a killed test are removed with the folder.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case err == nil:
		return unnoticed, out.String(), nil
	case bytes.Contains(out.Bytes(), []byte("[build failed]")), bytes.Contains(out.Bytes(), []byte("[setup failed]")):
		return broken, out.String(), nil
	}
	return noticed, out.String(), nil
}

// write writes the changed file and the overlay that refers to it into dir.
func write(dir string, m mutation) (string, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, m.apply(src), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {abs: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// equivalents reads the changes that have no effect.
func equivalents(file string) (map[string]bool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[2] == "" {
			return nil, fmt.Errorf("%s:%d: want FILE, change and reason, separated by tabs", file, i+1)
		}
		out[f[0]+"\t"+f[1]] = true
	}
	return out, nil
}
