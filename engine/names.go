package engine

import (
	"net/netip"
	"path"
	"regexp"
	"strings"
)

// A container's name becomes a label of its domain, so it is a DNS label (RFC
// 1123). The engine takes no name of one character.
var containerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61})[a-z0-9]$`)

// checkName refuses what cannot be the name of a container, or of another thing
// that is a DNS label. The word rpc is kept for the protocol's own methods.
func checkName(param, name string) error {
	if !containerName.MatchString(name) {
		return invalid(param, "%s %s is not allowed: use 2 to 63 characters out of a-z, 0-9 and -, beginning and ending with a letter or a digit", param, quote(name))
	}
	if name == "rpc" {
		return invalid(param, "%s \"rpc\" is reserved: choose another", param)
	}
	return nil
}

// An image's name is one component of a reference: words of letters and digits
// with a ., one or two _ or any number of - between them.
var (
	imageName   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
	imageCommit = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
)

const maxImageName = 128

// checkImageName refuses what cannot be the name of an image that we build.
func checkImageName(param, name string) error {
	if len(name) > maxImageName || !imageName.MatchString(name) {
		return invalid(param, "%s %s is not allowed: use up to %d characters out of a-z, 0-9, -, _ and ., beginning and ending with a letter or a digit", param, quote(name), maxImageName)
	}
	return nil
}

// ownReference gives the engine's reference for NAME or NAME:COMMIT in the
// repository. What is
// not such a name is not ok.
func ownReference(repository, name string) (ref string, ok bool) {
	base, tag, tagged := strings.Cut(name, ":")
	if len(base) > maxImageName || !imageName.MatchString(base) {
		return "", false
	}
	if !tagged {
		return repository + base + ":latest", true
	}
	return repository + name, imageCommit.MatchString(tag)
}

// imageOfTag gives the name of the image that we tagged so: NAME for the latest
// build, NAME:COMMIT for any.
func imageOfTag(repository, tag string) (name string, ok bool) {
	name, ok = strings.CutPrefix(tag, repository)
	return strings.TrimSuffix(name, ":latest"), ok
}

// checkDomain refuses what cannot be a custom domain, or would be the domain of
// another container.
func checkDomain(domain, base string) error {
	if len(domain) > 253 || !strings.Contains(domain, ".") || !hostLabels(domain) {
		return invalid("domain", "domain %s is not allowed: give a host name in lower case with at least two labels, such as shop.example.com", quote(domain))
	}
	if _, err := netip.ParseAddr(domain); err == nil { // pages of 127.0.0.1 are believed to be their users' own
		return invalid("domain", "domain %s is not allowed: an address is no host name", quote(domain))
	}
	if under(domain, base) {
		return invalid("domain", "domain %s is not allowed: names under %s are given to containers by their name", quote(domain), base)
	}
	return nil
}

// under says whether a host is of those that containers have by their names.
func under(host, base string) bool { return host == base || strings.HasSuffix(host, "."+base) }

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func hostLabels(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	return true
}

// checkPath refuses what cannot be the path of a volume in a container.
func checkPath(param, p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || len(p) > 4096 || strings.ContainsAny(p, ":\x00") {
		return invalid(param, "%s has the path %s: give an absolute path below /, without . or .. in it", param, quote(p))
	}
	return nil
}
