// Package record runs a few commands in two homes on this machine and draws the output as an SVG, the picture in the README.
// It uses only loopback, and needs no root. The command draw below it writes the picture.
package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/integration/client"
)

const (
	columns    = 96
	lineTall   = 20
	charWide10 = 84 // tenths of a pixel
	margin     = 16
	typed      = 900 * time.Millisecond // how long a command takes to appear
	shown      = 350 * time.Millisecond // delay until its output
	longest    = 12 * time.Second       // of the whole animation
	perScreen  = time.Minute            // for all commands together
)

// scene is a command and the person who types it; with answer it is typed in a terminal that asks for the password.
type scene struct {
	who, line string
	answer    bool
}

var scenes = []scene{
	{"anna", "p2pshare group create family --private --open --user anna", false},
	{"anna", "p2pshare publish Photos/2026 --group family --as photos/2026", false},
	{"ben", "p2pshare group join LINK --account ben", true},
	{"ben", "p2pshare fetch family/photos/2026 -o Pictures", false},
	{"ben", "ls Pictures/2026", false},
}

// line is a line of the picture.
type line struct {
	at     time.Duration
	prompt string // "anna$ ", or empty: output
	text   string
}

// Picture draws the picture with the p2pshare binary bin.
func Picture(ctx context.Context, bin string) (svg []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, perScreen)
	defer cancel()
	dir, err := os.MkdirTemp("", "p2pshare-record-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &stage{dir: dir, ports: map[string]int{}}
	if s.bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	for i, who := range []string{"anna", "ben"} {
		if s.ports[who], err = freePort(); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Join(dir, who, "Photos", "2026"), 0o755); err != nil {
			return nil, err
		}
		for n := range 3 * (1 - i) {
			name := filepath.Join(dir, who, "Photos", "2026", fmt.Sprintf("IMG_400%d.JPG", n+1))
			if err := os.WriteFile(name, bytes.Repeat([]byte{byte(n + 1)}, 2_500_000+n*400_000), 0o644); err != nil {
				return nil, err
			}
		}
	}
	for _, who := range []string{"anna", "ben"} {
		if out, err := s.command(ctx, who, "p2pshare daemon --detach").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("starting the daemon: %w\n%s", err, out)
		}
		defer func() { err = errors.Join(err, s.command(context.Background(), who, "p2pshare daemon --stop").Run()) }()
	}
	var lines []line
	at := time.Duration(0)
	for _, sc := range scenes {
		out, err := s.play(ctx, sc)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line{at, sc.who + "$ ", short(strings.ReplaceAll(sc.line, "LINK", s.shown.Link))})
		at += typed
		for _, text := range out {
			lines = append(lines, line{at, "", text})
		}
		at += shown
		lines = append(lines, line{at: at})
	}
	return draw(lines[:len(lines)-1]), nil
}

type stage struct {
	bin, dir string
	ports    map[string]int
	shown    client.Shown
}

// command returns a command as a user types it, on a machine that nobody else can reach and that knows the other's address.
func (s *stage) command(ctx context.Context, who, typed string) *exec.Cmd {
	other := "anna"
	if who == other {
		other = "ben"
	}
	home := filepath.Join(s.dir, who)
	c := exec.CommandContext(ctx, "bash", "-c", "cd && "+typed)
	c.Env = []string{
		"HOME=" + home, "USER=" + who, "PATH=" + filepath.Dir(s.bin) + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=xterm", fmt.Sprintf("COLUMNS=%d", columns),
		"P2PSHARE_NO_DHT=true", "P2PSHARE_NO_LAN=true", "P2PSHARE_NO_UPNP=true", "P2PSHARE_LISTEN=127.0.0.1",
		fmt.Sprintf("P2PSHARE_PORT=%d", s.ports[who]), fmt.Sprintf("P2PSHARE_PEER=127.0.0.1:%d", s.ports[other]),
	}
	return c
}

var (
	anID      = regexp.MustCompile(`[0-9a-f]{40,}`)
	aProgress = regexp.MustCompile(`^(hashing|checking|fetching|moving) .*: \d+%`) // shown by a terminal in one changing line
)

// play runs a scene and returns the visible lines; of a progress bar that is its last state.
func (s *stage) play(ctx context.Context, sc scene) ([]string, error) {
	typed := strings.ReplaceAll(sc.line, "LINK", s.shown.Link)
	var answers []string
	if sc.answer {
		answers = []string{s.shown.Password}
	}
	out, err := client.Typed(func(line string) *exec.Cmd { return s.command(ctx, sc.who, line) }, typed, answers...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", typed, err, out)
	}
	s.shown.Read(string(out))
	var lines []string
	for l := range strings.Lines(strings.ReplaceAll(string(out), s.dir, "/home")) {
		l = strings.TrimRight(l, "\r\n ")
		l = l[strings.LastIndexByte(l, '\r')+1:]
		if l == "" || sc.answer && l == s.shown.Password || aProgress.MatchString(l) {
			continue
		}
		lines = append(lines, wrap(short(l))...)
	}
	return lines, nil
}

// short abbreviates links and IDs.
func short(l string) string {
	l = client.GroupLink.ReplaceAllStringFunc(l, func(link string) string { return link[:24] + "…" })
	return anID.ReplaceAllStringFunc(l, func(id string) string { return id[:8] + "…" })
}

// wrap breaks a line between words, much like a terminal of that width.
func wrap(l string) (lines []string) {
	for len([]rune(l)) > columns {
		at := strings.LastIndexByte(string([]rune(l)[:columns]), ' ')
		if at <= 0 {
			break
		}
		lines, l = append(lines, l[:at]), l[at+1:]
	}
	return append(lines, l)
}

// draw makes the picture: the lines appear one after the other, or all at once where animations are off.
func draw(lines []line) []byte {
	var b bytes.Buffer
	wide, tall := columns*charWide10/10+2*margin, len(lines)*lineTall+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Two people share a folder with p2pshare">`+"\n", wide, tall, wide, tall)
	b.WriteString("<style>\n" +
		"text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d4d7dd; white-space: pre }\n" +
		".p { fill: #7ec699 } .c { fill: #ffffff; font-weight: 600 }\n" +
		"@media (prefers-reduced-motion: no-preference) { .l { animation: a .01s linear both } }\n" +
		"@keyframes a { from { opacity: 0 } to { opacity: 1 } }\n</style>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#1d2027"/>`+"\n", wide, tall)
	for i, l := range lines {
		fmt.Fprintf(&b, `<text class="l" style="animation-delay:%.2fs" x="%d" y="%d">`, min(l.at, longest).Seconds(), margin, margin+(i+1)*lineTall-5)
		if l.prompt != "" {
			fmt.Fprintf(&b, `<tspan class="p">%s</tspan><tspan class="c">%s</tspan>`, strings.ReplaceAll(html.EscapeString(l.prompt), " ", "&#160;"), html.EscapeString(l.text))
		} else {
			b.WriteString(html.EscapeString(l.text))
		}
		b.WriteString("</text>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
