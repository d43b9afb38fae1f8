package invitation_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"fleetgate/internal/invitation"
)

func sample() invitation.Deeplink {
	return invitation.Deeplink{
		Base: "http://flyve.org/deeplink/", APIURL: "https://glpi.example/api", UserToken: strings.Repeat("U", 40),
		InvitationToken: strings.Repeat("0f", 32), Name: "Help desk", Phone: "+33 1", Website: "https://help.example", Mail: "help@acme.test",
	}
}

// fieldsOf reads a deeplink as the agents do: a value of the URL's query (Android takes "+" for a space there, iOS does
// not), base64, split on `\;`.
func fieldsOf(t *testing.T, link string) []string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	android := u.Query().Get("data")
	if ios, _ := url.PathUnescape(strings.TrimPrefix(u.RawQuery, "data=")); ios != android {
		t.Errorf("the agents read different texts: %q and %q", android, ios)
	}
	plain, err := base64.StdEncoding.DecodeString(android)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(plain), `\;`)
}

// Base64 has a "+" where an administrator's text has the right letter in the right place.
func TestAPlusInADeeplinkIsReadByBothAgents(t *testing.T) {
	plus := 0
	for n := range 3 {
		d := sample()
		d.Name = strings.Repeat(" ", n) + "~~~ déjà~vu ✓ >>>"
		link := d.Text()
		plus += strings.Count(link, "%2B")
		if got := fieldsOf(t, link); got[2] != d.InvitationToken || got[3] != d.Name {
			t.Errorf("got %q", got)
		}
		if got, err := invitation.ParseDeeplink(link); err != nil || got != d {
			t.Errorf("the gateway reads %q, %v", got.Name, err)
		}
	}
	if plus == 0 {
		t.Error("no link had a +: nothing was tried")
	}
}

