package bench

import "context"

// Internals that the tests use.
var (
	Median        = median
	ParseCounters = parseCounters
	ParseRSS      = parseRSS
	Shaping       = shaping
	IsDone        = isDone
	Alive         = alive
	OwnerOf       = ownerOf
	Sweep         = sweep
	WriteRelease  = release
	NextRelease   = nextRelease
	SameTree      = sameTree
	CheckTorrent  = checkTorrent
	TimeLimit     = timeLimit
	NewTracker    = newTracker
	StartProcess  = start
	StopAll       = stopAll
	WrapTitle     = wrapTitle
)

type Process = process

func (t *tracker) Ready(ctx context.Context, host string, gone <-chan struct{}) error {
	return t.ready(ctx, host, gone)
}

func (t *tracker) Forget() { t.forget() }

func (p *process) Wait(ctx context.Context) error { return p.wait(ctx) }
func (p *process) Kill()                          { p.kill() }
func (p *process) Stop()                          { p.stop() }
func (p *process) Output() string                 { return p.output() }
func (p *process) Exited() <-chan struct{}        { return p.exited }

// Used returns the processor time so far in seconds, and the peak memory in bytes.
func (p *process) Used() (float64, int64) { u := p.used(); return u.cpu, u.rss }

const (
	LabPrefix = labPrefix
	DoneMark  = doneMark
	KeptLines = keptLines
)

func (e Env) Choose(kinds []string, mixed bool) (chosen, absent []string, err error) {
	return e.choose(kinds, anyClient, mixed)
}

func (e Env) NeedLab() error { return e.needLab() }

func (r *Report) SwarmTable(part string, kinds []string, l Links, runs int) {
	r.swarmTable(part, kinds, l, runs)
}
func (r *Report) LinkTable(kinds []string, size int64, runs int) { r.linkTable("", kinds, size, runs) }
func (r *Report) WebSeedTable(kinds []string, l Links, runs int) {
	r.webseedTable("web", kinds, l, runs)
}
func (r *Report) ReuseTable(kinds []string, size int64, runs int)  { r.reuseTable(kinds, size, runs) }
func (r *Report) Plot(part, title string, kinds []string, l Links) { r.plot(part, title, kinds, l) }
func (r *Report) Lead(kinds []string) string                       { return r.lead("", kinds) }
