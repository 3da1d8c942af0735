package harden_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/harden"
)

var allRules = harden.Rules{NoNewPrivs: true, Files: true, Network: true, Signals: true}

func TestWhatTheKernelIsTooOldForIsMissingWithAReason(t *testing.T) {
	const fixed = 2
	tests := []struct {
		abi, errata int
		reason      error
		want        []string
	}{
		{abi: 7, errata: fixed},
		{abi: 6, errata: fixed | 1},
		{6, 1, nil, []string{"signals: needs the correction of signals between threads that came with Linux 6.15 (Landlock erratum 2)"}},
		{5, 0, nil, []string{"signals: needs Linux 6.12 (Landlock ABI 6), here is ABI 5"}},
		{3, 0, nil, []string{"signals: needs Linux 6.12 (Landlock ABI 6), here is ABI 3"}},
		{0, 0, syscall.ENOSYS, []string{
			"files: needs Linux 5.13 (Landlock ABI 1), and this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK)",
			"signals: needs Linux 6.12 (Landlock ABI 6), and this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK)",
		}},
	}
	for _, test := range tests {
		possible, missing := harden.SupportedBy(allRules, test.abi, test.errata, test.reason)
		var got []string
		for _, m := range missing {
			assert.ErrorIs(t, m, errors.ErrUnsupported)
			got = append(got, m.Error())
		}
		assert.Equal(t, test.want, got)
		_, missing = harden.SupportedBy(possible, test.abi, test.errata, test.reason)
		assert.Empty(t, missing, "what is possible is possible")
		assert.True(t, possible.NoNewPrivs)
	}
}

func TestWhyThereIsNoLandlockIsSaid(t *testing.T) {
	for reason, want := range map[error]string{
		syscall.EOPNOTSUPP: "switched off in this kernel (boot parameter lsm=)",
		syscall.EPERM:      "a sandbox around this process forbids its system calls",
		syscall.EIO:        "input/output error",
	} {
		_, missing := harden.SupportedBy(harden.Rules{Files: true}, 0, 0, reason)
		require.Len(t, missing, 1)
		assert.Contains(t, missing[0].Error(), want)
	}
}

func TestNoRulesAreAlwaysSupportedAndRestrictNothing(t *testing.T) {
	var none harden.Rules
	assert.False(t, none.Any())
	_, missing := none.Supported()
	assert.Empty(t, missing)
	assert.Equal(t, "ok", under(t, none.Restrict, command("read")))
}

func TestRestrictRefusesWhatTheKernelCannotGive(t *testing.T) {
	err := harden.RestrictAs(harden.Rules{Files: true, Signals: true}, 3) // before anything is in force
	var refused *harden.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "landlock", refused.Step)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.EqualError(t, err, "landlock: signals: needs Linux 6.12 (Landlock ABI 6), here is ABI 3")
}

func TestFileRulesHoldWithEveryVersionOfLandlock(t *testing.T) {
	rules := harden.Rules{Files: true, Network: true, ReadWrite: []string{t.TempDir()}}
	needs(t, rules)
	for abi := 1; abi <= harden.ABI(); abi++ {
		restrict := func() error { return harden.RestrictAs(rules, abi) }
		assert.Equal(t, "ready", under(t, restrict, command("ready")), "ABI %d", abi)
		assert.Equal(t, "open /etc/passwd: permission denied", under(t, restrict, command("read")), "ABI %d", abi)
	}
}

func TestAListedFileCanBeRead(t *testing.T) {
	rules := allRules
	rules.ReadOnly = []string{"/etc/passwd"}
	needs(t, rules)
	assert.Equal(t, "ok", under(t, rules.Restrict, command("read")))
}

func TestAForeignImageRunsWithItsLoaderOrInterpreter(t *testing.T) {
	rules := allRules
	needs(t, rules)
	rules.Image = "/bin/sh"
	assert.Equal(t, "hello", under(t, rules.Restrict, exec.Command("/bin/sh", "-c", "echo hello")))

	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#! /bin/sh -e\necho from a script\n"), 0o755))
	rules.Image = script
	assert.Equal(t, "from a script", under(t, rules.Restrict, exec.Command(script)))
}

func TestAListedProgramRunsWhateverTheImageIs(t *testing.T) {
	rules := allRules
	needs(t, rules)
	path, err := exec.LookPath("echo")
	require.NoError(t, err)
	rules.ReadOnly = []string{path}
	assert.Equal(t, "hello", under(t, rules.Restrict, exec.Command(path, "hello")))
}

func TestTheInterpreterIsTheOneThatTheImageNames(t *testing.T) {
	for _, path := range []string{"/proc/self/exe", "/bin/sh", "/bin/true"} {
		f, err := elf.Open(path)
		if err != nil {
			continue // a script, on some systems
		}
		want := ""
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				name, err := io.ReadAll(p.Open())
				require.NoError(t, err)
				want = string(bytes.TrimRight(name, "\x00"))
			}
		}
		f.Close()
		assert.Equal(t, want, harden.Interpreter(path), path)
	}
	for text, want := range map[string]string{
		"#!/bin/sh\n":              "/bin/sh",
		"#!  /usr/bin/env python3": "/usr/bin/env",
		"#!":                       "",
		"#! relative\n":            "",
		"":                         "",
		"\x7fELF":                  "",
		"\x7fELF\x02" + strings.Repeat("\xff", 300): "",
		"\x7fELF\x01" + strings.Repeat("\x01", 300): "",
		"plain text": "",
	} {
		path := filepath.Join(t.TempDir(), "image")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
		assert.Equal(t, want, harden.Interpreter(path), "%q", text)
	}
	assert.Empty(t, harden.Interpreter("/no/such/file"))
}

