package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/cmd/p2pshare/cli"
	"github.com/p2pshare/p2pshare/internal/node"
)

const (
	v1hex  = "0123456789abcdef0123456789abcdef01234567"
	magnet = "magnet:?xt=urn:btih:" + v1hex + "&dn=rel"
)

// fake is a backend that does what a test tells it, and notes what it was asked.
type fake struct {
	settings cli.Settings
	publish  node.PublishRequest
	fetch    node.FetchRequest
	seed     node.SeedRequest
	verify   node.VerifyRequest
	repairs  []node.RepairRequest
	daemon   bool

	statusAsked node.StatusRequest
	look        func(context.Context) // at every Status
	status      *node.Status
	change      node.ChangeRequest
	remove      node.RemoveRequest
	shares      []node.Share
	limit       node.LimitRequest
	limitsAsked []node.LimitRequest
	limited     *node.Limited
	doctor      node.DoctorRequest
	diagnosis   *node.Diagnosis
	storeErr    error

	group         node.GroupRequest
	groupsAsked   []node.GroupRequest
	groupAnswer   *node.GroupAnswer
	failures      int // of Group, before it answers; 0: storeErr stays
	catalog       node.CatalogRequest
	catalogsAsked []node.CatalogRequest
	catalogAnswer *node.CatalogAnswer

	opened int
	closed int

	do       func(ctx context.Context, on func(node.Event)) error
	verified *node.Verified
	openErr  error
	closeErr error
}

func (f *fake) run(ctx context.Context, on func(node.Event)) error {
	if f.do == nil {
		return nil
	}
	return f.do(ctx, on)
}

func (f *fake) Publish(ctx context.Context, r node.PublishRequest, on func(node.Event)) error {
	f.publish = r
	return f.run(ctx, on)
}

func (f *fake) Fetch(ctx context.Context, r node.FetchRequest, on func(node.Event)) error {
	f.fetch = r
	return f.run(ctx, on)
}

func (f *fake) Seed(ctx context.Context, r node.SeedRequest, on func(node.Event)) error {
	f.seed = r
	return f.run(ctx, on)
}

func (f *fake) Repair(ctx context.Context, r node.RepairRequest, on func(node.Event)) error {
	f.repairs = append(f.repairs, r)
	return f.run(ctx, on)
}

func (f *fake) Verify(ctx context.Context, r node.VerifyRequest, on func(node.Event)) (*node.Verified, error) {
	f.verify = r
	return f.verified, f.run(ctx, on)
}

func (f *fake) Daemon() bool { return f.daemon }