func TestDeeplinkHasSevenFields(t *testing.T) {
	d := sample()
	want := []string{d.APIURL, d.UserToken, d.InvitationToken, "Help desk", "+33 1", "https://help.example", "help@acme.test"}
	if got := fieldsOf(t, d.Text()); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for name, hostile := range map[string]string{
		"semicolon": "a;b", "escaped": `a\;b`, "backslash": `a\`, "backslashes": `\\`, "lines": "a\r\nb", "accents": "Équipe d’aide ✓", "empty": "",
	} {
		for _, field := range []*string{&d.Name, &d.Phone, &d.Website, &d.Mail} {
			was := *field
			*field = hostile
			if got := fieldsOf(t, d.Text()); len(got) != 7 || got[1] != d.UserToken || got[2] != d.InvitationToken {
				t.Errorf("%s: %d fields: %q", name, len(got), got)
			}
			*field = was
		}
	}
	d.Website = "https://help.example/a;b"
	if got := fieldsOf(t, d.Text())[5]; got != "https://help.example/a%3Bb" {
		t.Errorf("website %q", got)
	}
}

// The agent for iOS adds a "=" to the text and decodes it strictly; the one for Android forgives what lacks.
func TestAppLinksAreReadByBothAgents(t *testing.T) {
	for n := range 6 {
		d := sample()
		d.Mail = strings.Repeat("m", n)
		for _, ios := range []bool{false, true} {
			link, err := url.Parse(d.AppLink(ios))
			if err != nil || link.Scheme != "flyve" || link.Host != "register" {
				t.Fatalf("%v: %v", link, err)
			}
			text := link.Query().Get("data")
			if ios {
				text += "="
			}
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatalf("ios %t, %d letters: %v", ios, n, err)
			}
			got := strings.Split(string(plain), `\;`)
			if len(got) != 7 || got[2] != d.InvitationToken || strings.TrimSpace(got[6]) != d.Mail {
				t.Errorf("ios %t: got %q", ios, got)
			}
			if parsed, err := invitation.ParseDeeplink(d.AppLink(ios)); err != nil || parsed.InvitationToken != d.InvitationToken {
				t.Errorf("ios %t: %v", ios, err)
			}
		}
	}
}

func TestParsingDeeplinks(t *testing.T) {
	d := sample()
	if got, err := invitation.ParseDeeplink(" " + d.Text() + "\n"); err != nil || got != d {
		t.Errorf("%v: %q", err, got.Text())
	}
	// GLPI's own form, of a helpdesk whose name has a ";".
	own := "x?data=" + base64.RawStdEncoding.EncodeToString([]byte(`https://glpi.example/api/\;U\;I\;Help\; desk`))
	if got, err := invitation.ParseDeeplink(own); err != nil || got.APIURL != "https://glpi.example/api" || got.UserToken != "U" || got.InvitationToken != "I" {
		t.Errorf("%v: %q", err, got.Text())
	}
	// What links go through on their way.
	d.Name = "~~~~"
	for name, way := range map[string]func(string) string{
		"as GLPI writes it": func(link string) string { return strings.ReplaceAll(link, "%2B", "+") },
		"a + as a space":    func(link string) string { return strings.ReplaceAll(link, "%2B", " ") },
		"all escaped": func(link string) string {
			return "?data=" + url.QueryEscape(strings.ReplaceAll(link[len(d.Base)+6:], "%2B", "+"))
		},
		"no padding":       func(link string) string { return strings.TrimRight(link, "=") },
		"base64 for URLs":  func(link string) string { return strings.ReplaceAll(link, "%2B", "-") },
		"a parameter more": func(link string) string { return link + "&utm=1" },
		"the app's scheme": func(link string) string { return "flyve://register" + link[len(d.Base):] },
	} {
		if got, err := invitation.ParseDeeplink(way(d.Text())); err != nil || got.InvitationToken != d.InvitationToken || got.Name != d.Name || got.Mail != d.Mail {
			t.Errorf("%s: %v", name, err)
		}
	}
	// GLPI doubles backslashes.
	doubled := "x?data=" + base64.StdEncoding.EncodeToString([]byte(`https://glpi.example\;U\;I\;Help \\ desk`))
	if got, err := invitation.ParseDeeplink(doubled); err != nil || got.Name != `Help \ desk` {
		t.Errorf("%v: %q", err, got.Name)
	}
	for _, bad := range []string{"", "?data=", "?data=!!!", "http://flyve.org/deeplink/", "?data=%zz",
		"?data=" + base64.StdEncoding.EncodeToString([]byte(`a\;b`)), "?data=" + base64.StdEncoding.EncodeToString([]byte(`a\;\;c`)),
		"?data=" + strings.Repeat("A", 10_000)} {
		if _, err := invitation.ParseDeeplink(bad); err != invitation.ErrDeeplink {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", d, d, []any{d}); strings.Contains(text, d.UserToken) {
		t.Errorf("it prints as %s", text)
	}
}

// scan reads a QR code off a picture, as a phone does.
func scan(t *testing.T, picture image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	if level := result.GetResultMetadata()[gozxing.ResultMetadataType_ERROR_CORRECTION_LEVEL]; fmt.Sprint(level) == "L" {
		t.Errorf("error level %v", level)
	}
	return result.GetText()
}

func TestQRCodesCanBeScanned(t *testing.T) {
	d := sample()
	d.Name = "Équipe d’aide ✓ " + strings.Repeat("x", 60)
	for _, text := range []string{sample().Text(), d.Text()} {
		code, err := invitation.NewQR(text)
		if err != nil {
			t.Fatal(err)
		}
		file, err := code.PNG()
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := scan(t, picture); got != text {
			t.Errorf("the PNG reads %q", got)
		}
		if got := scan(t, drawn(t, code.SVG())); got != text {
			t.Errorf("the SVG reads %q", got)
		}
		checkQuietZone(t, picture)
	}
	if _, err := invitation.NewQR(strings.Repeat("x", 5000)); err == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("a text that is too long: %v", err)
	}
}

// checkQuietZone wants four modules of white on every side, 24 pixels.
func checkQuietZone(t *testing.T, picture image.Image) {
	t.Helper()
	side := picture.Bounds().Dx()
	for y := range side {
		for x := range side {
			r, _, _, _ := picture.At(x, y).RGBA()
			if margin := min(x, y, side-1-x, side-1-y) < 24; margin && r == 0 {
				t.Fatalf("a black pixel at %d, %d", x, y)
			}
		}
	}
	if r, _, _, _ := picture.At(24, 24).RGBA(); r != 0 {
		t.Error("the quiet zone is wider than four modules")
	}
}

// drawn draws the runs of an SVG's path, eight pixels a module.
func drawn(t *testing.T, svg string) image.Image {
	t.Helper()
	var document struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(svg), &document); err != nil {
		t.Fatal(err)
	}
	const scale = 8
	var side int
	if _, err := fmt.Sscanf(document.ViewBox, "0 0 %d", &side); err != nil {
		t.Fatal(err)
	}
	picture := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for i := range picture.Pix {
		picture.Pix[i] = 255
	}
	for _, run := range strings.SplitAfter(document.Paths[1].D, "z") {
		var x, y, width int
		if _, err := fmt.Sscanf(run, "M%d %dh%d", &x, &y, &width); err != nil {
			continue
		}
		for py := y * scale; py < (y+1)*scale; py++ {
			for px := x * scale; px < (x+width)*scale; px++ {
				picture.SetGray(px, py, color.Gray{})
			}
		}
	}
	return picture
}
