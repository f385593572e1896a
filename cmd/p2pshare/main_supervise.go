package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/p2pshare/p2pshare/internal/node"
)

// statusEvery is how often the service manager is told how the daemon stands, if it has set no watchdog.
const statusEvery = 30 * time.Second

// supervise tells the service manager, if there is one, that the daemon is ready, how it stands, that it lives, and
// that it ends. It lives as long as the node answers in time; who hangs is restarted by the watchdog.
func supervise(ctx context.Context, log *slog.Logger, status func(context.Context) (*node.Status, error)) error {
	tell := func(state string) bool {
		sent, err := sd.SdNotify(false, state)
		if err != nil {
			log.Warn("the service manager is not told", "error", err)
		}
		return sent
	}
	if !tell(sd.SdNotifyReady) {
		<-ctx.Done()
		return nil
	}
	defer tell(sd.SdNotifyStopping)
	every := statusEvery
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog is not used", "error", err)
	}
	if watchdog > 0 {
		every = min(every, watchdog/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		short, stop := context.WithTimeout(ctx, every)
		st, err := status(short)
		stop()
		switch {
		case err == nil:
			tell("STATUS=" + summary(st))
			if watchdog > 0 {
				tell(sd.SdNotifyWatchdog)
			}
		case ctx.Err() == nil:
			log.Warn("the node does not say how it stands", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// summary is a status in half a line.
func summary(st *node.Status) string {
	n := map[string]int{}
	for _, s := range st.Shares {
		n[s.State]++
	}
	return fmt.Sprintf("%d shares: %d seeding, %d fetching, %d waiting; up %.0f B/s, down %.0f B/s",
		len(st.Shares), n[node.StateSeeding], n[node.StateFetching], n[node.StateWaiting], st.Up, st.Down)
}
