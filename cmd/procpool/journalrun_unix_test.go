//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/syncbuf"
)

// started is a run of the command as a process, which signals can be sent to.
type started struct {
	cmd    *exec.Cmd
	stdout syncbuf.Buffer
	stderr syncbuf.Buffer
}

func startCommand(t *testing.T, args ...string) *started {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s := &started{cmd: &exec.Cmd{Path: self, Args: append([]string{"procpool"}, args...)}}
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// eventually waits for what another process does.
func eventually(t *testing.T, is func() bool, what string) {
	t.Helper()
	require.Eventually(t, is, time.Minute, time.Millisecond, what)
}

func TestResultsThatWaitForAnEarlierOneSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	s := startCommand(t, "run", "sleep", "--quiet", "--workers", "2", "--chunk", "1", "--journal", path, "1h", "1ms", "2ms", "3ms")
	eventually(t, func() bool {
		text, _ := os.ReadFile(path)
		return bytes.Count(text, []byte(`{"held":`)) == 3 && bytes.HasSuffix(text, []byte("\n"))
	}, "the journal has what waits")
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	assert.Empty(t, s.stdout.String())

	r := runCommand(t, "", "run", "sleep", "--quiet", "--json", "--details", "--journal", path, "--resume", "1ms", "2ms", "4ms", "3ms")
	require.Equal(t, exitOK, r.code, r.stderr)
	lines := r.lines()
	require.Len(t, lines, 4)
	for i, want := range []struct {
		value string
		ran   bool
	}{{"1ms", false}, {"2ms", false}, {"4ms", true}, {"3ms", false}} {
		assert.Contains(t, lines[i], `"value":"`+want.value+`"`)
		assert.Equal(t, !want.ran, strings.Contains(lines[i], `"slot":-1`), lines[i])
	}

	r = runCommand(t, "", "run", "sleep", "--quiet", "--journal", path, "--resume", "1ms", "2ms", "3ms", "4ms")
	assert.Empty(t, r.stdout, "now they have been printed")
}

func TestAWorkerThatSaysNothingIsWaitedForAloud(t *testing.T) {
	s := startCommand(t, "run", "echo", "a", "--command", "sleep 1h")
	eventually(t, func() bool { return strings.Contains(s.stderr.String(), "has not said hello yet") }, "it is told what is missing")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
	_ = s.cmd.Wait()
	assert.Equal(t, exitInterrupted, s.cmd.ProcessState.ExitCode(), s.stderr.String())
	assert.Equal(t, "procpool: --command \"sleep 1h\" has not said hello yet, as a worker does; waiting\nprocpool: interrupted: 0 items done\n", s.stderr.String())
}

func TestASecondInterruptLeavesNoFailureInTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	s := startCommand(t, "run", "sleep", "--quiet", "--unordered", "--workers", "2", "--chunk", "1", "--journal", path, "1ms", "1h", "2h")
	eventually(t, func() bool { return s.stdout.String() == "1ms\n" }, "a result")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
	eventually(t, func() bool { return strings.Contains(s.stderr.String(), "finishing what runs") }, "the first is understood")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGINT))
	_ = s.cmd.Wait()
	assert.Equal(t, exitInterrupted, s.cmd.ProcessState.ExitCode(), s.stderr.String())
	assert.Contains(t, s.stderr.String(), "--resume")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), `{"done":`)
	assert.NotContains(t, string(text), `{"failed":`)
}

func TestAGoneReaderLeavesTheRestToResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := &exec.Cmd{Path: self, Args: []string{"procpool", "run", "sleep", "--quiet", "--workers", "1", "--chunk", "1", "--journal", path, "1ms", "300ms", "2ms"}, Stdout: w}
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	first := make([]byte, 4)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, cmd.Wait())

	rest := runCommand(t, "", "run", "sleep", "--quiet", "--journal", path, "--resume", "1ms", "300ms", "2ms")
	assert.Equal(t, "1ms\n300ms\n2ms\n", string(first)+rest.stdout)
}