func TestAListedPathMustBeAbsoluteAndExist(t *testing.T) {
	needs(t, harden.Rules{Files: true})
	tests := []struct {
		rules harden.Rules
		want  string
	}{
		{harden.Rules{ReadOnly: []string{"/no/such/file"}}, "landlock: read-only /no/such/file: no such file or directory"},
		{harden.Rules{ReadWrite: []string{"/tmp", "tmp"}}, `landlock: read-write "tmp" is not an absolute path`},
		{harden.Rules{ReadOnly: []string{""}}, `landlock: read-only "" is not an absolute path`},
		{harden.Rules{Image: "/no/such/image"}, "landlock: program /no/such/image: no such file or directory"},
	}
	for _, test := range tests {
		test.rules.Files = true
		c := make(chan error)
		go func() {
			runtime.LockOSThread() // and it ends with the goroutine: no_new_privs is in force
			c <- test.rules.Restrict()
		}()
		assert.EqualError(t, <-c, test.want)
	}
}

func TestLimitsAreSoftAndHardOnesOfTheProcess(t *testing.T) {
	pid := hang(t)
	limits := harden.Limits{
		CPU: 90*time.Second + 1, FileSize: 1 << 30, OpenFiles: 99, Processes: 12345, NoCore: true, Data: 1 << 40,
	}
	require.NoError(t, limits.Apply(pid))
	assertLimit(t, pid, "Max cpu time", "91", "91")
	assertLimit(t, pid, "Max file size", "1073741824", "1073741824")
	assertLimit(t, pid, "Max open files", "99", "99")
	assertLimit(t, pid, "Max processes", "12345", "12345")
	assertLimit(t, pid, "Max core file size", "0", "0")
	assertLimit(t, pid, "Max data size", "1099511627776", "1099511627776")
}

func TestAZeroLimitLeavesWhatIsThere(t *testing.T) {
	pid := hang(t)
	before := limitsOf(t, pid)
	require.NoError(t, harden.Limits{}.Apply(pid))
	assert.Equal(t, before, limitsOf(t, pid))
}

func TestALimitIsNeverRaised(t *testing.T) {
	pid := hang(t)
	require.NoError(t, harden.Limits{OpenFiles: 64}.Apply(pid))
	require.NoError(t, harden.Limits{OpenFiles: 128}.Apply(pid))
	assertLimit(t, pid, "Max open files", "64", "64")
}

func TestALimitThatCannotBeSetIsNamed(t *testing.T) {
	assert.EqualError(t, harden.Limits{CPU: -time.Second}.Apply(os.Getpid()), "CPU time -1s is negative")
	assert.EqualError(t, harden.Limits{FileSize: -1}.Apply(os.Getpid()), "file size -1 is negative")

	gone := exec.Command("/bin/true")
	require.NoError(t, gone.Run())
	err := harden.Limits{OpenFiles: 10}.Apply(gone.Process.Pid)
	require.ErrorIs(t, err, syscall.ESRCH)
	assert.EqualError(t, err, "open files (RLIMIT_NOFILE) to 10: no such process")
}

func TestTheOOMScoreIsRaisedUpToItsMaximum(t *testing.T) {
	pid := hang(t)
	own, err := strconv.Atoi(score(t, os.Getpid()))
	require.NoError(t, err)
	require.NoError(t, harden.RaiseOOMScore(pid, 100))
	assert.Equal(t, strconv.Itoa(min(own+100, 1000)), score(t, pid))
	require.NoError(t, harden.RaiseOOMScore(pid, 5000))
	assert.Equal(t, "1000", score(t, pid))

	gone := exec.Command("/bin/true")
	require.NoError(t, gone.Run())
	assert.ErrorIs(t, harden.RaiseOOMScore(gone.Process.Pid, 1), os.ErrNotExist)
}

// hang starts a child that waits for its end, and returns its process id once its runtime is up: the runtime of a privileged
// one raises RLIMIT_NOFILE before.
func hang(t *testing.T) (pid int) {
	t.Helper()
	cmd := command("hang")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	require.NoError(t, err)
	return cmd.Process.Pid
}

func score(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func limitsOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	require.NoError(t, err)
	return string(text)
}

func assertLimit(t *testing.T, pid int, name, soft, hard string) {
	t.Helper()
	text := limitsOf(t, pid)
	m := regexp.MustCompile(`(?m)^` + name + `\s+(\S+)\s+(\S+)`).FindStringSubmatch(text)
	require.NotNil(t, m, text)
	assert.Equal(t, []string{soft, hard}, m[1:], name)
}
