package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// What comes from the daemon may be an attacker's text: logs, build output, file
// names, errors. A terminal must not obey it.

// sgr is a sequence that sets colours and the like (Select Graphic Rendition).
var sgr = regexp.MustCompile("\x1b\\[[0-9;:]{0,64}m")

const reset = "\x1b[0m"

// clean makes text harmless: control characters and those that turn the
// direction of writing are shown instead of sent.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if !strings.ContainsFunc(text, harmful) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if harmful(r) {
			b.WriteString(visible(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cleanColored does the same, but leaves colours as they are, and ends them.
func cleanColored(text string) string {
	colors := sgr.FindAllStringIndex(text, -1)
	if colors == nil {
		return clean(text)
	}
	var b strings.Builder
	start := 0
	for _, at := range colors {
		b.WriteString(clean(text[start:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		start = at[1]
	}
	b.WriteString(clean(text[start:]))
	if !strings.HasSuffix(text, reset) {
		b.WriteString(reset)
	}
	return b.String()
}

// withoutColors removes colours.
func withoutColors(text string) string { return sgr.ReplaceAllString(text, "") }

// harmful says whether a terminal may do something else with r than show it.
func harmful(r rune) bool {
	return unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// visible is how a harmful character is shown.
func visible(r rune) string {
	switch {
	case r < ' ':
		return "^" + string(r+'@')
	case r == 0x7f:
		return "^?"
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// cleanJSON escapes in a JSON document what a terminal might obey. The document
// says the same afterwards, for such characters are only in its strings.
func cleanJSON(document []byte) string {
	var b strings.Builder
	for _, r := range string(document) {
		if harmful(r) && r != '\n' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
