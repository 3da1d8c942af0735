package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	testscript.Main(m, map[string]func(){
		"procpool":        func() { os.Exit(mainIn(context.Background())) },
		"procpool-lively": func() { os.Exit(lively(4)) },
		"procpool-panic":  func() { os.Exit(panicInTop()) },
	})
}

// ran is what a run of the command left.
type ran struct {
	code   int
	stdout string
	stderr string
}

// lines are the lines of standard output.
func (r ran) lines() []string {
	return strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
}

// runCommand runs the command, which must leave no process, descriptor or goroutine.
func runCommand(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	leaktest.Check(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return ran{code, stdout.String(), stderr.String()}
}

func TestWrongCommandLinesAreExplainedAndRunNothing(t *testing.T) {
	for _, test := range []struct {
		args string
		says string
	}{
		{"bogus", `unknown command "bogus"`},
		{"run", "which function?"},
		{"run bogus", "there is no function bogus"},
		{"run gostat --totals x", "did you mean gostats?"},
		{"run gostats --bogus", "unknown flag: --bogus"},
		{"run echo --workers 0 x", "--workers 0: must be at least 1"},
		{"run echo --workers -1 x", "--workers -1: must be at least 1"},
		{"run echo --workers many x", "invalid argument"},
		{"run echo --chunk 0 x", "--chunk 0: must be at least 1"},
		{"run echo --window 0 x", "--window 0: must be at least 1"},
		{"run echo --stdin xml x", "--stdin xml: must be one of"},
		{"run echo --details x", "--details is for --json"},
		{"run echo --log loud x", "--log loud: must be"},
		{"run echo - -", "only once"},
		{"functions x", "unknown command"},
		{"version x", "unknown command"},
		{"demo --workers 0", "--workers 0"},
		{"bench --workers 0", "--workers 0: must be at least 1"},
		{"bench --time 0s", "--time 0s: must be more than 0"},
		{"bench --time soon", "invalid argument"},
		{"bench --quick --time 3s", "[quick time]"},
		{"bench --json --csv", "[csv json]"},
		{"bench --only roundtrip,xyz", `--only: there is no section "xyz"`},
		{"bench --python /no/such/python", "--python /no/such/python"},
		{"bench x", "unknown command"},
	} {
		t.Run(test.args, func(t *testing.T) {
			r := runCommand(t, "", strings.Fields(test.args)...)
			assert.Equal(t, exitUsage, r.code)
			assert.Empty(t, r.stdout)
			assert.Contains(t, r.stderr, test.says)
		})
	}
}

func TestAWrongCommandLineLeadsToTheHelpOfItsCommand(t *testing.T) {
	for args, help := range map[string]string{
		"bogus":                 "procpool --help",
		"--bogus":               "procpool --help",
		"bench --bogus":         "procpool bench --help",
		"bench --workers 0":     "procpool bench --help",
		"bench x":               "procpool bench --help",
		"run bogus":             "procpool run --help",
		"run echo --workers 0 ": "procpool run echo --help",
	} {
		r := runCommand(t, "", strings.Fields(args)...)
		assert.Equal(t, exitUsage, r.code)
		assert.Contains(t, r.stderr, "\nTry \""+help+"\".\n", args)
	}
}

func TestWhatTheUserTypedCannotDriveTheTerminal(t *testing.T) {
	r := runCommand(t, "", "run", "\x1b[2J")
	assert.Equal(t, exitUsage, r.code)
	assert.NotContains(t, r.stderr, "\x1b")
	r = runCommand(t, "", "\x1b[2J\x07")
	assert.NotContains(t, r.stderr, "\x1b")
}

func TestHelpNamesEveryFunctionAndExitCode(t *testing.T) {
	r := runCommand(t, "", "run", "--help")
	assert.Equal(t, exitOK, r.code)
	for _, b := range builtins {
		assert.Contains(t, r.stdout, "\n  "+b.name+" ")
	}
	for _, e := range exitTable {
		assert.Contains(t, r.stdout, e.meaning)
	}
}

func TestEveryFunctionHasAHelpOfItsOwn(t *testing.T) {
	for _, b := range builtins {
		r := runCommand(t, "", "run", b.name, "--help")
		assert.Equal(t, exitOK, r.code)
		assert.Contains(t, r.stdout, b.arg+" is "+b.input)
	}
}
