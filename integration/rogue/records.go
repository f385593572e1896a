package rogue

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"os"
	"time"

	"filippo.io/age"
)

// Record holds the fields of a log record.
type Record map[string]any

// canonical returns the form in which a record is signed: encoding/json sorts the keys of a map.
func canonical(v map[string]any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Log is the log of a device that lies: any records, with any times, under a correctly signed head.
type Log struct {
	Group   [20]byte
	Key     ed25519.PrivateKey // of the device
	records [][]byte
}

// Device returns the name of the device.
func (l *Log) Device() string { return public(l.Key) }

func public(k ed25519.PrivateKey) string { return hex.EncodeToString(k.Public().(ed25519.PublicKey)) }

// Add appends a record with the given time.
func (l *Log) Add(n int64, op string, r Record) error {
	all := map[string]any{"n": n, "op": op}
	for k, v := range r {
		all[k] = v
	}
	raw, err := canonical(all)
	l.records = append(l.records, raw)
	return err
}

// Hello adds the record in which an account vouches for the device. With an invite, the record also creates the account, and the
// invite's key vouches for it.
func (l *Log) Hello(n int64, account string, key ed25519.PrivateKey, invite *Account) error {
	said := map[string]any{"acct": account, "dev": l.Device(), "gid": hex.EncodeToString(l.Group[:]), "n": n}
	r := Record{"acct": account}
	if invite != nil {
		for _, m := range []map[string]any{said, r} {
			m["inv"], m["key"] = invite.Name, public(key)
		}
	}
	msg, err := canonical(said)
	if err != nil {
		return err
	}
	msg = append([]byte("p2pshare/v1/hello\n"), msg...)
	r["sig"] = ed25519.Sign(key, msg)
	if invite != nil {
		r["isig"] = ed25519.Sign(invite.Key, msg)
	}
	return l.Add(n, "hello", r)
}

// Share adds an entry that is sealed to an audience. open is its plaintext.
func (l *Log) Share(n int64, id string, to Audience, open Record) error {
	body, err := canonical(open)
	if err != nil {
		return err
	}
	var box bytes.Buffer
	w, err := age.Encrypt(&box, to.key.Recipient())
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	r := Record{"aud": to.Name, "epoch": to.Epoch, "id": id, "box": box.Bytes()}
	if open["sealed"] != nil { // for mirrors
		r["hold"] = Record{"size": open["sealed_size"], "torrent": open["torrent"]}
	}
	return l.Add(n, "share", r)
}

// Head returns the device's signature over its log, with the given time.
func (l *Log) Head(at time.Time) []byte {
	leaves := make([][32]byte, len(l.records))
	for i, r := range l.records {
		leaves[i] = sha256.Sum256(append([]byte{0}, r...))
	}
	root := treeHash(leaves)
	name := fmt.Sprintf("p2pshare/v1/log/%x/%s", l.Group, l.Device())
	text := fmt.Sprintf("%s\n%d\n%s\n%d\n", name, len(l.records), base64.StdEncoding.EncodeToString(root[:]), at.Unix())
	id := sha256.Sum256(append([]byte(name+"\n\x01"), l.Key.Public().(ed25519.PublicKey)...))
	sig := base64.StdEncoding.EncodeToString(append(id[:4:4], ed25519.Sign(l.Key, []byte(text))...))
	return fmt.Appendf(nil, "%s\n— %s %s\n", text, name, sig)
}

// treeHash returns the Merkle tree hash of RFC 6962, section 2.1.
func treeHash(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	half := 1 << (bits.Len(uint(len(leaves)-1)) - 1)
	left, right := treeHash(leaves[:half]), treeHash(leaves[half:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// Push sends the records from one on to a machine, under a head with the given time.
func (l *Log) Push(ctx context.Context, to Member, from int, at time.Time) (*Answer, error) {
	body := l.Head(at)
	for _, r := range l.records[from:] {
		body = append(append(body, r...), '\n')
	}
	return to.Ask(ctx, http.MethodPost, fmt.Sprintf("/v1/log/%s?from=%d", l.Device(), from), body)
}

// Account is the content of a password slot.
type Account struct {
	Name string
	Key  ed25519.PrivateKey
}

// Account opens a password slot. It fails with a wrong password or if the box is not a slot.
func (s Slot) Account(box []byte) (Account, error) {
	id, err := age.NewScryptIdentity(s.passphrase)
	if err != nil {
		return Account{}, err
	}
	r, err := age.Decrypt(bytes.NewReader(box), id)
	if err != nil {
		return Account{}, fmt.Errorf("opening a password slot: %w", err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return Account{}, fmt.Errorf("opening a password slot: %w", err)
	}
	var in struct{ Acct, Key string }
	if err := json.Unmarshal(raw, &in); err != nil {
		return Account{}, fmt.Errorf("a password slot: %w", err)
	}
	seed, err := hex.DecodeString(in.Key)
	if err != nil || len(seed) != ed25519.SeedSize {
		return Account{}, errors.New("the password slot contains no key")
	}
	return Account{in.Acct, ed25519.NewKeyFromSeed(seed)}, nil
}

// Audience is a group of accounts that entries are sealed to.
type Audience struct {
	Name  string
	Epoch int64
	key   *age.X25519Identity
}

// StolenAudience reads the newest key of an audience from the keys.json in someone's home.
func StolenAudience(path, name string) (Audience, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Audience{}, err
	}
	var f struct {
		Audiences map[string][]struct {
			Epoch int64
			Key   string
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return Audience{}, fmt.Errorf("%s: %w", path, err)
	}
	list := f.Audiences[name]
	if len(list) == 0 {
		return Audience{}, fmt.Errorf("%s has no key of the audience %q", path, name)
	}
	last := list[len(list)-1]
	key, err := age.ParseX25519Identity(last.Key)
	if err != nil {
		return Audience{}, fmt.Errorf("%s: %w", path, err)
	}
	return Audience{name, last.Epoch, key}, nil
}

// TimeOf returns the time that a record, as received from a machine, claims to be signed at, in ms.
func TimeOf(record []byte) (int64, error) {
	var r struct{ N int64 }
	if err := json.Unmarshal(record, &r); err != nil {
		return 0, fmt.Errorf("a record: %w", err)
	}
	return r.N, nil
}
