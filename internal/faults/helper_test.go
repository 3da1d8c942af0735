//go:build linux

package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
)

// A helper is another process that owns a pool: this binary in one of its
// roles. It writes a line of JSON for each thing that it reports, and reads a
// line for each thing that it is told.
type helper struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan []byte   // closed at the end of its stdout
	ended  chan struct{} // closed when it was reaped
	stderr *syncbuf.Buffer
}

// startHelper starts this binary in a role. Its group is killed at the end of the test.
func startHelper(t testing.TB, role string, env ...string) *helper {
	t.Helper()
	return startHelperAs(t, func(*exec.Cmd) {}, role, env...)
}

// startHelperAs is startHelper with a command that differs.
func startHelperAs(t testing.TB, change func(*exec.Cmd), role string, env ...string) *helper {
	t.Helper()
	h := &helper{t: t, lines: make(chan []byte, 1<<10), ended: make(chan struct{}), stderr: new(syncbuf.Buffer)}
	h.cmd = exec.Command("/proc/self/exe")
	h.cmd.Args[0] = os.Args[0]
	h.cmd.Env = append(append(os.Environ(), roleVar+"="+role), env...)
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	change(h.cmd)
	h.cmd.Stderr = h.stderr
	h.cmd.WaitDelay = time.Second // a worker that outlives it may hold its stderr
	var err error
	h.in, err = h.cmd.StdinPipe()
	require.NoError(t, err)
	out, outEnd, err := os.Pipe()
	require.NoError(t, err)
	h.cmd.Stdout = outEnd
	require.NoError(t, h.cmd.Start())
	outEnd.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		h.read(out)
	}()
	go func() {
		h.cmd.Wait()
		close(h.ended)
	}()
	t.Cleanup(func() {
		h.kill()
		out.Close()
		<-read
		if t.Failed() {
			t.Logf("stderr of the helper %s (%v):\n%s", role, h.cmd.ProcessState, tail(h.stderr.String()))
		}
	})
	return h
}

// read passes on the lines of the helper's stdout.
func (h *helper) read(out io.Reader) {
	defer close(h.lines)
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		h.lines <- append([]byte(nil), scanner.Bytes()...)
	}
}

func (h *helper) pid() int { return h.cmd.Process.Pid }

// kill ends the helper if it has not ended, and waits for it.
func (h *helper) kill() {
	h.cmd.Process.Kill()
	h.cmd.Process.Signal(syscall.SIGCONT)
	h.wait()
}

// wait waits for the helper's end and returns how it ended.
func (h *helper) wait() *os.ProcessState {
	h.t.Helper()
	select {
	case <-h.ended:
	case <-time.After(patience):
		h.t.Errorf("the helper has not ended after %v", patience)
		h.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-h.ended:
		case <-time.After(patience):
			h.cmd.Process.Kill()
		}
	}
	return h.cmd.ProcessState
}

// tell writes one line to the helper's stdin.
func (h *helper) tell(line string) {
	h.t.Helper()
	if _, err := fmt.Fprintln(h.in, line); err != nil {
		h.t.Errorf("telling the helper %q: %v", line, err)
	}
}

// hear reads the helper's next report into v.
func (h *helper) hear(v any) {
	h.t.Helper()
	select {
	case line, ok := <-h.lines:
		if !ok {
			h.t.Fatalf("the helper ended (%v) instead of reporting:\n%s", h.wait(), tail(h.stderr.String()))
		}
		if err := json.Unmarshal(line, v); err != nil {
			h.t.Fatalf("%q: %v", line, err)
		}
	case <-time.After(patience):
		h.cmd.Process.Signal(syscall.SIGQUIT)
		h.t.Fatalf("the helper has not reported in %v:\n%s", patience, tail(h.stderr.String()))
	}
}

// report and listen are the helper's side.
func report(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

var orders = bufio.NewReader(os.Stdin)

// listen returns the next line that the helper is told; at the end of its stdin the
// test is gone and so is the helper.
func listen() string {
	line, err := orders.ReadString('\n')
	if err != nil {
		os.Exit(70)
	}
	return strings.TrimSuffix(line, "\n")
}

// role registers a role.
func role(name string, play func() int) struct{} {
	roles[name] = play
	return struct{}{}
}

// unhookedRole registers a role that never gets to TestMain.
func unhookedRole(name string, play func()) struct{} {
	unhooked[name] = play
	return struct{}{}
}

// A verdict is what a helper reports of a call that may have failed.
type verdict struct {
	Err               string
	Is                map[string]bool // which of the errors of verdictOf it is
	Stage             string
	Stdout, Stderr    string
	Children, Threads int
	Leaked            []string // descriptors that were not there before
}

var watched = map[string]error{
	"EMFILE": syscall.EMFILE, "EAGAIN": syscall.EAGAIN, "ENOENT": syscall.ENOENT,
	"ErrNoMain": pool.ErrNoMain, "ErrBroken": pool.ErrBroken, "ErrClosed": pool.ErrClosed,
}

func verdictOf(err error) verdict {
	v := verdict{Is: map[string]bool{}}
	if err == nil {
		return v
	}
	v.Err = err.Error()
	for name, target := range watched {
		v.Is[name] = errors.Is(err, target)
	}
	return v
}
