package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandsOfItems(t *testing.T) {
	c := commandLine{function: "thumbnail", flags: []string{"--size=64"}}
	for want, it := range map[string]item{
		"procpool run thumbnail --size=64 a/b.png":                          {name: "a/b.png"},
		"procpool run thumbnail --size=64 ''":                               {},
		"procpool run thumbnail --size=64 -- -x":                            {name: "-x"},
		"procpool run thumbnail --size=64 'it'\\''s $HOME'":                 {name: "it's $HOME"},
		`procpool run thumbnail --size=64 $'a\012b\011c\'d\\'`:              {name: "a\nb\tc'd\\"},
		`printf '%s\n' '{"a":1}' | procpool run thumbnail --size=64 --json`: {name: `{"a":1}`, raw: json.RawMessage(`{"a":1}`)},
		"procpool run thumbnail --size=64 '~'":                              {name: "~"},
		"procpool run thumbnail --size=64 'é\xff'":                          {name: "é\xff"},
	} {
		assert.Equal(t, want, c.text(it))
	}
}

// FuzzShellQuoted asks a shell what it makes of a word.
func FuzzShellQuoted(f *testing.F) {
	for _, text := range []string{"", "a b", "it's", "a\nb", "\\", "$(x)`y`", "\x01\x7f\xff", "'\n'", "é\n\x80"} {
		f.Add(text)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		f.Skip("there is no bash to ask")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\x00") {
			t.Skip("no word of a shell holds it")
		}
		word := shellQuoted(text)
		if strings.ContainsAny(word, "\n\t\r") {
			t.Errorf("%q is %s, which is not one field of a line", text, word)
		}
		got, err := exec.Command(bash, "-c", "printf %s "+word).Output()
		require.NoError(t, err, word)
		assert.Equal(t, text, string(got), word)
	})
}
