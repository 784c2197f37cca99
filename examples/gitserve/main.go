// Command gitserve serves the git repositories of a directory over HTTP on
// loopback, read-only, by git's own backend. It prints its URL, and serves
// until it is told to end.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	root := flag.String("root", ".", "the directory of the repositories")
	flag.Parse()
	if err := serve(*root); err != nil {
		log.Fatal("gitserve: ", err)
	}
}

func serve(root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", lis.Addr())
	backend := &cgi.Handler{
		Path: git,
		Args: []string{"http-backend"},
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	}
	return http.Serve(lis, readOnly(backend))
}

// readOnly refuses pushes, which git's backend would take from anyone who
// names a user.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack" {
			http.Error(w, "this server is read-only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
