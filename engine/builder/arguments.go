package builder

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// shortestHidden is the length from which on the value of a build argument is
// not said: a shorter one may be a part of any word, and is no secret.
const shortestHidden = 8

// unexpanded puts $NAME back where BuildKit has put the value of a build
// argument into the name of a step, or into an error. Such a value may be
// secret, while the output of a build is kept and shown to others.
func unexpanded(text string, args map[string]string) string {
	longestFirst := slices.SortedFunc(maps.Keys(args), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(args[b]), len(args[a])), strings.Compare(a, b))
	})
	for _, name := range longestFirst {
		value := args[name]
		if len(value) < shortestHidden {
			break
		}
		quoted := strings.Trim(strconv.Quote(value), `"`) // as in RUN ["…"]
		text = strings.ReplaceAll(strings.ReplaceAll(text, value, "$"+name), quoted, "$"+name)
	}
	return text
}
