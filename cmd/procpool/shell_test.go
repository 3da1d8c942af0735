package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheCommandThatGoesOnHasEachFlagOnce(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"run echo --journal j a", "run echo --journal j --resume a"},
		{"run echo --journal=j a", "run echo --journal=j --resume a"},
		{"run --journal j --resume echo a", "run --journal j --resume echo a"},
		{"run echo --journal j -- --journal --resume", "run echo --journal j --resume -- --journal --resume"},
		{"run echo a --journal j", "run echo a --journal j --resume"},
	} {
		got := againLine(streams{program: "procpool", args: strings.Fields(test.args)}, "--resume")
		assert.Equal(t, "procpool "+test.want, got)
	}
}

func TestTheCommandThatGoesOnHasItsStreams(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the name of an open file is told on Linux")
	}
	dir := t.TempDir()
	in, err := os.Create(filepath.Join(dir, "the input"))
	require.NoError(t, err)
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, "out"))
	require.NoError(t, err)
	defer out.Close()
	s := streams{in: in, out: out, program: "procpool", args: []string{"run", "echo", "--journal", "my journal"}}
	assert.Equal(t, "procpool run echo --journal 'my journal' --resume < '"+in.Name()+"' >> "+out.Name(), againLine(s, "--resume"))

	t.Chdir(dir)
	assert.Contains(t, againLine(s, "--resume"), " < 'the input' >> out")
	require.NoError(t, os.Remove(out.Name()))
	assert.NotContains(t, againLine(s, "--resume"), ">>", "a file without a name")
}
