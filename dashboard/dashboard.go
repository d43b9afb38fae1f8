// Package dashboard holds the pages that the gateway serves at `/`: a sign-in, the devices with their fleets
// and owners, and what happens to them, live. It is plain HTML, CSS and JavaScript without a build step, and
// speaks to nothing but the gateway's own GraphQL, so it doubles as an example of a client.
package dashboard

import (
	"embed"
	"io/fs"
)

//go:embed site
var site embed.FS

// Site is the dashboard's files, with index.html at its root.
func Site() fs.FS {
	root, err := fs.Sub(site, "site")
	if err != nil {
		panic(err) // the folder is embedded above; it can't be missing
	}
	return root
}
