package console

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

func serve(method, target, origin string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Serve(w, r, origin)
	return w.Result()
}

func TestTheModuleTakesAtMost6KBCompressed(t *testing.T) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(files[Module].body)
	w.Close()
	t.Logf("%d bytes, %d compressed", len(files[Module].body), packed.Len())
	if packed.Len() > 6000 {
		t.Errorf("%s takes %d bytes compressed", Module, packed.Len())
	}
}

func TestEveryFileIsServedWithItsTypeAndStrictHeaders(t *testing.T) {
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": policy, "Cache-Control": "no-cache",
		"Access-Control-Allow-Origin": "",
	}
	for name, f := range files {
		resp := serve("GET", name, "")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != f.contentType || f.contentType == "" {
			t.Errorf("%s: %d, type %q", name, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		for header, value := range want {
			if got := resp.Header.Get(header); got != value {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
	}
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, directive+";") {
			t.Errorf("the policy lacks %s", directive)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is not strict: %s", policy)
	}
}

func TestOnlyExactPathsAreServed(t *testing.T) {
	for _, name := range []string{"/index.html", "/DOCKWIRE.js", "/dockwire.js/", "/x", "/../dockwire.js", "/console.go", "/go.mod", "/browsertest/go.mod"} {
		if resp := serve("GET", "http://localhost"+name, "http://localhost:1"); resp.StatusCode != 404 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s answers %d", name, resp.StatusCode)
		}
	}
	for name := range files {
		if ext := path.Ext(name); strings.Contains(name, "test") || ext == ".go" {
			t.Errorf("%s is embedded", name)
		}
	}
}

func TestAFileThatHasNotChangedIsNotSentAgain(t *testing.T) {
	etag := serve("GET", Module, "").Header.Get("ETag")
	resp := serve("GET", Module, "http://localhost:1", "If-None-Match", etag)
	if resp.StatusCode != http.StatusNotModified || resp.Header.Get("Access-Control-Allow-Origin") != "http://localhost:1" {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	if resp := serve("GET", "/", "", "If-None-Match", etag); resp.StatusCode != 200 {
		t.Errorf("another file's ETag: %d", resp.StatusCode)
	}
	if resp := serve("HEAD", Module, ""); resp.StatusCode != 200 || resp.ContentLength != int64(len(files[Module].body)) {
		t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
}

func TestOnlyTheModuleMayBeReadByOtherSites(t *testing.T) {
	for name := range files {
		resp := serve("GET", name, "https://app.example")
		allowed, vary := resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Vary")
		if name == Module && (allowed != "https://app.example" || vary != "Origin") || name != Module && allowed != "" {
			t.Errorf("%s allows %q, Vary: %q", name, allowed, vary)
		}
	}
}
