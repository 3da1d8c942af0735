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
		{"run echo --workers 0 x", "--workers 0: invalid argument: must be at least 1"},
		{"run echo --workers many x", "want N, +N, -N or N%"},
		{"run echo --workers 0% x", "more than 0%"},
		{"run -j 4 echo x", "-j is --json, and -w 4 is the number of workers"},
		{"run echo --affinity 3-1 x", "the range 3-1 runs backwards"},
		{"run echo --affinity x x", "want CPUs from 0 to 1023"},
		{"run echo --memory 12X x", "want a size such as 64M"},
		{"run echo --memory 0 x", "want more than 0 bytes"},
		{"run echo --memory 64M --inline x", "--memory is for worker processes"},
		{"run echo --memory 64M --renew-memory 1G x", "--renew-memory is above --memory"},
		{"run echo --max-tasks 0 x", "--max-tasks 0: must be at least 1"},
		{"run echo --nice 20 x", "--nice 20: must be from -20 to 19"},
		{"run echo --timeout 0s x", "--timeout 0s: must be more than 0"},
		{"run echo --timeout 3 x", "want a duration, such as 1.5s"},
		{"run echo --timeout 1s --soft-timeout 1s x", "must be less than --timeout 1s"},
		{"run echo --retries -1 x", "--retries -1: must be at least 0"},
		{"run echo --retry-errors x", "are for --retries"},
		{"run echo --max-failures 0 x", "at least 1, or a share"},
		{"run echo --max-failures 101% x", "up to 100%"},
		{"run echo --max-failures 2 --fail-fast x", "leave it out, or --max-failures"},
		{"run echo --progress dots x", "--progress dots: must be auto, plain or none"},
		{"run echo --chunk 0 x", "--chunk 0: must be at least 1"},
		{"run echo --window 0 x", "--window 0: must be at least 1"},
		{"run echo --stdin xml x", "--stdin xml: must be one of"},
		{"run echo --details x", "--details is for --json"},
		{"run echo --log loud x", "--log loud: must be"},
		{"run echo - -", "only once"},
		{"functions x", "takes no arguments"},
		{"version x", "takes no arguments"},
		{"demo --workers 0", "--workers 0"},
		{"bench --workers 0", "--workers 0: must be at least 1"},
		{"bench --time 0s", "--time 0s: must be more than 0"},
		{"bench --time soon", "invalid argument"},
		{"bench --quick --time 3s", "--quick and --time exclude each other"},
		{"bench --json --csv", "--csv and --json exclude each other"},
		{"bench --only roundtrip,xyz", `--only: there is no section "xyz"`},
		{"bench --python /no/such/python", "--python /no/such/python"},
		{"bench x", "takes no arguments"},
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
