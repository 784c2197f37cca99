package lines

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dockwire/dockwire/client/api"
)

func split(pieces ...string) []string {
	var got []string
	w := NewWriter(func(text string) { got = append(got, text) })
	w.progress = time.Time{}
	for _, piece := range pieces {
		_, _ = w.Write([]byte(piece))
	}
	w.Flush()
	return got
}

func TestLinesEndWhereTheyDo(t *testing.T) {
	for name, test := range map[string]struct{ pieces, want []string }{
		"whole":                  {[]string{"a\nb\n"}, []string{"a", "b"}},
		"in pieces":              {[]string{"a", "b\nc", "", "d", "\n"}, []string{"ab", "cd"}},
		"without a newline":      {[]string{"a\nb"}, []string{"a", "b"}},
		"empty ones":             {[]string{"\n\na\n\n"}, []string{"", "", "a", ""}},
		"carriage returns":       {[]string{"a\r\nb\r", "\nc"}, []string{"a", "b", "c"}},
		"progress":               {[]string{"1%\r2%\r3%\rdone\n", "next\n"}, []string{"1%", "done", "next"}},
		"progress in pieces":     {[]string{"1%\r", "2%\r", "3%"}, []string{"1%", "3%"}},
		"progress at the end":    {[]string{"1%\r2%\r"}, []string{"1%", "2%"}},
		"invalid bytes":          {[]string{"a\xff\xfeb\n"}, []string{"a\ufffdb"}},
		"a rune in two writes":   {[]string{"\xe2\x82", "\xac\n"}, []string{"€"}},
		"nothing":                {[]string{"", ""}, nil},
		"a lone carriage return": {[]string{"\r\n"}, []string{""}},
		"several in a row":       {[]string{"a\r\r\nb\r", "\r\nc\r\r"}, []string{"a", "b", "c"}},
	} {
		if got := split(test.pieces...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestALongLineIsCutAtACharacter(t *testing.T) {
	got := split(strings.Repeat("x", api.MaxLine-1), "€ and more", strings.Repeat("y", 1<<20), "\nnext\n")
	if len(got) != 2 || got[0] != strings.Repeat("x", api.MaxLine-1) || got[1] != "next" {
		t.Errorf("%d lines, the first of %d bytes", len(got), len(got[0]))
	}
}

func FuzzWriter(f *testing.F) {
	f.Add("a\rb\r\nc", 3)
	f.Add("\xe2\x82\xac\r", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		cut = max(0, min(cut, len(text)))
		for _, line := range split(text[:cut], text[cut:]) {
			if !utf8.ValidString(line) || len(line) > api.MaxLine || strings.ContainsAny(line, "\r\n") {
				t.Errorf("%q", line)
			}
		}
	})
}
