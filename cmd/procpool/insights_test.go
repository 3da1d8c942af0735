package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/procpool/procpool/pool"
)

func TestInsightsAreShownInTables(t *testing.T) {
	began := time.Unix(1000, 0)
	text := insightsText(pool.Insights{
		Began: began, Taken: began.Add(time.Minute),
		Functions: []pool.FuncInsights{{
			Func: "parse\x1b", Tasks: 1_234_567, Failed: 3, Exec: 90 * time.Second, ArgBytes: 3 << 20, ResultBytes: 100,
			Run:     pool.Distribution{Count: 10, P50: 71 * time.Microsecond, P90: 2 * time.Millisecond, P99: 3 * time.Millisecond, Max: 5 * time.Second},
			Stages:  pool.Timing{Run: 75 * time.Microsecond, Pipe: 25 * time.Microsecond},
			Samples: 12,
		}, {Func: "other", Tasks: 1, Run: pool.Distribution{Count: 9, P50: 2 * time.Second, P90: 3 * time.Second, P99: 3 * time.Second, Max: 4 * time.Second}}},
		Workers: []pool.WorkerInsights{
			{Slot: 0, Processes: 2, Tasks: 7, Start: time.Second, Working: 3 * time.Second},
			{Slot: -1, Processes: 4, Start: 2 * time.Second},
		},
		Slowest: []pool.TaskRecord{{Func: "parse", Index: 41_000, Slot: 1, Timing: pool.Timing{Exec: 5 * time.Second}, Arg: `{"name": "x"}`}},
		Failures: slices.Repeat([]pool.TaskRecord{
			{Func: "parse", Index: -1, Slot: -1, Err: &pool.TaskError{Func: "parse", Index: -1, Slot: -1, Err: errors.New("it is \x1b[2J\nbroken")}},
		}, 12),
		Advice: []string{"do less", "do it elsewhere"},
	})
	for _, want := range []string{
		`│ parse\x1b │ 1,234,567 │      3 │    1m30s │   3.0 MiB │   100 B │`, "│           │ run          │   0s │ 71µs │ 2ms │ 3ms │  5s │",
		"│           │ run          │   0s │   2s │   - │   - │  4s │", // of so few
		"┘\n\n┌", // between tables
		"│ 0      │      2 │     7 │      0 │    1s │   0s │      3s │", "│ spares │      4 │",
		`│ a task of parse\x1b `, "│ run              │  75µs │  75 % │", "│ mean of 12 tasks │ 100µs │       │",
		`│ parse    │ #41,000 │      1 │      5s │ {"name": "x"} │`,
		`│ parse      │ call │   none │      0s │          │ it is \x1b[2J │`, "│ and 2 more ",
		"advice:\n- do less\n- do it elsewhere\n",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "┘\n┌")
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "a task of other", "none was sampled")
	assert.NotContains(t, text, "broken")
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len([]rune(line)), 101, line)
	}
}

func TestInsightsOfAPoolThatHasDoneNothing(t *testing.T) {
	text := insightsText(pool.Insights{Workers: []pool.WorkerInsights{{}}})
	assert.Contains(t, text, "no task has come to its end")
	assert.NotContains(t, text, "slowest")
	assert.NotContains(t, text, "failures")
	assert.NotContains(t, text, "advice")
}
