//go:build unix

package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Behaviours of whole programs: testdata/guarded calls worker.Main first,
// testdata/forgotten does not.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "./testdata/guarded", "./testdata/forgotten")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	guarded, forgotten := filepath.Join(dir, "guarded"), filepath.Join(dir, "forgotten")

	tests := []struct {
		name string
		test func(*testing.T, string)
	}{
		{"C037 a program may end with a pool that was never closed", testC037},
		{"C040 a pool works without standard input and in a child", testC040},
		{"C042 workers do not inherit what the program inherited", testC042},
		{"C044 a program works however it was started", testC044},
		{"C088 Shutdown waits for what the task prints", testC088},
		{"C089 a pool that was shut down does not change how the program ends", testC089},
		{"C092 Shutdown without waiting leaves the task running", testC092},
		{"C092 a program that ends does not wait for its tasks", testC092Leave},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { bounded(t, func() { test.test(t, guarded) }) })
	}
	t.Run("C041 a program without worker.Main is told so and starts nothing", func(t *testing.T) {
		bounded(t, func() { testC041(t, forgotten) })
	})
}

// An outcome is how a program ended.
type outcome struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// run runs a program to its end.
func run(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = prompt
	began := time.Now()
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(began)}
}

func program(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit/2)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

// prints checks that a program printed just that and ended well.
func prints(t *testing.T, want string, got outcome) {
	t.Helper()
	require.Equal(t, want, got.stdout)
	require.Empty(t, got.stderr)
	require.Zero(t, got.code)
}

// orphansEnd checks that the processes that a program printed end with it,
// within a second or what that is on a busy machine.
func orphansEnd(t *testing.T, got outcome) {
	t.Helper()
	var procs []int
	for line := range strings.FieldsSeq(got.stdout) {
		pid, err := strconv.Atoi(line)
		require.NoError(t, err)
		procs = append(procs, pid)
	}
	require.Len(t, procs, 2)
	began := time.Now()
	eventually(t, "the workers ended with the program", func() bool { return !slices.ContainsFunc(procs, running) })
	require.Less(t, time.Since(began), prompt)
}

// running reports whether a process runs: an orphan that has ended stays a
// zombie until process 1 gets round to it.
func running(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return alive(pid)
}

func testC037(t *testing.T, guarded string) {
	got := run(t, program(t, guarded, "keep"))
	require.Zero(t, got.code, got.stderr)
	require.Empty(t, got.stderr)
	orphansEnd(t, got)
}

const sevenSquares = "1 4 9 16 25 36 49\n"

func testC040(t *testing.T, guarded string) {
	prints(t, sevenSquares, run(t, program(t, guarded, "map")))
	prints(t, sevenSquares, run(t, program(t, "/bin/sh", "-c", `exec "$0" map <&-`, guarded)))
	prints(t, sevenSquares, run(t, program(t, "/bin/sh", "-c", `echo input | "$0" map`, guarded)))
}

func testC041(t *testing.T, forgotten string) {
	starts := t.TempDir() + "/starts"
	got := run(t, program(t, forgotten, starts))
	require.Equal(t, 3, got.code, "ErrNoMain: %s", got.stderr)
	require.Empty(t, got.stdout)
	require.Contains(t, got.stderr, "worker.Main()")
	require.Contains(t, got.stderr, "TestMain")
	b, err := os.ReadFile(starts)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(b), "started"), "processes:\n%s", b)
}

func testC042(t *testing.T, guarded string) {
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	cmd := program(t, guarded, "descriptors")
	for range 18 { // descriptors 3 to 20
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	prints(t, "here: [3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20] worker: []\n", run(t, cmd))
}

func testC044(t *testing.T, guarded string) {
	bin, err := os.ReadFile(guarded)
	require.NoError(t, err)
	install := func(t *testing.T, name string) (dir, path string) {
		dir = t.TempDir()
		path = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, bin, 0o700))
		return dir, path
	}
	in := func(dir string, cmd *exec.Cmd) *exec.Cmd {
		cmd.Dir = dir
		return cmd
	}
	t.Run("by a relative path", func(t *testing.T) {
		dir, _ := install(t, "guarded")
		prints(t, sevenSquares, run(t, in(dir, program(t, "./guarded", "map"))))
	})
	t.Run("by a name with spaces and a suffix", func(t *testing.T) {
		dir, _ := install(t, "a program.exe")
		prints(t, sevenSquares, run(t, in(dir, program(t, "./a program.exe", "map"))))
	})
	t.Run("through PATH", func(t *testing.T) {
		dir, _ := install(t, "guarded")
		prints(t, sevenSquares, run(t, program(t, "/bin/sh", "-c", `PATH="$0:$PATH"; guarded map`, dir)))
	})
	t.Run("through a symbolic link", func(t *testing.T) {
		dir, path := install(t, "guarded")
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink(path, link))
		prints(t, sevenSquares, run(t, program(t, link, "map")))
	})
	t.Run("under another argv[0]", func(t *testing.T) {
		_, path := install(t, "guarded")
		cmd := program(t, path, "map")
		cmd.Args[0] = "no such program"
		prints(t, sevenSquares, run(t, cmd))
	})
	t.Run("in a directory that is renamed", func(t *testing.T) {
		dir, _ := install(t, "guarded")
		wd := filepath.Join(dir, "wd")
		require.NoError(t, os.Mkdir(wd, 0o700))
		prints(t, sevenSquares, run(t, in(wd, program(t, "../guarded", "moved"))))
	})
	t.Run("in a directory that is renamed with the program", func(t *testing.T) {
		dir, _ := install(t, "guarded")
		prints(t, sevenSquares, run(t, in(dir, program(t, "./guarded", "moved"))))
		_ = os.RemoveAll(dir + " moved")
	})
	t.Run("from a file that is deleted", func(t *testing.T) {
		_, path := install(t, "guarded")
		prints(t, sevenSquares, run(t, program(t, path, "deleted")))
	})
}

func testC088(t *testing.T, guarded string) {
	prints(t, "apple\n", run(t, program(t, guarded, "apple")))
}

func testC089(t *testing.T, guarded string) {
	got := run(t, program(t, guarded, "late"))
	require.Equal(t, outcome{stdout: "closed: true\n", code: 7, took: got.took}, got)
}

func testC092(t *testing.T, guarded string) {
	prints(t, "apple\n", run(t, program(t, guarded, "apple-later")))
}

// Python waits at exit for what runs; main is the end of a Go program, and no
// worker outlives it.
func testC092Leave(t *testing.T, guarded string) {
	got := run(t, program(t, guarded, "leave"))
	require.Zero(t, got.code, got.stderr)
	require.Empty(t, got.stderr)
	require.Less(t, got.took, prompt)
	orphansEnd(t, got)
}
