package cli

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/node"
)

// refs makes references absolute that are paths: a daemon has a working folder of its own. What has no
// separator is a name, an ID or an infohash.
func (s *session) refs(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if isPath(a) && !s.isEntry(a) {
			out[i] = filepath.Clean(s.abs(a))
		}
	}
	return out
}

// isEntry says whether an argument with a slash is GROUP/NAME, and not the path of what is there.
func (s *session) isEntry(arg string) bool {
	if strings.HasPrefix(arg, ".") || filepath.IsAbs(arg) {
		return false
	}
	_, err := os.Lstat(s.abs(arg))
	ref, rerr := catalog.ParseRef(arg, catalog.Named)
	return err != nil && rerr == nil && ref.Kind == catalog.Named
}

func isPath(arg string) bool {
	return arg == "." || arg == ".." || strings.ContainsRune(arg, filepath.Separator) && !strings.HasPrefix(arg, "magnet:")
}

// shareObject is a share with its times in seconds.
type shareObject struct {
	node.Share
	Progress *progressObject `json:"progress,omitempty"`
	Policy   policyObject    `json:"policy"`
}

type progressObject struct {
	*node.Progress
	ETA     any     `json:"eta,omitempty"` // hides the nanoseconds
	Seconds float64 `json:"eta_seconds,omitempty"`
}

type policyObject struct {
	Ratio   float64 `json:"ratio,omitempty"`
	Seconds float64 `json:"time_seconds,omitempty"`
	Copies  int     `json:"copies,omitempty"`
}

// fetchedObject is a finished fetch with its times in seconds.
func fetchedObject(f *node.Fetched) any {
	return struct {
		*node.Fetched
		Policy policyObject `json:"policy,omitzero"`
	}{f, policyOf(f.Policy)}
}

func policyOf(p node.Policy) policyObject { return policyObject{p.Ratio, p.Time.Seconds(), p.Copies} }

func progressOf(p *node.Progress) *progressObject {
	if p == nil {
		return nil
	}
	return &progressObject{Progress: p, Seconds: p.ETA.Seconds()}
}

func shareObjects(list []node.Share) []shareObject {
	out := make([]shareObject, len(list)) // [] rather than null
	for i, x := range list {
		out[i] = shareObject{Share: x, Progress: progressOf(x.Progress), Policy: policyOf(x.Policy)}
	}
	return out
}

// shareName is what a share is shown as: its name, or its ID where there is none.
func shareName(x node.Share) string { return printable(cmp.Or(x.Name, x.ID)) }

// block tells how a share stands, in lines.
func block(x node.Share) []string {
	head := shareName(x) + " (" + printable(x.ID) + "): " + stateText(x)
	lines := []string{head}
	if where := shareWhere(x); where != "" {
		lines = append(lines, "    "+where)
	}
	if x.Taken != nil {
		lines = append(lines, "    "+printable(x.Entry)+" was taken back by "+takenText(x.Taken))
	}
	if facts := shareFacts(x); facts != "" {
		lines = append(lines, "    "+facts)
	}
	if h := health(x); h != "" {
		lines = append(lines, "    "+h)
	}
	if x.Hint != "" {
		lines = append(lines, "    "+printable(x.Hint))
	}
	for _, w := range x.Trackers {
		verb := "says"
		if w.Refuses {
			verb = "refuses"
		}
		lines = append(lines, fmt.Sprintf("    the tracker %s %s: %s", printable(w.Tracker), verb, printable(strconv.Quote(w.Text))))
	}
	return lines
}

// shareWhere says where a share lies, what it is in a group, and whom it is open to.
func shareWhere(x node.Share) string {
	var parts []string
	if x.Path != "" {
		parts = append(parts, printable(x.Path))
	}
	if x.Entry != "" {
		parts = append(parts, printable(x.Entry))
	}
	switch {
	case x.Infohash == "" && x.InfohashV2 == "":
	case x.Members:
		parts = append(parts, "members only")
	case x.Private:
		parts = append(parts, "known to its trackers alone")
	default:
		parts = append(parts, "public")
	}
	return strings.Join(parts, ", ")
}

// stateText is a share's state, and how far it is.
func stateText(x node.Share) string {
	if p := x.Progress; p != nil && (x.State == node.StateChecking || x.State == node.StateFetching) {
		text := x.State
		if pc := percent(*p); pc != "" {
			text += " " + pc
		}
		if eta := etaText(p.ETA); eta != "" {
			text += ", " + eta
		}
		return text
	}
	return printable(x.State)
}

// shareFacts are sizes, rates and numbers, those that say something.
func shareFacts(x node.Share) string {
	var facts []string
	if x.Files > 0 {
		facts = append(facts, counted(x.Files, x.Size))
	}
	moving := x.State == node.StateSeeding || x.State == node.StateFetching
	if moving || x.Up > 0 {
		facts = append(facts, rateText(x.Up)+" up")
	}
	if x.State == node.StateFetching || x.Down > 0 {
		facts = append(facts, rateText(x.Down)+" down")
	}
	if moving {
		facts = append(facts, plural(x.Peers, "peer"))
	}
	if x.Uploaded > 0 || x.State == node.StateSeeding {
		facts = append(facts, fmt.Sprintf("%s sent, ratio %s", bytesText(x.Uploaded), ratioText(x.Ratio)))
	}
	if x.BadPieces > 0 {
		facts = append(facts, plural(int(min(x.BadPieces, math.MaxInt32)), "bad piece")+" received")
	}
	return strings.Join(facts, ", ")
}

