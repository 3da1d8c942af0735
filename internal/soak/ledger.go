//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// A ledger is the path of a file to which every execution of a task appends a line when it starts and one when it ends.
type ledger string

const (
	start = 'S'
	end   = 'E'
)

// enter appends one line. O_APPEND makes each write whole and final, also if the process is killed right after it.
func (l ledger) enter(event rune, id int) error {
	fd, err := syscall.Open(string(l), syscall.O_WRONLY|syscall.O_CREAT|syscall.O_APPEND|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	_, err = syscall.Write(fd, fmt.Appendf(nil, "%c %d\n", event, id))
	return err
}

// size is how much has been written.
func (l ledger) size() int64 {
	info, err := os.Stat(string(l))
	if err != nil {
		return 0
	}
	return info.Size()
}

// history is how often each id was started and ended.
type history struct{ started, ended map[int]int }

func (l ledger) read() (history, error) {
	text, err := os.ReadFile(string(l))
	if err != nil && !os.IsNotExist(err) {
		return history{}, err
	}
	return parseLedger(string(text))
}

func parseLedger(text string) (history, error) {
	h := history{started: map[int]int{}, ended: map[int]int{}}
	for line := range strings.Lines(text) {
		var event rune
		var id int
		if _, err := fmt.Sscanf(line, "%c %d\n", &event, &id); err != nil {
			return h, fmt.Errorf("ledger line %q: %w", line, err)
		}
		switch event {
		case start:
			h.started[id]++
		case end:
			h.ended[id]++
		default:
			return h, fmt.Errorf("ledger line %q", line)
		}
	}
	return h, nil
}
