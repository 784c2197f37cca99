package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func TestALineIsWrittenAsEncodingJSONWould(t *testing.T) {
	type plain struct {
		Time    Time   `json:"time"`
		Stream  string `json:"stream"`
		Text    string `json:"text"`
		Cut     bool   `json:"cut,omitempty"`
		Replica int    `json:"replica,omitempty"`
	}
	var ascii []byte
	for c := range byte(0x80) {
		ascii = append(ascii, c)
	}
	moment := Time{time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))}
	for _, line := range []Line{
		{},
		{Time: moment, Stream: Stdout, Text: string(ascii)},
		{Time: moment, Stream: Stderr, Text: "é€😀\u2028\u2029<&>", Cut: true, Replica: 12},
	} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(plain(line)); err != nil {
			t.Fatal(err)
		}
		if got := line.AppendJSON(nil); !bytes.Equal(got, bytes.TrimSpace(want.Bytes())) {
			t.Errorf("it is written as\n%s, want\n%s", got, want.Bytes())
		}
	}
}

func TestTextThatIsNotUTF8IsMadeSo(t *testing.T) {
	const text = "a\xffb\xe2\x82c\xf0\x9f\x98"
	var got string
	if err := json.Unmarshal(AppendString(nil, text), &got); err != nil || got != "a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffd" {
		t.Errorf("it is read as %q, %v", got, err)
	}
	if whole, ofBytes := AppendString(nil, text), AppendString(nil, []byte(text)); !bytes.Equal(whole, ofBytes) {
		t.Errorf("a string is written as %s, and bytes as %s", whole, ofBytes)
	}
}
