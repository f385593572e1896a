package engine

import (
	"bytes"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/tracker"
)

func TestPartialSeedSaysSo(t *testing.T) {
	if q := announceQuery(announce{partial: true}); !strings.Contains(q, "event=paused") {
		t.Errorf("an announce of a partial seed: %s, want event=paused", q)
	}
	if q := announceQuery(announce{partial: true, AnnounceRequest: tracker.AnnounceRequest{Event: tracker.Stopped}}); !strings.Contains(q, "event=stopped") {
		t.Errorf("the last announce of a partial seed: %s, want event=stopped", q)
	}
	if q := announceQuery(announce{}); strings.Contains(q, "event=") {
		t.Errorf("an announce of another: %s, want no event", q)
	}
	got, edit := uploadOnly(ext(0, "d1:md11:ut_metadatai1ee1:v4:teste"))
	if want := ext(0, "d1:md11:ut_metadatai1ee11:upload_onlyi1e1:v4:teste"); !edit || !bytes.Equal(got, want) {
		t.Errorf("its extension handshake: got %q, %v, want %q", got, edit, want)
	}
	for name, m := range map[string][]byte{"another extension's message": ext(1, "de"), "no dictionary": ext(0, "le"), "nothing": ext(0, "")} {
		if got, edit := uploadOnly(m); edit {
			t.Errorf("%s is changed to %q", name, got)
		}
	}
}
