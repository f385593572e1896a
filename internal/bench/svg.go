package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Dimensions of a plot, in pixels.
const (
	plotWidth, plotHeight           = 860, 440
	plotLeft, plotRight             = 56, 210
	plotTop, plotBottom             = 74, 48
	plotInnerWidth, plotInnerHeight = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	gridLines                       = 8 // approximately; they are at round numbers
	fontFamily                      = "system-ui, sans-serif"
)

// colours can be distinguished by people with colour blindness (Okabe and Ito, "Color universal design", 2008); further curves
// use them again, dashed.
var colours = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// WriteSVG draws how many fetchers have everything over time, the plots below each other.
func (r *Report) WriteSVG(w io.Writer) error {
	var b strings.Builder
	height := plotHeight * len(r.Plots)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="%s" font-size="13">`+"\n", plotWidth, height, plotWidth, height, fontFamily)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	for i, p := range r.Plots {
		fmt.Fprintf(&b, `<g transform="translate(0 %d)">`+"\n", i*plotHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Plot) draw(b *strings.Builder) {
	longest := p.Bound
	for _, c := range p.Curves {
		if n := len(c.Done); n > 0 {
			longest = max(longest, c.Done[n-1])
		}
	}
	if !(longest > 0) || math.IsInf(longest, 0) {
		longest = 1
	}
	longest *= 1.04 // so that the last step is visible
	x := func(s float64) float64 { return plotLeft + s/longest*plotInnerWidth }
	y := func(n float64) float64 { return plotTop + plotInnerHeight*(1-n/float64(max(p.Fetchers, 1))) }
	for i, line := range wrapTitle(p.Title) {
		text(b, plotLeft, float64(22+18*i), `font-size="14" font-weight="600" fill="#222222"`, line)
	}
	text(b, plotLeft, plotTop-12, `fill="#555555"`, "fetchers that have everything, over seconds")

	for s, step := 0.0, roundStep(longest/gridLines); s <= longest; s += step {
		fmt.Fprintf(b, `<line x1="%[1]s" y1="%[2]d" x2="%[1]s" y2="%[3]d" stroke="#dddddd"/>`+"\n", px(x(s)), plotTop, plotTop+plotInnerHeight)
		text(b, x(s), plotTop+plotInnerHeight+18, `text-anchor="middle" fill="#555555"`, strconv.FormatFloat(math.Round(s*1000)/1000, 'f', -1, 64))
	}
	for n, step := 0.0, max(1, roundStep(float64(p.Fetchers)/gridLines)); n <= float64(p.Fetchers); n += step {
		fmt.Fprintf(b, `<line x1="%[1]d" y1="%[2]s" x2="%[3]d" y2="%[2]s" stroke="#dddddd"/>`+"\n", plotLeft, px(y(n)), plotLeft+plotInnerWidth)
		text(b, plotLeft-8, y(n)+4, `text-anchor="end" fill="#555555"`, strconv.FormatFloat(n, 'f', -1, 64))
	}
	if p.Bound > 0 && !math.IsInf(p.Bound, 0) {
		fmt.Fprintf(b, `<line x1="%[1]s" y1="%[2]d" x2="%[1]s" y2="%[3]d" stroke="#555555" stroke-width="1.5" stroke-dasharray="3 4"/>`+"\n", px(x(p.Bound)), plotTop, plotTop+plotInnerHeight)
	}
	for i, c := range p.Curves {
		p.curve(b, i, c, x, y)
	}
	legend := len(p.Curves)
	if p.Bound > 0 {
		at := plotTop + 14 + legend*22
		fmt.Fprintf(b, `<line x1="%[1]d" y1="%[2]d" x2="%[3]d" y2="%[2]d" stroke="#555555" stroke-width="1.5" stroke-dasharray="3 4"/>`+"\n", plotLeft+plotInnerWidth+14, at, plotLeft+plotInnerWidth+38)
		text(b, plotLeft+plotInnerWidth+44, float64(at+4), `fill="#222222"`, "bound, "+number(p.Bound, 1)+" s")
	}
}

// curve draws the steps of one kind and its line in the legend.
func (p Plot) curve(b *strings.Builder, i int, c Curve, x, y func(float64) float64) {
	style := fmt.Sprintf(`stroke="%s" stroke-width="2.5" fill="none"`, colours[i%len(colours)])
	if i >= len(colours) {
		style += ` stroke-dasharray="7 3"`
	}
	fmt.Fprintf(b, `<path d="M%s %s`, px(x(0)), px(y(0)))
	last := "never"
	for n, s := range c.Done {
		fmt.Fprintf(b, "H%sV%s", px(x(s)), px(y(float64(n+1))))
		last = number(s, 1) + " s"
	}
	fmt.Fprintf(b, `" %s/>`+"\n", style)
	if len(c.Done) < p.Fetchers {
		last = fmt.Sprintf("%d of %d", len(c.Done), p.Fetchers)
	}
	at := plotTop + 14 + i*22
	fmt.Fprintf(b, `<line x1="%[1]d" y1="%[2]d" x2="%[3]d" y2="%[2]d" %[4]s/>`+"\n", plotLeft+plotInnerWidth+14, at, plotLeft+plotInnerWidth+38, style)
	text(b, plotLeft+plotInnerWidth+44, float64(at+4), `fill="#222222"`, c.Kind+", "+last)
}

func text(b *strings.Builder, x, y float64, attributes, s string) {
	fmt.Fprintf(b, `<text x="%s" y="%s" %s>`, px(x), px(y), attributes)
	_ = xml.EscapeText(b, []byte(s)) // a Builder never fails
	b.WriteString("</text>\n")
}

// wrapTitle breaks a title at its commas into two lines, and truncates what does not fit.
func wrapTitle(s string) []string {
	const most = 92
	lines := []string{""}
	for i, part := range strings.SplitAfter(s, ", ") {
		last := len(lines) - 1
		if i > 0 && len(lines) < 2 && len([]rune(lines[last]))+len([]rune(part)) > most {
			lines, last = append(lines, ""), last+1
		}
		lines[last] += part
	}
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if r := []rune(l); len(r) > most {
			l = string(r[:most-1]) + "…"
		}
		lines[i] = l
	}
	return lines
}

// px formats a coordinate, rounded to a tenth of a pixel.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// roundStep returns the smallest of 1, 2, 5, 10, 20, ... (and 0.5, 0.2, ...) that is at least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}
