// Package console holds what the daemon serves to browsers: the console, and
// dockwire.js, the module by which pages of any allowed site call the daemon.
// The files are embedded as they are; there is no build step.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed *.html *.js *.ts *.css *.svg app vendor
var embedded embed.FS

// Module is the path of the module that pages of other sites use.
const Module = "/dockwire.js"

// policy lets the console's pages load nothing but what lies here, and call
// nobody but the daemon that they came from. Text cannot become markup: only
// the template library may make any.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"

var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".ts":   "text/plain; charset=utf-8",
}

// file is a file as it is served.
type file struct {
	body              []byte
	contentType, etag string
}

var files = load(embedded)

// load gives the files by the paths of their URLs.
func load(dir fs.FS) map[string]file {
	all := map[string]file{}
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dir, name)
		sum := sha256.Sum256(body)
		all["/"+name] = file{body, contentTypes[path.Ext(name)], `"` + hex.EncodeToString(sum[:16]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // what is embedded can be read
	}
	all["/"] = all["/index.html"]
	delete(all, "/index.html")
	return all
}

// Serve answers a GET or HEAD for one of the files, by its exact path. The
// caller has checked the Host. Origin is that of a page of another site which
// may use the module, or "".
func Serve(w http.ResponseWriter, r *http.Request, origin string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin") // what is fetched with CORS is not subject to it
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	f, ok := files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Path == Module {
		h.Set("Vary", "Origin")
		if origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache") // ask each time whether the ETag has changed
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