func ratioText(r float64) string {
	if r >= 100 {
		return strconv.FormatFloat(r, 'f', 0, 64)
	}
	return strconv.FormatFloat(r, 'f', 2, 64)
}

// health says in plain words whether a share does what it is for, and if not, why.
func health(x node.Share) string {
	if x.Reason != "" {
		return printable(x.Reason)
	}
	switch x.State {
	case node.StateStarting:
		return "its files are looked at"
	case node.StateQueued:
		return "waits for its turn"
	case node.StateWaiting:
		return "waits, and goes on by itself"
	case node.StateStopped:
		return "p2pshare start " + refTo(x.ID, x.Name) + " takes it up again"
	case node.StateDone:
		return "fetched and verified, and not shared"
	case node.StateFetching:
		return fetchHealth(x)
	case node.StateSeeding:
		return seedHealth(x)
	}
	return ""
}

func fetchHealth(x node.Share) string {
	if x.Progress != nil && x.Progress.Waiting != "" {
		return printable(x.Progress.Waiting)
	}
	if x.Seeds == 0 && x.WebSeeds == 0 && x.Peers > 0 {
		return "nobody who has all of it is connected"
	}
	if whole := whole(x.Seeds, x.WebSeeds); whole != "" {
		return whole + has(x.Seeds+x.WebSeeds) + " all of it"
	}
	return ""
}

func seedHealth(x node.Share) string {
	switch {
	case x.Copies > 0:
		return whole(x.Copies, x.WebSeeds) + has(x.Copies+x.WebSeeds) + " all of it too"
	case x.WebSeeds > 0:
		return "nobody else who is connected is known to have all of it, but " + plural(x.WebSeeds, "web seed") + " may"
	}
	return "nobody else who is connected is known to have all of it"
}

// whole counts who has everything.
func whole(machines, webSeeds int) string {
	var parts []string
	if machines > 0 {
		parts = append(parts, plural(machines, "other machine"))
	}
	if webSeeds > 0 {
		parts = append(parts, plural(webSeeds, "web seed"))
	}
	return strings.Join(parts, " and ")
}

// header tells how the node stands.
func header(st *node.Status, now time.Time) []string {
	if !st.Daemon {
		return []string{"no daemon runs, and what other terminals share is not shown; p2pshare daemon --detach starts it"}
	}
	line := fmt.Sprintf("daemon %s, process %d", printable(st.Version), st.PID)
	if up := now.Sub(st.Started).Truncate(time.Second); !st.Started.IsZero() && up > 0 {
		line += ", for " + up.String()
	}
	line += fmt.Sprintf(": %s, %s up, %s down", plural(len(st.Shares), "share"), rateText(st.Up), rateText(st.Down))
	if st.Port > 0 {
		line += fmt.Sprintf(", port %d", st.Port)
	}
	if st.DHTNodes > 0 {
		line += ", " + plural(st.DHTNodes, "DHT node")
	}
	lines := []string{line}
	if st.Now.Up > 0 || st.Now.Down > 0 {
		lines = append(lines, "limits now: "+ratesText(st.Now.Up, st.Now.Down))
	}
	return lines
}

// ratesText shows two limits.
func ratesText(up, down int64) string { return limitText(up) + " up, " + limitText(down) + " down" }

func limitText(rate int64) string {
	if rate == 0 {
		return "no limit"
	}
	return rateText(float64(rate))
}

// listed are the shares as a table; the head is for eyes alone.
func listed(list []node.Share, head bool) []string {
	var rows [][]string
	if head {
		rows = append(rows, []string{"ID", "STATE", "SIZE", "UP", "DOWN", "PEERS", "RATIO", "NAME"})
	}
	for _, x := range list {
		rows = append(rows, []string{
			x.ID, stateWord(x), bytesText(x.Size), rateText(x.Up), rateText(x.Down), strconv.Itoa(x.Peers), ratioText(x.Ratio), cmp.Or(x.Name, "-"),
		})
	}
	return columns(rows)
}

func stateWord(x node.Share) string {
	if x.Progress != nil && (x.State == node.StateChecking || x.State == node.StateFetching) {
		return strings.TrimSpace(x.State + " " + percent(*x.Progress))
	}
	return x.State
}

// typable are the words that scripts and completion go on with: the names, and the IDs of those whose name is
// another's too or cannot be typed.
func typable(list []node.Share) []string {
	names := make(map[string]int)
	for _, x := range list {
		names[x.Name]++
	}
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.Name
		if x.Name == "" || names[x.Name] > 1 || printable(x.Name) != x.Name || isPath(x.Name) || strings.HasPrefix(x.Name, "-") {
			out[i] = x.ID
		}
	}
	return slices.DeleteFunc(out, func(word string) bool { return word == "" || printable(word) != word })
}
