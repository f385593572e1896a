package signed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const logOrigin = "p2pshare/v1/log/"

// Head is what a device states about its log: a checkpoint (C2SP tlog-checkpoint) with the time as its only extension
// line. A Head that this package returns was signed by Device for Group.
type Head struct {
	Group  GroupID
	Device Key
	Size   int64 // records
	Root   Hash  // of the tree of the records (RFC 6962)
	Time   time.Time
	Raw    []byte
}

func origin(g GroupID, d Key) string { return logOrigin + g.String() + "/" + d.String() }

// SignHead makes the head of the log of by's device. now is cut to seconds.
func SignHead(g GroupID, by SigningKey, size int64, root Hash, now time.Time) (Head, error) {
	h := Head{Group: g, Device: by.Public(), Size: size, Root: root, Time: time.Unix(now.Unix(), 0).UTC()}
	signer, err := by.signer(origin(g, h.Device))
	if err != nil {
		return Head{}, err
	}
	if h.Raw, err = note.Sign(&note.Note{Text: h.text()}, signer); err != nil {
		return Head{}, fmt.Errorf("signing a head: %w", err)
	}
	return OpenHead(h.Raw, g)
}

func (h Head) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%d\n", origin(h.Group, h.Device), h.Size, base64.StdEncoding.EncodeToString(h.Root[:]), h.Time.Unix())
}

// OpenHead reads a head of a group. The caller checks that Device is the one it wants.
func OpenHead(raw []byte, g GroupID) (Head, error) {
	if len(raw) > MaxHead {
		return Head{}, refuse("head", ErrTooLarge, "%d bytes, more than %d", len(raw), MaxHead)
	}
	text, _, found := bytes.Cut(raw, []byte("\n\n"))
	lines := strings.Split(string(text), "\n")
	if !found || len(lines) != 4 {
		return Head{}, refuse("head", ErrMalformed, "not a checkpoint of four lines")
	}
	who, ok := strings.CutPrefix(lines[0], logOrigin)
	gid, dev, _ := strings.Cut(who, "/")
	h := Head{}
	var err error
	if h.Group, err = ParseGroupID(gid); !ok || err != nil {
		return Head{}, refuse("head", ErrMalformed, "its origin %.200q is not %sGROUP/DEVICE", lines[0], logOrigin)
	}
	if h.Device, err = ParseKey(dev); err != nil {
		return Head{}, refuse("head", ErrMalformed, "its origin %.200q is not %sGROUP/DEVICE", lines[0], logOrigin)
	}
	if h.Group != g {
		return Head{}, refuse("head", ErrWrongGroup, "it belongs to the group %v, not %v", h.Group, g)
	}
	v, err := h.Device.verifier(lines[0])
	if err != nil {
		return Head{}, refuse("head", ErrMalformed, "%v", err)
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		var bad *note.InvalidSignatureError
		var none *note.UnverifiedNoteError
		if errors.As(err, &bad) || errors.As(err, &none) {
			return Head{}, refuse("head", ErrUnsigned, "it is not signed by device %v", h.Device)
		}
		return Head{}, refuse("head", ErrMalformed, "%v", err)
	}
	if err := h.meaning(lines[1:]); err != nil {
		return Head{}, refuse("head", ErrMalformed, "%v", err)
	}
	// Accept exactly the bytes that SignHead makes: one signature line, one spelling of each number.
	again, err := note.Sign(&note.Note{Text: h.text(), Sigs: n.Sigs})
	if err != nil || !bytes.Equal(again, raw) {
		return Head{}, refuse("head", ErrNotCanonical, "it is not in the canonical form of a head")
	}
	h.Raw = again
	return h, nil
}

func (h *Head) meaning(lines []string) (err error) {
	if h.Size, err = strconv.ParseInt(lines[0], 10, 64); err != nil || h.Size < 1 || h.Size > MaxRecords {
		return fmt.Errorf("size %q is not from 1 to %d", lines[0], MaxRecords)
	}
	root, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil || len(root) != len(h.Root) {
		return fmt.Errorf("%q is not a hash", lines[1])
	}
	h.Root = Hash(root)
	secs, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil || secs < 1 || secs > maxSafe {
		return fmt.Errorf("%q is not a time", lines[2])
	}
	h.Time = time.Unix(secs, 0).UTC()
	return nil
}

// Judge refuses a head that is too far ahead of now to be trusted.
func (h Head) Judge(now time.Time) error {
	if ahead := h.Time.Sub(now); ahead > MaxAhead {
		return refuse("head", ErrFuture, "the head of device %v is %v ahead of this clock", h.Device, ahead.Round(time.Second))
	}
	return nil
}

// Relation is how a head relates to the known one.
type Relation int

const (
	Same     Relation = iota // the same log, signed at the same time
	Earlier                  // smaller, or the same log signed earlier: nothing new
	Later                    // larger, or the same log signed later
	Conflict                 // the same size, but another log: a fork
)

// Compare returns the relation of h to known, a head of the same device. A Later head of a larger size still has to be
// proven by the records in between.
func (h Head) Compare(known Head) Relation {
	switch {
	case h.Size == known.Size && h.Root != known.Root:
		return Conflict
	case h.Size > known.Size, h.Size == known.Size && h.Time.After(known.Time):
		return Later
	case h.Size < known.Size, h.Time.Before(known.Time):
		return Earlier
	}
	return Same
}
