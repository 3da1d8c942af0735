package main

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJSONNumbersStayWhatTheyAre(t *testing.T) {
	for text, want := range map[string]any{
		"1":                    int64(1),
		"-9223372036854775808": int64(math.MinInt64),
		"18446744073709551615": uint64(math.MaxUint64),
		"1.5":                  1.5,
		"1e3":                  1000.0,
		`"1"`:                  "1",
		"null":                 nil,
		`[1, {"a": [2.5]}]`:    []any{int64(1), map[string]any{"a": []any{2.5}}},
	} {
		v, err := anyJSON(json.RawMessage(text))
		require.NoError(t, err)
		assert.Equal(t, want, v, text)
	}
	for _, text := range []string{"", "{", "1 2", "1e999", "[1e999]", "nul"} {
		_, err := anyJSON(json.RawMessage(text))
		assert.Error(t, err, text)
	}
}

func TestPlainTextIsTheStringOrJSON(t *testing.T) {
	assert.Equal(t, "a b", plainText("a b"))
	assert.Equal(t, "[1,null,[true]]", plainText([]any{1, nil, []any{true}}))
	assert.Equal(t, "NaN", plainText(math.NaN()))
}

func TestLeakKeepsWhatItTakes(t *testing.T) {
	t.Cleanup(func() { leaked = nil })
	text, err := takeMemory(t.Context(), 20<<20)
	require.NoError(t, err)
	assert.Equal(t, "20.0 MiB more, 20.0 MiB in all", text)
	text, err = takeMemory(t.Context(), 1<<20)
	require.NoError(t, err)
	assert.Equal(t, "1.0 MiB more, 21.0 MiB in all", text)
}
