package rogue

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"filippo.io/age"
)

// Changes is a member whose device signs what it may, validly, again and again, over one connection: keys and recipients of its own
// account, grants, entries, and other devices. Of most of it no more than a bound counts, and of all of it no more than a bound is taken.
type Changes struct {
	Member  Member // its device's key, at the machine that it hands them to
	Group   [20]byte
	Account string
	To      Audience
	Names   []string // to whom it grants

	Signed, Taken atomic.Int64 // records, of the device's own log
	Devices       atomic.Int64 // that were taken

	by *http.Client
}

const (
	changesAtOnce = 500
	devicesAtOnce = 40 // more than an account may have
	// ownDaily is how many changes of itself count of an account on a day: every second one is another key, by which other devices are
	// brought in; the keys before it are closed, and the places of their devices are free.
	ownDaily = 16
)

// Run goes on until ctx ends, or something of the machine's is not understood.
func (c *Changes) Run(ctx context.Context) error {
	c.by = c.Member.client()
	defer c.by.CloseIdleConnections()
	l := &Log{Group: c.Group, Key: c.Member.Key}
	if err := c.load(ctx, l); err != nil {
		return err
	}
	var key ed25519.PrivateKey
	for turn := 0; ctx.Err() == nil; turn++ {
		held := len(l.records)
		if turn < ownDaily && turn%2 == 0 {
			key = NewKey()
		}
		if err := c.batch(l, turn, key); err != nil {
			return err
		}
		took, err := c.push(ctx, l, held)
		if err != nil {
			continue // refused, or crowded out
		}
		c.Signed.Add(int64(len(l.records) - held))
		if !took {
			l.records = l.records[:held] // others are signed for the same places
			continue
		}
		c.Taken.Add(int64(len(l.records) - held))
		for range devicesAtOnce {
			if c.device(ctx, Account{c.Account, key}) != nil {
				break
			}
		}
	}
	return ctx.Err()
}

// load reads what the machine has of the device's log.
func (c *Changes) load(ctx context.Context, l *Log) error {
	for {
		a, err := ask(ctx, c.by, http.MethodGet, fmt.Sprintf("/v1/log/%s?from=%d", l.Device(), len(l.records)), nil)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			return fmt.Errorf("the log of %s: %d %.80q", l.Device(), a.Status, a.Body)
		}
		if len(a.Body) == 0 {
			return nil
		}
		for r := range bytes.Lines(a.Body) {
			l.records = append(l.records, bytes.Clone(bytes.TrimSuffix(r, []byte("\n"))))
		}
	}
}

// batch adds records of all kinds.
func (c *Changes) batch(l *Log, turn int, key ed25519.PrivateKey) error {
	last := time.Now().UnixMilli()
	if len(l.records) > 0 {
		n, err := TimeOf(l.records[len(l.records)-1])
		if err != nil {
			return err
		}
		last = max(last, n+1)
	}
	for i := range changesAtOnce {
		last++
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		newKey := Record{"name": c.Account, "key": public(key), "keep": Record{l.Device(): -1}}
		newSeal := Record{"name": c.Account, "seal": id.Recipient().String()}
		switch counts := turn < ownDaily; {
		case i == 0 && counts && turn%2 == 0:
			err = l.Add(last, "acct", newKey)
		case i == 0 && counts:
			err = l.Add(last, "acct", newSeal)
		case i%10 == 1 && !counts:
			newKey["key"] = public(NewKey())
			err = l.Add(last, "acct", newKey)
		case i%10 == 2 && !counts:
			err = l.Add(last, "acct", newSeal)
		case i%10 == 3:
			err = c.grant(l, last, id)
		default:
			err = l.Share(last, fmt.Sprintf("%d-%d", turn, i), c.To, Record{
				"name": fmt.Sprintf("flut/%d/%d", turn, i), "content": "flut", "files": 1, "size": 1, "time": 1, "info": noise(32), "torrent": noise(32),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// grant adds keys of an audience that nobody asked for.
func (c *Changes) grant(l *Log, n int64, id *age.X25519Identity) error {
	var box bytes.Buffer
	w, err := age.Encrypt(&box, id.Recipient())
	if err != nil {
		return err
	}
	if _, err := w.Write(bytes.Repeat([]byte("# all 1\n"), 1000)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return l.Add(n, "grant", Record{"aud": "s" + noise(10), "epoch": 1, "to": c.Names, "box": box.Bytes()})
}

// push hands the records over from one on, and says whether they were taken.
func (c *Changes) push(ctx context.Context, l *Log, from int) (took bool, err error) {
	a, err := l.push(ctx, c.by, from, time.Now())
	if err != nil {
		return false, err
	}
	if a.Status != http.StatusNoContent {
		return false, fmt.Errorf("%d %.80q", a.Status, a.Body)
	}
	a, err = ask(ctx, c.by, http.MethodGet, fmt.Sprintf("/v1/log/%s?from=%d", l.Device(), len(l.records)-1), nil)
	if err != nil {
		return false, err
	}
	return a.Status == http.StatusOK && len(a.Body) > 0, nil
}

// device brings in another device of the account.
func (c *Changes) device(ctx context.Context, by Account) error {
	l := &Log{Group: c.Group, Key: NewKey()}
	if err := l.Hello(time.Now().UnixMilli(), by.Name, by.Key, nil); err != nil {
		return err
	}
	took, err := c.push(ctx, l, 0)
	if err == nil && !took {
		err = errors.New("it was not taken")
	}
	if err == nil {
		c.Devices.Add(1)
	}
	return err
}

func noise(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // the system has no randomness
	}
	return hex.EncodeToString(b)
}
