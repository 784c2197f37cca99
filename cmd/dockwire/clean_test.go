package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanShowsWhatATerminalWouldObey(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"plain text", "tick 1", "tick 1"},
		{"other scripts", "žluťoučký 日本 🚀", "žluťoučký 日本 🚀"},
		{"a tab", "a\tb", "a\tb"},
		{"clear screen", "\x1b[2J\x1b[H", "^[[2J^[[H"},
		{"the window's title", "\x1b]0;owned\x07", "^[]0;owned^G"},
		{"a link", "\x1b]8;;http://evil/\x1b\\click", "^[]8;;http://evil/^[\\click"},
		{"a colour", "\x1b[31mred\x1b[0m", "^[[31mred^[[0m"},
		{"a carriage return", "good\rbad", "good^Mbad"},
		{"a newline", "a\nb", "a^Jb"},
		{"a backspace and a delete", "a\bb\x7f", "a^Hb^?"},
		{"an eight-bit escape", "\u009b2J", `\u009b2J`},
		{"a change of direction", "abc\u202egpj.exe", `abc\u202egpj.exe`},
		{"isolates", "\u2066x\u2069", `\u2066x\u2069`},
		{"a line separator", "a\u2028b", `a\u2028b`},
		{"bytes that are not UTF-8", "a\xffb\x9b2J", "a\ufffdb\ufffd2J"},
	} {
		if got := clean(c.text); got != c.want {
			t.Errorf("%s: clean(%q) = %q, want %q", c.what, c.text, got, c.want)
		}
	}
}

func TestCleanColoredKeepsColoursAndEndsThem(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"plain text", "tick 1", "tick 1"},
		{"a colour that ends", "\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"},
		{"a colour that does not end", "\x1b[38;5;196mred", "\x1b[38;5;196mred\x1b[0m"},
		{"a colour with colons", "\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx\x1b[0m"},
		{"a colour beside something else", "\x1b[32mok\x1b[2J", "\x1b[32mok^[[2J\x1b[0m"},
		{"what only begins like a colour", "\x1b[31", "^[[31"},
		{"a private sequence", "\x1b[?25l", "^[[?25l"},
		{"an endless colour", "\x1b[" + strings.Repeat("1;", 99) + "m", "^[[" + strings.Repeat("1;", 99) + "m"},
	} {
		if got := cleanColored(c.text); got != c.want {
			t.Errorf("%s: cleanColored(%q) = %q, want %q", c.what, c.text, got, c.want)
		}
	}
}

func TestCleanJSONSaysTheSame(t *testing.T) {
	text := "\u009b2J\u202e\x7f \x1b[31m ž\t\"\\"
	document, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	cleaned := cleanJSON(document)
	if strings.ContainsFunc(cleaned, harmful) {
		t.Errorf("a terminal would obey %q", cleaned)
	}
	var back string
	if err := json.Unmarshal([]byte(cleaned), &back); err != nil || back != text {
		t.Errorf("%q came back as %q, %v", text, back, err)
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"tick", "\x1b[31mred", "\x1b\x1b[31m[31m", "\u009b\xff\x1b[", "\x1b[\x1b[0mm2J"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if out := clean(text); strings.ContainsFunc(out, harmful) || !utf8.ValidString(out) {
			t.Errorf("clean(%q) = %q", text, out)
		}
		colored := cleanColored(text)
		rest := sgr.ReplaceAllString(colored, "|")
		if strings.ContainsFunc(rest, func(r rune) bool { return harmful(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("cleanColored(%q) = %q", text, colored)
		}
		if sgr.MatchString(colored) && !strings.HasSuffix(colored, reset) {
			t.Errorf("cleanColored(%q) = %q goes on in colour", text, colored)
		}
	})
}
