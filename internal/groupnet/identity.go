package groupnet

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// The protocols of a connection (ALPN).
const (
	Sync  = "http/1.1"      // the catalog: roots, heads, logs
	Swarm = "p2pshare-bt/1" // content of a private group, as BitTorrent
)

var (
	errNoCertificate = errors.New("the peer showed no certificate")
	errNotEd25519    = errors.New("the peer's certificate is not for an Ed25519 key")
	errNotTLS13      = errors.New("the peer does not speak TLS 1.3")
)

// certificate makes what a device shows: its public key and nothing else about it.
func certificate(s signed.SigningKey) (tls.Certificate, error) {
	// The times are the same for everybody, so that a certificate tells nothing of a machine's clock.
	begin := time.Unix(0, 0).UTC()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: begin.Add(certificateTime)}
	public := s.Public()
	der, err := x509.CreateCertificate(nil, template, template, ed25519.PublicKey(public[:]), s.Signer())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: s.Signer()}, nil
}

// keyOf is the key that the peer of a finished handshake has proven to hold.
func keyOf(cs tls.ConnectionState) (signed.Key, error) {
	switch {
	case cs.Version != tls.VersionTLS13:
		return signed.Key{}, errNotTLS13
	case len(cs.PeerCertificates) != 1:
		return signed.Key{}, errNoCertificate
	}
	public, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || len(public) != len(signed.Key{}) {
		return signed.Key{}, errNotEd25519
	}
	return signed.Key(public), nil
}

// config is what both ends have in common.
func config(identity signed.SigningKey, protocols ...string) (*tls.Config, error) {
	cert, err := certificate(identity)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{cert},
		NextProtos:             protocols,
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true, // a resumed session would not prove the key again
	}, nil
}
