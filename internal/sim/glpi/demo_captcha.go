package glpi

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"time"
)

func captchaType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmdemoCaptcha", Title: "Captcha", Table: "glpi_plugin_flyvemdmdemo_captchas", Right: "flyvemdmdemo:captcha",
		Columns: columns(`
			id            int
			ip_address    text
			answer        text
			date_creation datetime`),
		Hooks: Hooks{
			PrepareAdd: askCaptcha,
			PostGet: func(_ *Tx, _ *Row, obj *Object) {
				obj.Set("ip_address", "")
				obj.Set("answer", "")
			},
			ListFilter: func(*Tx, *Row) bool { return false },
			Download:   drawCaptcha,
		},
	}
}

// captchaLife is when the plugin's cron forgets a captcha; until then its answer may be used again and again.
const captchaLife = time.Hour

// askCaptcha makes a captcha, for so many in a while at most from one address.
func askCaptcha(tx *Tx, in Input) error {
	for _, limit := range []struct {
		within time.Duration
		most   int
	}{{5 * time.Minute, 6}, {15 * time.Minute, 15}, {time.Hour, 20}} {
		since, asked := tx.Now().Add(-limit.within).Format(dateLayout), 0
		for _, row := range tx.Find("PluginFlyvemdmdemoCaptcha", "ip_address", tx.address) {
			if row.Str("date_creation") > since {
				asked++
			}
		}
		if asked >= limit.most {
			return Refuse("Too many captcha requests")
		}
	}
	in.Set("ip_address", tx.address)
	in.Set("answer", randomText(tx.s.rand, "123456789", 5))
	return nil
}

// CaptchaAnswer is what the image of a captcha shows, for those who cannot read images; "" when there is no such captcha.
func (s *Server) CaptchaAnswer(id int) string {
	tx := s.begin(nil)
	defer tx.end()
	if row := tx.Row("PluginFlyvemdmdemoCaptcha", id); row != nil {
		return row.Str("answer")
	}
	return ""
}

// drawCaptcha answers the address that asked for the captcha with its image.
func drawCaptcha(tx *Tx, row *Row) (Download, error) {
	if !tx.canItem(row, Read) || row.Str("ip_address") != tx.address {
		return Download{}, errRight
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, digitsImage(row.Str("answer")), nil); err != nil {
		return Download{}, fmt.Errorf("drawing a captcha: %w", err)
	}
	return Download{Name: "captcha.jpg", Mime: "image/jpeg", Data: b.Bytes(), Modified: row.Str("date_creation")}, nil
}

// glyphs are the digits 1 to 9, five columns wide and seven rows high.
var glyphs = [9]string{
	"..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.", ".###. #...# ....# ...#. ..#.. .#... #####", "####. ....# ....# .###. ....# ....# ####.",
	"...#. ..##. .#.#. #..#. ##### ...#. ...#.", "##### #.... ####. ....# ....# #...# .###.", ".###. #.... #.... ####. #...# #...# .###.",
	"##### ....# ...#. ..#.. .#... .#... .#...", ".###. #...# #...# .###. #...# #...# .###.", ".###. #...# #...# .#### ....# ....# .###.",
}

const glyphScale = 6 // pixels a dot

// digitsImage draws digits in a row, each a little lower or higher than the last.
func digitsImage(digits string) image.Image {
	img := image.NewGray(image.Rect(0, 0, glyphScale*(6*len(digits)+1), glyphScale*11))
	for i := range img.Pix {
		img.Pix[i] = 0xf0
	}
	for n, digit := range digits {
		for y, line := range strings.Fields(glyphs[digit-'1']) {
			for x, dot := range line {
				if dot == '#' {
					fillDot(img, 1+6*n+x, 2+y+n%2)
				}
			}
		}
	}
	return img
}

func fillDot(img *image.Gray, x, y int) {
	for dy := range glyphScale {
		for dx := range glyphScale {
			img.SetGray(x*glyphScale+dx, y*glyphScale+dy, color.Gray{0x30})
		}
	}
}
