package groupsync

import (
	"context"
	"fmt"
	"net/http"
	"testing"
)

// TestBodiesHaveRoom: whoever calls, and however many, bodies take no more than the Pool has, and the newcomer gets in.
func TestBodiesHaveRoom(t *testing.T) {
	const mib = 1 << 20
	p := NewPool()
	ended := map[string]int{}
	take := func(c caller, n int64) (done func()) {
		t.Helper()
		done, ok := p.body(c, n, func() { ended[c.who]++ })
		if !ok {
			t.Fatalf("%d bytes of %v find no room", n, c)
		}
		return done
	}
	member := caller{"key", true}
	take(member, 60*mib)
	// One stranger takes his share alone, and then that of his own bodies.
	honest := take(caller{"10.0.0.9", false}, mib)
	for range 3000 {
		take(caller{"10.0.0.1", false}, 4*mib)
	}
	if ended["10.0.0.9"] != 0 || ended["10.0.0.1"] != 2998 {
		t.Errorf("ended: %v, want 2998 of the one who calls 3000 times", ended)
	}
	honest()
	// Many strangers take that of strangers, the oldest's first.
	for i := range 3000 {
		take(caller{fmt.Sprint(i), false}, 4*mib)
		if used := p.bodies[0].used; used > strangerBodies {
			t.Fatalf("strangers take %d bytes, more than %d", used, strangerBodies)
		}
	}
	if ended["2999"] != 0 || ended["2992"] != 0 || ended["2991"] != 1 {
		t.Error("who came last has no room")
	}
	if ended["key"] != 0 {
		t.Error("a member's body has given room to strangers")
	}
	if _, ok := p.body(caller{"10.0.0.1", false}, strangerBody+1, nil); ok {
		t.Error("a stranger takes more than a stranger's share")
	}
	if _, ok := p.body(member, memberBody+1, nil); ok {
		t.Error("a member takes more than a member's share")
	}
	// Who has done, and whose room went to others, frees it once.
	done := take(caller{"last", false}, mib)
	used := p.bodies[0].used
	done()
	done()
	if got := p.bodies[0].used; got != used-mib {
		t.Errorf("after it was freed twice %d bytes are taken, want %d", got, used-mib)
	}
}

// TestGuessesHaveLimits: of an address, and of all of them together; none for members, who have the slots.
func TestGuessesHaveLimits(t *testing.T) {
	p := NewPool()
	many := func(c caller, n int) (let int) {
		for range n {
			if p.guess(c) {
				let++
			}
		}
		return let
	}
	if got := many(caller{"10.0.0.1", false}, 10*slotBurst); got < slotBurst || got > 2*slotBurst {
		t.Errorf("one address may guess %d times, want %d and few more", got, slotBurst)
	}
	if got := many(caller{"10.0.0.2", false}, 1); got != 1 {
		t.Error("another address may not guess once")
	}
	all := 0
	for i := range 3 * slotsBurst {
		all += many(caller{fmt.Sprint("2001:db8::", i), false}, 5)
	}
	if all > 2*slotsBurst {
		t.Errorf("all addresses may guess %d times, want %d and few more", all, slotsBurst)
	}
	if got := many(caller{"key", true}, 2*slotsBurst); got != 2*slotsBurst {
		t.Errorf("a member may ask %d times of %d", got, 2*slotsBurst)
	}
	if len(p.asked) > maxCallers {
		t.Errorf("%d addresses are counted, more than %d", len(p.asked), maxCallers)
	}
}

func TestAnswersWaitForRoom(t *testing.T) {
	p := NewPool()
	ctx := t.Context()
	c := caller{"10.0.0.1", false}
	first, ok := p.answer(ctx, c, allAnswers+1) // one is never too large
	if !ok {
		t.Fatal("an answer finds no room")
	}
	if _, ok := p.answer(ctx, c, 1); ok {
		t.Error("one caller takes all the room, and more")
	}
	other := make(chan bool)
	go func() {
		done, ok := p.answer(ctx, caller{"10.0.0.2", false}, 1)
		if ok {
			done()
		}
		other <- ok
	}()
	if done, ok := p.answer(ctx, caller{"key", true}, 1); !ok {
		t.Error("a member waits for strangers")
	} else {
		done()
	}
	select {
	case <-other:
		t.Error("strangers' answers take more than they may")
	default:
	}
	first()
	if !<-other {
		t.Error("who waited got no room")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	full, _ := p.answer(ctx, c, allAnswers)
	if _, ok := p.answer(gone, caller{"10.0.0.3", false}, 1); ok {
		t.Error("who has gone got room")
	}
	full()
	if len(p.taking) != 0 {
		t.Errorf("left over: %v", p.taking)
	}
}

// TestSignaturesAreCounted for each caller, and for all strangers.
func TestSignaturesAreCounted(t *testing.T) {
	p := NewPool()
	count := func(c caller, most int) (n int) {
		for n < most && p.judge(c, 1) {
			n++
		}
		return n
	}
	if n := count(caller{"10.0.0.1", false}, 1_000_000); n < maxPushed || n > 4000 {
		t.Errorf("%d signatures of one stranger are judged at once, want those of a push or two", n)
	}
	if n := count(caller{"10.0.0.2", false}, maxPushed); n != maxPushed {
		t.Errorf("then %d of another's", n)
	}
	all := 0
	for i := range 100 {
		all += count(caller{fmt.Sprint(i), false}, 2000)
	}
	if all > 20*strangersWork {
		t.Errorf("%d signatures of many strangers are judged at once", all)
	}
	if n := count(caller{"key", true}, 10*maxPushed); n != 10*maxPushed {
		t.Errorf("%d of a member's are judged at once", n)
	}
	for i := range 3 * maxCallers {
		p.judge(caller{fmt.Sprint("x", i), false}, 1)
	}
	if len(p.work) > maxCallers {
		t.Errorf("%d callers are remembered", len(p.work))
	}
}

func TestAddressOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:1":               "192.0.2.1",
		"[::ffff:192.0.2.1]:1":      "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":          "fe80::/64",
		"pipe":                      "pipe",
	} {
		if got := addressOf(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
