package engine

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// The client takes an info only through its own decoder, which wants integers without zeros before them and every key
// that it knows of its type: v1.62.0 refuses a torrent for a source that is a number. Infohashes are over the bytes as
// they are, so nothing can be rewritten for it. What follows gives it the bytes and what they say apart from each other,
// the way its own decoding does. The linker refuses to build this with a client that lacks a function, and a test
// fetches by it.

//go:linkname lockClient github.com/anacrolix/torrent.(*Client).lock
func lockClient(*torrent.Client)

//go:linkname unlockClient github.com/anacrolix/torrent.(*Client).unlock
func unlockClient(*torrent.Client)

//go:linkname setInfo github.com/anacrolix/torrent.(*Torrent).setInfo
func setInfo(*torrent.Torrent, *metainfo.Info) error

//go:linkname addPieceLayers github.com/anacrolix/torrent.(*Torrent).addPieceLayersLocked
func addPieceLayers(*torrent.Torrent, map[string]string) []error

//go:linkname onSetInfo github.com/anacrolix/torrent.(*Torrent).onSetInfo
func onSetInfo(*torrent.Torrent)

// readsAs says whether the client's decoder reads out of raw what was judged.
func readsAs(raw []byte, judged *metainfo.Info) bool {
	var theirs metainfo.Info
	if bencode.Unmarshal(raw, &theirs) != nil {
		return false
	}
	a, err := bencode.Marshal(&theirs)
	if err != nil {
		return false
	}
	b, err := bencode.Marshal(judged)
	return err == nil && bytes.Equal(a, b)
}

// putInfo gives the client the info of a torrent that was added without it. raw hashes to its infohash, and judged is
// what it says.
func putInfo(c *torrent.Client, t *torrent.Torrent, raw []byte, judged *metainfo.Info, layers map[string]string) error {
	// A copy: the opening of a storage changes it.
	canonical, err := bencode.Marshal(judged)
	if err != nil {
		return err
	}
	info := new(metainfo.Info)
	if err := bencode.Unmarshal(canonical, info); err != nil {
		return err
	}
	served, err := metadataOf(t)
	if err != nil {
		return err
	}
	lockClient(c)
	defer unlockClient(c)
	if err := setInfo(t, info); err != nil {
		return fmt.Errorf("giving the client its info: %w", err)
	}
	*served = bytes.Clone(raw)
	if err := errors.Join(addPieceLayers(t, layers)...); err != nil {
		return err
	}
	onSetInfo(t)
	return nil
}

// metadataOf is where the client has the bytes of a torrent's info. Its lock guards them.
func metadataOf(t *torrent.Torrent) (*[]byte, error) {
	field := reflect.ValueOf(t).Elem().FieldByName("metadataBytes")
	if !field.IsValid() || field.Type() != reflect.TypeFor[[]byte]() {
		return nil, errors.New("this version of the client keeps the info elsewhere")
	}
	return (*[]byte)(unsafe.Pointer(field.UnsafeAddr())), nil
}
