package groupsync

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// pullForks asks for the peer's evidence if it knows other than we do: once, and again after a while where some was of devices
// that were not known here.
func (p *Peer) pullForks(ctx context.Context, theirs string) error {
	ours := p.vault.ForkSum()
	if sums := theirs + " " + ours; theirs == "" || theirs == ours || sums == p.forks && (!p.missed || time.Since(p.asked) < laterPause) {
		return nil
	}
	p.missed, p.asked = false, time.Now()
	for from, n := 0, maxForks; n == maxForks && from < maxForked; from += n {
		n = 0
		call, cancel := context.WithTimeout(ctx, answerTime)
		err := p.list(call, "/v1/forks?from="+strconv.Itoa(from), "forks", maxForks, maxForkText, nil, func(s string) error {
			n++
			if p.vault.Holds([]byte(s)) {
				return nil
			}
			err := p.vault.AddFork(ctx, []byte(s))
			if errors.Is(err, signed.ErrGap) {
				p.missed = true
				return nil
			}
			return blame(err)
		})
		cancel()
		if err != nil {
			return err
		}
	}
	p.forks = theirs + " " + p.vault.ForkSum()
	return nil
}

// pushForks hands the peer the evidence that is here, if it knows other, and it was not handed just this.
func (p *Peer) pushForks(ctx context.Context, theirs string) (sent bool, err error) {
	ours := p.vault.ForkSum()
	if sums := theirs + " " + ours; ours == "" || ours == theirs || sums == p.told {
		return false, nil
	}
	for from := 0; ; {
		out := forksOf(p.vault, from)
		if len(out.Forks) == 0 {
			break
		}
		if err := p.post(ctx, "/v1/forks", out, nil); err != nil {
			return false, err
		}
		from += len(out.Forks)
	}
	p.told = theirs + " " + ours
	return true, nil
}
