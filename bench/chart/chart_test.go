package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestSVGIsAPicture draws lines and holds the picture to be XML, with a mark for each point, inside of its frame.
func TestSVGIsAPicture(t *testing.T) {
	c := Chart{Title: "a < b & c", X: "subscribers", Y: "µs", Lines: []Line{
		{"one", []Point{{1000, 0.5}, {20_000, 700}}}, {"two", []Point{{1000, 12}}},
	}}
	decoder := xml.NewDecoder(strings.NewReader(c.SVG()))
	circles, texts := 0, ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "circle" {
				circles++
			}
		case xml.CharData:
			texts += string(token) + "|"
		}
	}
	if circles != 3 {
		t.Errorf("%d points drawn, want 3", circles)
	}
	for _, want := range []string{"a < b & c", "|10,000|", "|0.1|", "|1,000|", "one", "two", "µs"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q among the texts %q", want, texts)
		}
	}
}

// TestScalesHoldAllPoints: no point may lie outside of the axes.
func TestScalesHoldAllPoints(t *testing.T) {
	points := []Point{{1, 0.003}, {100_000, 10}, {7, 999.9}}
	x, y := Chart{Lines: []Line{{"", points}}}.scales()
	for _, p := range points {
		if at := x.at(p.X); at < left || at > width-right {
			t.Errorf("%v is at x %.1f", p, at)
		}
		if at := y.at(p.Y); at < top || at > height-bottom {
			t.Errorf("%v is at y %.1f", p, at)
		}
	}
}
