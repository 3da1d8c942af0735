//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How large the kill tests are. "make kills" sets two million lines.
var (
	killLines = fromEnv("PROCPOOL_KILL_LINES", 40_000)
	killSeed  = fromEnv("PROCPOOL_KILL_SEED", int(time.Now().UnixNano()))
	kills     = fromEnv("PROCPOOL_KILLS", 10)
)

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// victim is a run of the command that is killed and resumed.
type victim struct {
	t      *testing.T
	dir    string
	args   []string
	random *rand.Rand
	size   int64 // of all lines

	starts int
	killed int   // of them, before their end
	maxRSS int64 // of the program, without its workers, in KiB
}

// newVictim writes the lines that are the input.
func newVictim(t *testing.T, args ...string) *victim {
	v := &victim{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(uint64(killSeed), 1))}
	v.args = append([]string{"run", "echo", "--quiet", "--journal", v.path("journal"), "--resume"}, args...)
	t.Logf("%d lines, %d kills, seed %d", killLines, kills, killSeed)
	in, err := os.Create(v.path("in"))
	require.NoError(t, err)
	w := bufio.NewWriter(in)
	for i := range killLines {
		n, _ := fmt.Fprintf(w, "line %d\n", i)
		v.size += int64(n)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, in.Close())
	return v
}

func (v *victim) path(name string) string { return filepath.Join(v.dir, name) }

// start starts the command.
func (v *victim) start(stdout *os.File) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(v.t, err)
	in, err := os.Open(v.path("in"))
	require.NoError(v.t, err)
	defer in.Close()
	cmd := &exec.Cmd{Path: self, Args: append([]string{"procpool"}, v.args...), Stdin: in, Stdout: stdout, Stderr: &bytes.Buffer{}, Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0")}
	require.NoError(v.t, cmd.Start())
	v.starts++
	return cmd
}

// wait waits for the end, and returns whether the command came to its own.
func (v *victim) wait(cmd *exec.Cmd) (finished bool) {
	err := cmd.Wait()
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if ok {
		v.maxRSS = max(v.maxRSS, usage.Maxrss)
	}
	if err == nil {
		return true
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(v.t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, cmd.Stderr)
	v.killed++
	return false
}

// kill kills the command at a random moment: now and then before it has read its journal, and else when it has
// written as much as a random share of all lines.
func (v *victim) kill(cmd *exec.Cmd, share float64, written func() int64) {
	if v.random.IntN(4) == 0 {
		time.Sleep(time.Duration(v.random.IntN(200)) * time.Millisecond)
	} else {
		for limit := time.Now().Add(time.Minute); float64(written()) < share*float64(v.size) && time.Now().Before(limit) && isAlive(cmd); {
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(time.Duration(v.random.IntN(5000)) * time.Microsecond)
	}
	_ = cmd.Process.Kill()
}

// isAlive reports whether the command has not ended; if it has, it waits for us.
func isAlive(cmd *exec.Cmd) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	return err != nil && runtime.GOOS != "linux" || !bytes.Contains(stat, []byte(") Z "))
}

// shares are the random moments, in order.
func (v *victim) shares() []float64 {
	var all []float64
	for range kills {
		all = append(all, v.random.Float64())
	}
	return slices.Sorted(slices.Values(all))
}

// check compares the lines that came with those that went in: none must be lost. It returns how many came again.
func (v *victim) check(output io.Reader) (doubled int) {
	seen := make([]uint8, killLines)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		digits, ok := strings.CutPrefix(lines.Text(), "line ")
		n, err := strconv.Atoi(digits)
		require.True(v.t, ok && err == nil && n < killLines, "%q is torn", lines.Text())
		if seen[n] > 0 {
			doubled++
		}
		seen[n] = 1
	}
	require.NoError(v.t, lines.Err())
	require.Equal(v.t, -1, bytes.IndexByte(seen, 0), "a line is lost")
	v.t.Logf("%d lines in, each out; killed %d times, %d doubled, 0 lost; peak memory %d MiB", killLines, v.killed, doubled, v.maxRSS>>10)
	require.Positive(v.t, v.killed)
	return doubled
}

func TestARunThatIsKilledTenTimesLeavesEachLineOnceInAFile(t *testing.T) {
	for _, order := range []string{"--unordered", "--unordered=false"} {
		t.Run(order, func(t *testing.T) {
			if order != "--unordered" && killLines > 1_000_000 {
				t.Skip("once is enough")
			}
			v := newVictim(t, order)
			out, err := os.OpenFile(v.path("out"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
			require.NoError(t, err)
			defer out.Close()
			written := func() int64 {
				info, err := out.Stat()
				require.NoError(t, err)
				return info.Size()
			}
			for _, share := range v.shares() {
				cmd := v.start(out)
				v.kill(cmd, share, written)
				v.wait(cmd)
			}
			require.True(t, v.wait(v.start(out)))
			require.Zero(t, v.check(io.NewSectionReader(out, 0, written())))
			if order != "--unordered" {
				requireSameFile(t, v.path("in"), v.path("out"))
			}
		})
	}
}

func requireSameFile(t *testing.T, a, b string) {
	want, err := os.ReadFile(a)
	require.NoError(t, err)
	got, err := os.ReadFile(b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the order was lost")
}

func TestARunThatIsKilledTenTimesLosesNoLineInAPipe(t *testing.T) {
	if killLines > 1_000_000 {
		t.Skip("once is enough")
	}
	v := newVictim(t, "--unordered")
	var all bytes.Buffer // whole lines of all runs
	run := func(share float64) (finished bool) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		cmd := v.start(w)
		require.NoError(t, w.Close())
		var mu sync.Mutex
		var got []byte
		var reading sync.WaitGroup
		reading.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := r.Read(buf)
				mu.Lock()
				got = append(got, buf[:n]...)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
		if share <= 1 {
			v.kill(cmd, share, func() int64 {
				mu.Lock()
				defer mu.Unlock()
				return int64(all.Len() + len(got))
			})
		}
		finished = v.wait(cmd)
		reading.Wait()
		require.NoError(t, r.Close())
		all.Write(got[:bytes.LastIndexByte(got, '\n')+1])
		return finished
	}
	for _, share := range v.shares() {
		run(share)
	}
	require.True(t, run(2))
	doubled := v.check(bytes.NewReader(all.Bytes()))
	require.LessOrEqual(t, doubled, kills*(sinkBuffer/len("line 0\n")+1), "more than one batch for each kill")
}
