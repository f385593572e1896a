package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// New returns a handler that answers every request with the metrics of status and of this process. If status fails it
// answers 500 with the reason.
func New(status func(context.Context) (*node.Status, error)) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(status), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: maxAtOnce, Timeout: writeTimeout,
	})
}

// Listen opens addr, HOST:PORT. Without a host it listens on loopback: what is shared with whom is private. A malformed
// addr is a usage error.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "the metrics address %q is malformed: %w", addr, err), "write it as 127.0.0.1:9877, or as :9877")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("listening for metrics on %q: %w", addr, err), "choose another address with --metrics, or leave it out")
	}
	return l, nil
}

// Serve listens on addr and serves New until ctx ends, which is not an error.
func Serve(ctx context.Context, addr string, log *slog.Logger, status func(context.Context) (*node.Status, error)) error {
	l, err := Listen(ctx, addr)
	if err != nil {
		return err
	}
	return ServeOn(ctx, l, log, status)
}

// ServeOn is Serve on an open listener, which it closes.
func ServeOn(ctx context.Context, l net.Listener, log *slog.Logger, status func(context.Context) (*node.Status, error)) error {
	h := onlyMetrics(New(status))
	if a, ok := l.Addr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
		h = onlyLocal(h)
	}
	srv := &http.Server{
		Handler: panics.Handler(h, log), ReadHeaderTimeout: headTimeout, ReadTimeout: headTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead,
	}
	failed := make(chan error, 1)
	go func() { failed <- panics.Catch(func() error { return srv.Serve(netutil.LimitListener(l, maxConns)) }) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving metrics: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// onlyMetrics serves /metrics and nothing else.
func onlyMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.URL.Path != "/metrics":
			http.Error(w, "the metrics are at /metrics", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "metrics can only be read", http.StatusMethodNotAllowed)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// onlyLocal refuses a Host that is not this machine: otherwise a web page whose name was made to resolve to loopback
// could read the answer with its scripts.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if !strings.EqualFold(host, "localhost") && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "this is not the host you asked for", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