func (f *fake) Status(ctx context.Context, r node.StatusRequest) (*node.Status, error) {
	f.statusAsked = r
	if f.look != nil {
		f.look(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return f.status, f.storeErr
}

func (f *fake) Change(_ context.Context, r node.ChangeRequest) ([]node.Share, error) {
	f.change = r
	return f.shares, f.storeErr
}

func (f *fake) Remove(_ context.Context, r node.RemoveRequest) ([]node.Share, error) {
	f.remove = r
	return f.shares, f.storeErr
}

func (f *fake) Limit(_ context.Context, r node.LimitRequest) (*node.Limited, error) {
	f.limit, f.limitsAsked = r, append(f.limitsAsked, r)
	return f.limited, f.storeErr
}

func (f *fake) Doctor(_ context.Context, r node.DoctorRequest, _ func(node.Event)) (*node.Diagnosis, error) {
	f.doctor = r
	return f.diagnosis, f.storeErr
}

func (f *fake) Close() error { f.closed++; return f.closeErr }

// clock moves when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// buffer is a bytes.Buffer that several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// shell is one run's surroundings.
type shell struct {
	t      *testing.T
	fake   *fake
	clock  *clock
	env    map[string]string
	width  int // of the terminal; 0: none
	height int // of stdout's terminal; 0: none
	ask    func(question string) (string, error)
	secret func(question string) (string, error)
	stdin  io.Reader
	ring   cli.Keyring
	ticks  chan time.Time // of --watch
	dir    string
	sig    chan os.Signal
	stdout buffer
	stderr buffer
}

func newShell(t *testing.T) *shell {
	return &shell{
		t: t, fake: &fake{}, clock: &clock{t: time.Unix(1_700_000_000, 0)}, dir: t.TempDir(),
		env: map[string]string{"HOME": "/home/u"}, sig: make(chan os.Signal),
	}
}

func (s *shell) cliEnv(args []string) cli.Env {
	env := cli.Env{
		Args: args, Stdin: s.stdin, Keyring: s.ring, Stdout: &s.stdout, Stderr: &s.stderr, Dir: s.dir, Now: s.clock.now, Signals: s.sig, Version: "1.2.3",
		Getenv:   func(k string) string { return s.env[k] },
		Terminal: func() (int, bool) { return s.width, s.width > 0 },
		Screen:   func() (int, int, bool) { return s.width, s.height, s.height > 0 },
		Every:    func(time.Duration) (<-chan time.Time, func()) { return s.ticks, func() {} },
		Ask:      s.asker(),
		Open: func(_ context.Context, set cli.Settings) (cli.Backend, error) {
			s.fake.opened++
			s.fake.settings = set
			if s.fake.openErr != nil {
				return nil, s.fake.openErr
			}
			return s.fake, nil
		},
	}
	if s.secret != nil {
		env.Secret = func(_ context.Context, q string) (string, error) { return s.secret(q) }
	}
	return env
}

// types are the answers of a user at the terminal, one for each question, which must be asked in this order.
func (s *shell) types(turns ...[2]string) {
	s.secret = func(q string) (string, error) {
		if len(turns) == 0 || turns[0][0] != q {
			s.t.Errorf("asked %q, want %q next", q, turns)
			return "", errors.New("nothing is typed")
		}
		answer := turns[0][1]
		turns = turns[1:]
		return answer, nil
	}
	s.t.Cleanup(func() {
		if len(turns) > 0 {
			s.t.Errorf("was not asked %q", turns)
		}
	})
}

// file writes a file that its owner alone can read, and gives its path.
func (s *shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *shell) asker() func(context.Context, string) (string, error) {
	if s.ask == nil {
		return nil
	}
	return func(_ context.Context, q string) (string, error) { return s.ask(q) }
}

func (s *shell) run(args ...string) int { return cli.Main(s.cliEnv(args)) }

// want runs args and judges the exit code and what stdout and stderr hold.
func (s *shell) want(code int, stdout, stderr string, args ...string) {
	s.t.Helper()
	if got := s.run(args...); got != code {
		s.t.Errorf("exit code of %q: got %d, want %d\nstderr: %s", args, got, code, s.stderr.String())
	}
	if got := s.stdout.String(); !strings.Contains(got, stdout) || stdout == "" && got != "" {
		s.t.Errorf("stdout of %q: got %q, want %q", args, got, stdout)
	}
	if got := s.stderr.String(); !strings.Contains(got, stderr) {
		s.t.Errorf("stderr of %q: got %q, want %q in it", args, got, stderr)
	}
}

func (f *fake) Group(ctx context.Context, r node.GroupRequest, on func(node.Event)) (*node.GroupAnswer, error) {
	f.group, f.groupsAsked = r, append(f.groupsAsked, r)
	if err := f.run(ctx, on); err != nil {
		return nil, err
	}
	if f.failures > 0 && len(f.groupsAsked) > f.failures {
		return f.groupAnswer, nil
	}
	return f.groupAnswer, f.storeErr
}

func (f *fake) Catalog(ctx context.Context, r node.CatalogRequest, on func(node.Event)) (*node.CatalogAnswer, error) {
	f.catalog, f.catalogsAsked = r, append(f.catalogsAsked, r)
	if err := f.run(ctx, on); err != nil {
		return nil, err
	}
	return f.catalogAnswer, f.storeErr
}
