// Package chart draws plain line charts as SVG: one scale for all lines, logarithmic both ways, since what is measured
// spans thousands.
package chart

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Chart is a picture of lines.
type Chart struct {
	Title, X, Y string // with their units
	Lines       []Line
}

// Line is one of them.
type Line struct {
	Name   string
	Points []Point
}

// Point is one measurement; both must be above 0.
type Point struct{ X, Y float64 }

// The picture's measures, in pixels.
const (
	width, height            = 720, 400
	left, right, top, bottom = 80, 20, 50, 60
	legendLine               = 18
)

// colours can be told apart by those who see red and green alike (Okabe and Ito).
var colours = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

// SVG draws the chart.
func (c Chart) SVG() string {
	var b strings.Builder
	tall := height + legendLine*len(c.Lines)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, tall)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, tall)
	text(&b, width/2, 24, "middle", `font-size="16"`, c.Title)
	x, y := c.scales()
	c.drawGrid(&b, x, y)
	for i, line := range c.Lines {
		colour := colours[i%len(colours)]
		var path []string
		for _, p := range line.Points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y)))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", x.at(p.X), y.at(p.Y), colour)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
		at := height + legendLine*i
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`+"\n", left, at-10, colour)
		text(&b, left+20, at, "start", "", line.Name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// scale is a logarithmic axis from one value to another, between two places in the picture.
type scale struct{ low, high, from, to float64 }

func (s scale) at(value float64) float64 {
	return s.from + (s.to-s.from)*math.Log(value/s.low)/math.Log(s.high/s.low)
}

// scales hold all points, and begin and end at round numbers.
func (c Chart) scales() (x, y scale) {
	var xs, ys []float64
	for _, line := range c.Lines {
		for _, p := range line.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	if len(xs) == 0 {
		xs, ys = []float64{1}, []float64{1}
	}
	x = scale{slices.Min(xs) / 1.3, slices.Max(xs) * 1.3, left, width - right}
	y = scale{math.Pow(10, math.Floor(math.Log10(slices.Min(ys)))), math.Pow(10, math.Ceil(math.Log10(slices.Max(ys)*1.01))), height - bottom, top}
	return x, y
}

// drawGrid draws the axes with what stands beside them.
func (c Chart) drawGrid(b *strings.Builder, x, y scale) {
	for _, value := range ticks(x.low, x.high) {
		at := x.at(value)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#dddddd"/>`+"\n", at, top, at, height-bottom)
		text(b, at, float64(height-bottom+18), "middle", "", number(value))
	}
	for _, value := range ticks(y.low, y.high) {
		at := y.at(value)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#dddddd"/>`+"\n", left, at, width-right, at)
		text(b, float64(left-8), at+4, "end", "", number(value))
	}
	text(b, (left+width-right)/2, height-bottom+38, "middle", "", c.X)
	text(b, 0, 0, "middle", fmt.Sprintf(`transform="translate(20 %d) rotate(-90)"`, (top+height-bottom)/2), c.Y)
}

// ticks are the powers of ten between two values, with 2 and 5 of each where these are few.
func ticks(low, high float64) (all []float64) {
	steps := []float64{1, 2, 5}
	if high/low > 1000 {
		steps = steps[:1]
	}
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for _, step := range steps {
			if value := step * math.Pow(10, power); value >= low*0.999 && value <= high*1.001 {
				all = append(all, value)
			}
		}
	}
	return all
}

// number is a tick's, short.
func number(value float64) string {
	text := fmt.Sprintf("%.6g", value)
	if whole, fits := int64(value), value >= 1000; fits {
		text = fmt.Sprintf("%d,%03d", whole/1000, whole%1000)
		if whole >= 1_000_000 {
			text = fmt.Sprintf("%d,%03d,%03d", whole/1_000_000, whole/1000%1000, whole%1000)
		}
	}
	return text
}

func text[T int | float64](b *strings.Builder, x, y T, anchor, more, content string) {
	fmt.Fprintf(b, `<text x="%v" y="%v" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(content))
}
