package glpi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

// modulesOf reads the dark modules back from a code's picture.
func modulesOf(t *testing.T, picture []byte) string {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	side := img.Bounds().Dx()
	for y := 18; y < side-16; y += 4 {
		for x := 18; x < side-16; x += 4 {
			b.WriteByte("01"[darkness(img, x, y)])
		}
	}
	return b.String()
}

func darkness(img image.Image, x, y int) int {
	if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128 {
		return 1
	}
	return 0
}

// TestQRCodes compares codes with those that an independent reader (jsQR) decoded to the text that went in: small ones, one
// with a version field and several blocks, and one of the length of a deeplink.
func TestQRCodes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		modules    int // a side
		sum        string
	}{
		{"smallest", "a", 21, "c8b94007197ad57d"},
		{"version 6", "http://flyve.org/deeplink/?data=" + strings.Repeat("aHR0", 20), 41, "b0f889b7c42dc809"},
		{"deeplink", "http://flyve.org/deeplink/?data=" + strings.Repeat("aHR0cDov", 55), 77, "8983c2f4eca493f7"},
		{"large", strings.Repeat("xyz9", 500), 149, "798d6a6238501a04"},
	} {
		t.Run(c.name, func(t *testing.T) {
			picture, err := qrPNG(c.text)
			if err != nil {
				t.Fatal(err)
			}
			modules := modulesOf(t, picture)
			sum := sha256.Sum256([]byte(modules))
			if len(modules) != c.modules*c.modules || hex.EncodeToString(sum[:8]) != c.sum {
				t.Errorf("%d modules, sum %x", len(modules), sum[:8])
			}
		})
	}
	if _, err := qrPNG(strings.Repeat("x", 2954)); err == nil {
		t.Error("a text beyond the largest code was drawn")
	}
	if _, err := qrPNG(strings.Repeat("x", 2953)); err != nil {
		t.Errorf("the longest text: %v", err)
	}
}
