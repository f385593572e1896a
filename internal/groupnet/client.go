package groupnet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Member is how to reach a member of a group.
type Member struct {
	Addr       string            // host:port
	ServerName string            // the group's of the day; signed.Link.ServerName
	Also       []string          // names of the group before: a member that has been away may know those alone
	Identity   signed.SigningKey // who we are in the group, or its lobby key before we are anybody
	// Accept judges the key of who answers; nil: anybody, for only bytes that verify count.
	Accept func(peer signed.Key) error
}

// Dialer makes TCP connections; *net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Dial connects to a member and shakes hands within five seconds. It returns the key of who answered.
func Dial(ctx context.Context, d Dialer, m Member, protocol string) (net.Conn, signed.Key, error) {
	for i, name := range append([]string{m.ServerName}, m.Also...) {
		c, key, again, err := dial(ctx, d, m, name, protocol)
		if err == nil || !again || i == len(m.Also) || ctx.Err() != nil {
			return c, key, err
		}
	}
	panic("unreachable: the last name returns")
}

// dial asks for a group by one name. again says that another name may do better.
func dial(ctx context.Context, d Dialer, m Member, name, protocol string) (_ net.Conn, key signed.Key, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conf, err := config(m.Identity, protocol)
	if err != nil {
		return nil, key, false, err
	}
	conf.ServerName = name
	conf.InsecureSkipVerify = true // there is no authority: the key is judged below
	answered := false
	conf.VerifyConnection = func(cs tls.ConnectionState) error {
		answered = true
		if key, err = keyOf(cs); err != nil {
			return err
		}
		if m.Accept != nil {
			return m.Accept(key)
		}
		return nil
	}
	raw, err := d.DialContext(ctx, "tcp", m.Addr)
	if err != nil {
		return nil, key, false, err
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, signed.Key{}, !answered, handshakeError{err}
	}
	return c, key, false, nil
}

// handshakeError is a handshake that did not come to its end here.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// TurnedAway says whether an error is that of a connection which a member, having shown its key, ended over ours: the first
// that is heard of that comes after our own end of the handshake. A stranger hears the same, and no more.
func TurnedAway(err error) bool {
	var op *net.OpError
	_, early := errors.AsType[handshakeError](err)
	return !early && errors.As(err, &op) && op.Op == "remote error" // crypto/tls: an alert of the other end
}

// AnswerKey is the key of who gave an answer to a Client.
func AnswerKey(r *http.Response) (signed.Key, error) {
	if r.TLS == nil {
		return signed.Key{}, errors.New("an answer that came by no member's connection")
	}
	return keyOf(*r.TLS)
}

// Client sends requests to one member, whatever the host of their URL is. It keeps one connection open between requests;
// CloseIdleConnections ends it.
func Client(d Dialer, m Member) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, _, err := Dial(ctx, d, m, Sync)
		return c, err
	}
	return &http.Client{
		Transport: &http.Transport{
			DialTLSContext: panics.Dial(dial),
			// A member has no address of its own that a proxy could be asked for.
			Proxy:        nil,
			MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: idleTime / 2,
			MaxResponseHeaderBytes: headerBytes,
			ResponseHeaderTimeout:  time.Minute, // a long poll answers within half of it
			DisableCompression:     true,        // a bomb could hide in it
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
