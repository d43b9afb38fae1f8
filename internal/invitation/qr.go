package invitation

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"rsc.io/qr"
)

const (
	quietZone      = 4 // modules of white around, without which phones don't find the code
	pixelsOfModule = 6 // a deeplink has some 80 modules a side: about 500 pixels
)

// QR is a QR code. Error level M: a deeplink is long, and a higher level would make its modules too small for cameras.
type QR struct{ code *qr.Code }

// NewQR makes the QR code of a text. The error, for a text that is too long, doesn't hold it.
func NewQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return QR{}, fmt.Errorf("a text of %d characters does not fit a QR code", len(text))
	}
	return QR{code}, nil
}

// side is how many modules the code has with its quiet zone.
func (q QR) side() int { return q.code.Size + 2*quietZone }

// PNG is the code as an image file, black on white.
func (q QR) PNG() ([]byte, error) {
	side := q.side() * pixelsOfModule
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if q.code.Black(x/pixelsOfModule-quietZone, y/pixelsOfModule-quietZone) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

// DataURL is the PNG as a URL that holds it.
func (q QR) DataURL() (string, error) {
	file, err := q.PNG()
	if err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(file), nil
}

// SVG is the code as a drawing that scales, with its own white ground. It has no outer size.
func (q QR) SVG() string {
	var path strings.Builder
	for y := range q.code.Size {
		for x := 0; x < q.code.Size; x++ {
			from := x
			for x < q.code.Size && q.code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges" role="img">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%[2]s"/></svg>`, q.side(), path.String())
}
