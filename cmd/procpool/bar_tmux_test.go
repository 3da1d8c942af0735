//go:build unix

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTwoCtrlCLeaveNothingOfTheBar(t *testing.T) {
	term := openTerminal(t, 100, 20)
	term.run("procpool run primes 9e9 9e9 9e9 --no-summary; echo code $?")
	term.waitFor("0: busy")
	term.press("C-c")
	term.waitFor("finishing what runs")
	time.Sleep(600 * time.Millisecond) // the bar is drawn some times
	term.press("C-c")
	screen := term.waitFor("code 130")
	_, after, _ := strings.Cut(screen, "procpool: interrupted: finishing what runs; Ctrl-C again ends it at once\n")
	assert.True(t, strings.HasPrefix(after, "procpool: interrupted: 0 items done, 3 left\ncode 130\n"), screen)
}
