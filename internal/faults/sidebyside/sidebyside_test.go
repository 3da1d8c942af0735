//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(play(role, os.Getenv(dirVar)))
	}
	leaktest.Main(m)
}

func TestNoFaultHangsOrCostsANeighbourOrAWorker(t *testing.T) {
	saw := map[string]string{
		"kill":            "ExitError",
		"exit-0":          "ExitError",
		"exit-7":          "ExitError",
		"segfault":        "ExitError",
		"batch":           "ExitError",
		"stop":            "ExitError",
		"endless":         "TimeoutError",
		"encode-result":   "EncodeError",
		"encode-argument": "EncodeError",
		"decode-result":   "DecodeError",
		"initializer":     "StartError",
		"memory":          "ExitError",
		"main-killed":     "",
		"talk":            result,
		"poison":          "ExitError",
	}
	notes := map[string]string{
		"batch":       "99 of 100 results",
		"initializer": "workers started: [1-4]", // the first that fails ends New, the others may have been tried again by then
		"main-killed": "0 of 2 workers live on",
		"stop":        "by a heartbeat of 1 s",
		"poison":      "in 3 workers",
	}
	texts := map[string]string{
		"exit-0": "^exit status 0$",
		"stop":   "^unresponsive$",
		"memory": "^memory limit$|ThreadSanitizer", // the race detector wants memory for itself and ends the process without it
	}
	require.Len(t, faults, 15)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			l := apart(t.Context(), f)
			require.Empty(t, l.Error)
			assert.Equal(t, saw[f.name], l.Saw, l.Text)
			assert.Regexp(t, "^"+notes[f.name]+"$", l.Note)
			assert.Regexp(t, texts[f.name], l.Text)
			assert.True(t, l.Ends, "the pool ends")
			if f.name == "initializer" || f.name == "main-killed" {
				return // there are no neighbours, and no pool afterwards
			}
			assert.Equal(t, neighbours, l.Neighbours)
			assert.Equal(t, neighbours, l.Answered, "neighbours that were answered")
			require.NotNil(t, l.Workers)
			assert.Equal(t, workers, *l.Workers, "workers that serve afterwards")
		})
	}
}

const script = "../../../testdata/peers/faults_peer.py"

func python(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	return program
}

func TestScriptForPythonsPoolsKnowsTheSameFaults(t *testing.T) {
	text, err := exec.Command(python(t), script, "--list").Output()
	require.NoError(t, err)
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	assert.Equal(t, names, strings.Fields(string(text)))
}

func TestScriptForPythonsPoolsTellsTheSame(t *testing.T) {
	lines, err := peers(t.Context(), python(t), script, "encode-result")
	require.NoError(t, err)
	require.Len(t, lines, 2)
	for i, l := range lines {
		assert.Empty(t, l.Error)
		assert.Equal(t, pools[i], l.Pool)
		assert.Equal(t, "encode-result", l.Fault)
		assert.Equal(t, neighbours, l.Answered)
		assert.True(t, l.Ends)
		require.NotNil(t, l.Workers)
		assert.Equal(t, workers, *l.Workers)
	}
}

func TestPythonsPartIsLeftOutWithAReason(t *testing.T) {
	_, err := peers(t.Context(), "python-that-is-not-there", script, "*")
	assert.ErrorContains(t, err, "there is no python-that-is-not-there here")
	_, err = peers(t.Context(), python(t), filepath.Join(t.TempDir(), "script.py"), "*")
	assert.ErrorContains(t, err, "run this at the top of the repository")
}

func TestTableSaysWhatIsNotAsItShouldBe(t *testing.T) {
	count := func(n int) *int { return &n }
	chosen := []fault{{name: "kill", title: "killed"}, {name: "talk", title: "prints"}}
	lines := []line{
		{Fault: "kill", Pool: "procpool", Saw: "ExitError", Text: "signal: killed", Neighbours: 4, Answered: 4, Workers: count(2), Ends: true},
		{Fault: "talk", Pool: "procpool", Saw: result, Neighbours: 4, Answered: 4, Workers: count(2), Ends: true},
		{Fault: "kill", Pool: "ProcessPoolExecutor", Saw: "Broken", Text: strings.Repeat("long ", 20), Neighbours: 4, Answered: 1, Workers: count(0), Ends: true},
		{Fault: "talk", Pool: "ProcessPoolExecutor", Saw: nothing, Note: "so to speak", Neighbours: 4, Answered: 4, Workers: count(1)},
	}
	assert.Equal(t, `| what goes wrong | ProcessPoolExecutor | procpool |
|---|---|---|
| killed | `+"`Broken`"+`; 3 of 4 neighbours lost; the pool is dead | `+"`ExitError`"+`: signal: killed |
| prints | **hangs**; so to speak; 1 of 2 workers serves; ending the pool hangs | the result |
`, markdown(chosen, lines))
}

func TestReadmeShowsEveryFault(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	for _, f := range faults {
		_, _, found := strings.Cut(string(text), "\n| "+f.title+" | ")
		assert.True(t, found, "no row %q: make the table again", f.title)
	}
}
