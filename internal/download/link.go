// Package download serves the bytes of files and applications over HTTP, streamed from GLPI: whole or a range of
// them, to those who bring their sign-in or a link made for them. GLPI decides who may have what.
package download

import (
	"fmt"
	"net/url"
	"time"

	"fleetgate/internal/signin"
)

// Kind is what can be downloaded.
type Kind string

// The kinds, as they stand in URLs.
const (
	Files        Kind = "files"
	Applications Kind = "applications"
)

func (k Kind) path(id int) string { return fmt.Sprintf("/%s/%d/content", k, id) }

// linkLifetime is how long a link can be followed.
const linkLifetime = 5 * time.Minute

// Link is a path on the gateway that gives whoever follows it the bytes of an item in the viewer's name, for five
// minutes and as long as the viewer is signed in. A browser can follow it, which sends no Authorization.
func (k Kind) Link(desk *signin.Desk, viewer *signin.Viewer, id int) string {
	path := k.path(id)
	return path + "?ticket=" + url.QueryEscape(desk.Ticket(viewer, path, linkLifetime))
}
