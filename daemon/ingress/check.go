package ingress

import (
	"net/http"
	"strconv"
	"strings"
)

// check reads which host is asked for, and refuses what is not passed on.
func (x *exchange) check() *refusal {
	r := x.request
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return refuse(http.StatusMethodNotAllowed, "the method "+r.Method+" is not allowed here")
	}
	if r.URL.Opaque != "" || r.URL.Path != "" && r.URL.Path[0] != '/' {
		return refuse(http.StatusBadRequest, "the request is for no path")
	}
	var ok bool
	if x.host, ok = hostname(r.Host); !ok {
		return refuse(http.StatusBadRequest, "the Host of the request is not one")
	}
	if !upgrades(r) {
		r.Header.Del("Upgrade") // as RFC 9110 has it: who does not know the protocol answers as if it had not been asked for
		r.Header.Del("HTTP2-Settings")
	}
	return nil
}

// upgrades says whether the request is for a WebSocket, the only protocol that
// is switched to.
func upgrades(r *http.Request) bool {
	asked := r.Header["Upgrade"]
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 &&
		len(asked) == 1 && strings.EqualFold(asked[0], "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// hostname reads a Host: it gives it in lower case, without port and trailing
// dot. What is not made of a host name's characters, or has a label without
// any, is none.
func hostname(host string) (name string, ok bool) {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return "", false
		}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", false
		}
	}
	return name, len(name) <= 253 && !strings.Contains("."+name+".", "..")
}
