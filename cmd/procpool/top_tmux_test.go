//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/sockdir"
)

// terminal is a real one: a pane of a tmux server of its own, in which a shell runs.
type terminal struct {
	t      *testing.T
	server string // its socket
}

const (
	prompt       = "ready>"
	tmuxPatience = 20 * time.Second // for something to be seen
)

func openTerminal(t *testing.T, width, height int) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("there is no tmux here")
	}
	dir, err := os.MkdirTemp("/tmp", "tm")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	term := &terminal{t, dir + "/tmux"}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.server, "kill-server").Run() })
	term.do("-u", "-f", os.DevNull, "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height), "env LC_ALL=C.UTF-8 PS1='"+prompt+"' sh")
	term.waitFor(prompt)
	return term
}

// do has tmux do something, and returns what it printed.
func (term *terminal) do(args ...string) string {
	term.t.Helper()
	ctx, cancel := context.WithTimeout(term.t.Context(), tmuxPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "tmux", append([]string{"-S", term.server}, args...)...).CombinedOutput()
	require.NoError(term.t, err, "tmux %v: %s", args, out)
	return string(out)
}

// screen is what is seen.
func (term *terminal) screen() string { return term.do("capture-pane", "-p") }

func (term *terminal) waitFor(text string) string {
	term.t.Helper()
	return term.waitUntil(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// waitUntil looks until it sees what is wanted. tmux cannot tell when something changes.
func (term *terminal) waitUntil(what string, ok func(screen string) bool) string {
	term.t.Helper()
	for deadline := time.Now().Add(tmuxPatience); ; time.Sleep(20 * time.Millisecond) {
		screen := term.screen()
		if ok(screen) {
			return screen
		}
		require.True(term.t, time.Now().Before(deadline), "waited for %s and saw\n%s", what, screen)
	}
}

func (term *terminal) press(keys ...string) {
	term.t.Helper()
	for _, key := range keys {
		term.do("send-keys", key)
	}
}

// run types a command line.
func (term *terminal) run(line string) {
	term.t.Helper()
	term.do("send-keys", "-l", line)
	term.press("Enter")
}

func (term *terminal) resize(width, height int) {
	term.t.Helper()
	term.do("resize-window", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height))
}

// isRestored checks that the terminal is the shell's again, as it was.
func (term *terminal) isRestored() {
	term.t.Helper()
	term.waitUntil("the shell", func(string) bool {
		return strings.TrimSpace(term.do("display", "-p", "#{alternate_on} #{cursor_flag} #{pane_current_command}")) == "0 1 sh"
	})
	term.run("clear; stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig|icrnl|opost);?$' | tr -d ';' | sort | xargs echo modes")
	term.waitFor("modes echo icanon icrnl isig opost\n")
}

// startLively starts the pool that has something to show, and returns its client. One that is calm has no workers that die of themselves.
func startLively(t *testing.T, how ...string) (*poolClient, *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tt")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv(sockdir.Var, dir)
	cmd := exec.Command("procpool-lively", how...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	var found []sockdir.Socket
	require.Eventually(t, func() bool {
		found, err = sockdir.List(t.Context())
		return err == nil && len(found) == 1
	}, tmuxPatience, 10*time.Millisecond)
	c := newPoolClient(found[0])
	t.Cleanup(c.close)
	return c, cmd
}

// isSound checks what has to be so at any size.
func isSound(t *testing.T, screen string, width, height int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
	require.LessOrEqual(t, len(lines), height)
	for _, line := range lines {
		require.LessOrEqual(t, ansi.StringWidth(line), width, screen)
	}
	require.Contains(t, lines[0], "● live", screen)
	require.Regexp(t, `workers \d of \d busy`, screen)
	require.Regexp(t, `SLOT▲ +PID +STATE +TASK +FOR`, screen)
	require.Regexp(t, `(?m)^› +0 +\d+ `, screen)
	require.Contains(t, lines[len(lines)-1], "q quit", screen)
	require.NotContains(t, screen, "\x1b")
}

func TestTopFitsARealTerminalOfAnySizeAndLeavesItAsItWas(t *testing.T) {
	startLively(t)
	term := openTerminal(t, 80, 24)
	term.run("procpool top")
	shown := func(width, height int, lastColumn string) string {
		t.Helper()
		return term.waitUntil(fmt.Sprintf("a picture of %dx%d that ends in %s", width, height, lastColumn), func(screen string) bool {
			lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
			return len(lines) == height && strings.Contains(lines[height-1], "q quit") && strings.HasSuffix(lines[0], "● live") && ansi.StringWidth(lines[0]) == width &&
				regexp.MustCompile(`(?m)SLOT▲.*`+lastColumn+`$`).MatchString(screen)
		})
	}
	isSound(t, shown(80, 24, "RESTARTS"), 80, 24)
	for _, size := range []struct {
		width, height int
		last          string
	}{{40, 10, "FOR"}, {200, 50, "idle"}, {120, 40, "idle"}, {60, 15, "RESTARTS"}, {80, 24, "RESTARTS"}} {
		term.resize(size.width, size.height)
		isSound(t, shown(size.width, size.height, size.last), size.width, size.height)
	}
	term.press("?")
	term.waitFor("Keys")
	term.press("Escape")
	shown(80, 24, "RESTARTS")
	term.press("q")
	term.isRestored()
}

func TestInARealTerminalAWorkerIsLookedIntoAndKilled(t *testing.T) {
	c, program := startLively(t, "calm")
	term := openTerminal(t, 120, 40)
	term.run("procpool top lively || procpool top; echo code $?")
	term.waitFor("● live")
	restarts := func() int {
		s, err := c.snapshot(t.Context())
		require.NoError(t, err)
		return s.Workers[1].Restarts
	}
	before := restarts()
	term.press("Down", "k")
	question := term.waitFor("y/n")
	pid := regexp.MustCompile(`slot 1 \(pid (\d+)\)`).FindStringSubmatch(question)
	require.NotNil(t, pid, question)
	term.press("n")
	term.waitFor("The worker of slot 1 lives on.")
	require.True(t, isThere(t, c, pid[1]))

	term.press("k")
	question = term.waitFor("y/n")
	pid = regexp.MustCompile(`slot 1 \(pid (\d+)\)`).FindStringSubmatch(question)
	term.press("y")
	said := term.waitUntil("the kill", func(screen string) bool { return strings.Contains(screen, "illed") })
	if strings.Contains(said, errors.ErrUnsupported.Error()) {
		t.Skip("the pool cannot kill workers yet")
	}
	require.Contains(t, said, "Killed pid "+pid[1]+". Slot 1 gets another process.")
	require.Eventually(t, func() bool { return restarts() > before && !isThere(t, c, pid[1]) }, tmuxPatience, 10*time.Millisecond)
	term.waitUntil("another process", func(screen string) bool {
		return regexp.MustCompile(`(?m)^› +1 +\d+ `).MatchString(screen) && !strings.Contains(screen, " "+pid[1]+" ")
	})

	term.press("g")
	term.waitFor("Goroutines of slot 1")
	term.waitFor("goroutine ")
	term.press("Escape")
	term.waitFor("● live")

	require.NoError(t, program.Process.Kill())
	term.waitFor("The program died. This is the last picture of it.")
	term.press("q")
	term.waitFor("code 0")
	term.isRestored()
}

func isThere(t *testing.T, c *poolClient, pid string) bool {
	t.Helper()
	s, err := c.snapshot(t.Context())
	require.NoError(t, err)
	for _, w := range s.Workers {
		if strconv.Itoa(w.PID) == pid {
			return true
		}
	}
	return false
}

func TestTheTerminalIsRestoredWhateverEndsTop(t *testing.T) {
	startLively(t)
	term := openTerminal(t, 100, 30)
	for name, end := range map[string]struct {
		line, shows string
		end         func()
		says        string
	}{
		"SIGTERM": {"procpool top", "● live", func() {
			term.press("")
			term.do("run-shell", "kill -TERM $(ps -o pid= --ppid #{pane_pid})")
		}, "code 130"},
		"Ctrl-C":  {"procpool top", "● live", func() { term.press("C-c") }, "code 0"},
		"a panic": {"procpool-panic", "", func() {}, "code 3"},
	} {
		t.Run(name, func(t *testing.T) {
			term.t = t
			term.run("clear; " + end.line + "; echo code $?")
			term.waitFor(end.shows)
			end.end()
			term.waitFor(end.says)
			term.isRestored()
		})
	}
}

func TestTopWithoutColoursSaysTheSame(t *testing.T) {
	startLively(t)
	term := openTerminal(t, 100, 30)
	term.run("NO_COLOR=1 procpool top")
	term.waitFor("● live")
	require.NotRegexp(t, `\x1b\[([0-9]+;)*3[0-8]m`, term.do("capture-pane", "-e", "-p"))
	term.press("q")
	term.waitFor(prompt)
	term.run("procpool top")
	term.waitFor("● live")
	require.Regexp(t, `\x1b\[([0-9]+;)*3[0-8]m`, term.do("capture-pane", "-e", "-p"))
	term.press("q")
	term.isRestored()
}

func TestOfTwoPoolsOneIsChosenInARealTerminal(t *testing.T) {
	startLively(t)
	term := openTerminal(t, 100, 30)
	term.run("procpool run sleep 100s --workers 1 --quiet & procpool top --list | grep -c busy")
	require.Eventually(t, func() bool {
		found, err := sockdir.List(t.Context())
		return err == nil && len(found) == 2
	}, tmuxPatience, 10*time.Millisecond)
	term.run("clear; procpool top")
	term.waitFor("Which pool?")
	term.press("Down", "Enter")
	term.waitFor("workers 1 of 1 busy")
	term.press("q")
	term.run("kill $!; wait; clear")
	term.isRestored()
}
