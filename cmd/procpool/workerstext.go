package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

// workersText is what the workers of a pool were at a moment, as a line.
type workersText struct {
	at      time.Time
	workers []pool.WorkerInfo
}

// within is a word on each worker, or a summary where they do not fit into so many columns.
func (w workersText) within(width int) string {
	words := make([]string, 0, len(w.workers))
	for _, one := range w.workers {
		words = append(words, w.word(one))
	}
	if line := strings.Join(words, "  "); len(line) < width {
		return line
	}
	return clippedTo(w.summary(), width-1)
}

// word is one worker: "0: busy 12s, 34.1 MiB".
func (w workersText) word(one pool.WorkerInfo) string {
	text := fmt.Sprintf("%d: %s", one.Slot, one.State)
	if one.State == pool.StateSpare {
		text = "spare"
	}
	if d := w.lasts(one); d >= time.Second {
		text += " " + d.String()
	}
	if one.RSS > 0 {
		text += ", " + byteSize(one.RSS)
	}
	if one.Restarts > 0 {
		text += fmt.Sprintf(", %s", numeral.Of(one.Restarts, "restart"))
	}
	return text
}

// lasts is how long a worker has run its item, or been in a state that should not last. A slot may be busy for hours with short items, which is no news.
func (w workersText) lasts(one pool.WorkerInfo) time.Duration {
	switch one.State {
	case pool.StateIdle, pool.StateSpare:
		return 0
	case pool.StateBusy:
		return one.TaskTime.Round(time.Second)
	}
	return w.at.Sub(one.Since).Round(time.Second)
}

// summary is all of them together: "16 workers: 12 busy (up to 3m2s), 4 idle, 812.0 MiB".
func (w workersText) summary() string {
	states := map[pool.State]int{}
	memory, longest, restarts := int64(0), time.Duration(0), 0
	for _, one := range w.workers {
		states[one.State]++
		memory += one.RSS
		restarts += one.Restarts
		if one.State == pool.StateBusy {
			longest = max(longest, w.lasts(one))
		}
	}
	var parts []string
	for _, state := range []pool.State{pool.StateBusy, pool.StateIdle, pool.StateStarting, pool.StateStopping, pool.StateBackoff, pool.StateBroken, pool.StateSpare} {
		if states[state] == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", states[state], state)
		if state == pool.StateBusy && longest >= time.Second {
			text += fmt.Sprintf(" (up to %s)", longest)
		}
		parts = append(parts, text)
	}
	if memory > 0 {
		parts = append(parts, byteSize(memory))
	}
	if restarts > 0 {
		parts = append(parts, numeral.Of(restarts, "restart"))
	}
	return numeral.Of(len(w.workers), "worker") + ": " + cmp.Or(strings.Join(parts, ", "), "none yet")
}

// clippedTo is plain text, cut off at so many columns.
func clippedTo(text string, columns int) string { return text[:max(0, min(len(text), columns))] }
