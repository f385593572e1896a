package rogue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/scrypt"
)

// The protocols on a group's port.
const (
	Sync  = "http/1.1"
	Swarm = "p2pshare-bt/1"
)

// Link holds what can be derived from a group's link.
type Link struct {
	Group  [20]byte
	Secret []byte // L; nil in a public group's
}

// ParseLink parses a link, ignoring its addresses.
func ParseLink(s string) (Link, error) {
	body, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "p2pshare:"), "?")
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(body))
	if err != nil || len(b) < 24 {
		return Link{}, fmt.Errorf("not a link: %q", s)
	}
	return Link{Group: [20]byte(b[2:22]), Secret: b[22 : len(b)-2]}, nil
}

// GID returns the group's ID in text form.
func (l Link) GID() string { return hex.EncodeToString(l.Group[:]) }

// ServerName returns the group's TLS server name for a day.
func (l Link) ServerName(day int64) string {
	return hex.EncodeToString(l.expand(fmt.Sprintf("sni %d", day), 16))
}

// Rendezvous returns the infohash under which the group is found on a day.
func (l Link) Rendezvous(day int64) [20]byte {
	return [20]byte(l.expand(fmt.Sprintf("rendezvous %d", day), 20))
}

// Lobby returns the key that proves possession of the link.
func (l Link) Lobby() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(l.expand("lobby", 32)) }

// Work is the work factor of real passwords, as scrypt's log2(N).
const Work = 18

// Slot has what is needed to find and open an account's password slot.
type Slot struct {
	Tag        string // its name in requests
	passphrase string
}

// Slot derives the slot of an account from its password and work factor.
func (l Link) Slot(account, password string, work int) (Slot, error) {
	salt := append(append([]byte("p2pshare/v1 slot\x00"), l.Group[:]...), account...)
	secret, err := scrypt.Key([]byte(password), salt, 1<<work, 8, 1, 32)
	if err != nil {
		return Slot{}, err
	}
	seed, err := hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot tag", ed25519.SeedSize)
	if err != nil {
		return Slot{}, err
	}
	box, err := hkdf.Expand(sha256.New, secret, "p2pshare/v1 slot box", 32)
	return Slot{public(ed25519.NewKeyFromSeed(seed)), hex.EncodeToString(box)}, err
}

func (l Link) expand(info string, n int) []byte { return derive(l.Secret, l.Group[:], info, n) }

func derive(secret, salt []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, secret, salt, "p2pshare/v1 "+info, n)
	if err != nil {
		panic(err) // n is small
	}
	return out
}

// Today returns the day number that groups are found by.
func Today() int64 { return time.Now().Unix() / 86400 }

// StolenKey reads the key from a key file in someone's home.
func StolenKey(path string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f struct{ Seed string }
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seed, err := hex.DecodeString(f.Seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s contains no seed", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// NewKey returns a new random key.
func NewKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return key
}

// Member connects to one machine's group port with freely chosen credentials.
type Member struct {
	Connect func(ctx context.Context) (net.Conn, error)
	Name    string             // the TLS server name; empty: none is sent
	Key     ed25519.PrivateKey // nil: no certificate is shown
	Min     uint16             // TLS version; 0: 1.3
	Max     uint16             // 0: 1.3
}

// TLS does the TLS handshake. A refusal may come only with the first read: a TLS 1.3 client is done before the server has
// decided.
func (m Member) TLS(ctx context.Context, protocols ...string) (*tls.Conn, error) {
	raw, err := m.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	conf := &tls.Config{ServerName: m.Name, InsecureSkipVerify: true, NextProtos: protocols, MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13}
	if m.Min != 0 {
		conf.MinVersion, conf.MaxVersion = m.Min, m.Max
	}
	if m.Key != nil {
		cert, err := selfSigned(m.Key)
		if err != nil {
			raw.Close()
			return nil, err
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return c, nil
}

func selfSigned(key ed25519.PrivateKey) (tls.Certificate, error) {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// Answer is the answer to a request.
type Answer struct {
	Status int
	Body   []byte
}

// client returns an HTTP client with its own connections.
func (m Member) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return m.TLS(ctx, Sync) },
	}}
}

// Ask sends a request on its own connection. It returns an error if the connection is closed without an answer.
func (m Member) Ask(ctx context.Context, method, path string, body []byte) (*Answer, error) {
	client := m.client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "https://member"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return &Answer{resp.StatusCode, raw}, err
}

// Get is Ask with GET.
func (m Member) Get(ctx context.Context, path string) (*Answer, error) {
	return m.Ask(ctx, http.MethodGet, path, nil)
}

// Handshake returns the BitTorrent handshake for an infohash.
func Handshake(infohash [20]byte) []byte {
	b := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), infohash[:]...)
	return append(b, "-RG0001-rogue-peer-2"...)
}

// Take requests a torrent's content as a BitTorrent client would, and returns everything it receives until the other end
// closes, enough bytes have arrived or ctx ends. No bytes and no error mean that it was closed without an answer.
func (m Member) Take(ctx context.Context, infohash [20]byte, pieces, enough int) ([]byte, error) {
	c, err := m.TLS(ctx, Swarm)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return Leech(ctx, c, infohash, pieces, enough)
}

// Leech sends the handshake and interested on a connection, and requests the first block of each piece once it is unchoked.
func Leech(ctx context.Context, c net.Conn, infohash [20]byte, pieces, enough int) ([]byte, error) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write(append(Handshake(infohash), 0, 0, 0, 1, msgInterested)); err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	var got bytes.Buffer
	in := bufio.NewReader(io.TeeReader(c, &got))
	ended := func(err error) ([]byte, error) {
		switch {
		case ctx.Err() != nil:
			return got.Bytes(), context.Cause(ctx)
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isClosed(err):
			return got.Bytes(), nil
		}
		return got.Bytes(), err
	}
	if _, err := in.Discard(68); err != nil {
		return ended(err)
	}
	for got.Len() < enough {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return ended(err)
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			continue
		}
		if n > maxMessage {
			return got.Bytes(), fmt.Errorf("a message of %d bytes", n)
		}
		kind, err := in.ReadByte()
		if err == nil {
			_, err = in.Discard(int(n) - 1)
		}
		if err != nil {
			return ended(err)
		}
		if kind != msgUnchoke {
			continue
		}
		var say []byte
		for i := range pieces {
			say = append(say, 0, 0, 0, 13, msgRequest)
			say = binary.BigEndian.AppendUint32(say, uint32(i))
			say = append(say, 0, 0, 0, 0, 0, 0, 0x40, 0)
		}
		if _, err := c.Write(say); err != nil {
			return ended(err)
		}
	}
	return got.Bytes(), nil
}

// isClosed says whether the other end has closed the connection, with an alert or without.
func isClosed(err error) bool {
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &alert) || errors.As(err, &op) && !op.Timeout()
}
