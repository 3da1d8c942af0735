package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	floor.Main()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else workers under the race detector take a second to end
	leaktest.Main(m)
}

func TestARowIsMeasuredAndReported(t *testing.T) {
	t.Chdir("../..")
	var out, progress bytes.Buffer
	require.Equal(t, exitOK, run([]string{"-quick", "-json", "-run", "^call$"}, &out, &progress), progress.String())
	var got struct {
		Machine  machine
		Findings []struct {
			Row, Met string
			Figure   quantity
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.NotEmpty(t, got.Machine.CPU)
	require.Len(t, got.Findings, 1)
	require.Equal(t, "call", got.Findings[0].Row)
	require.Positive(t, got.Findings[0].Figure.Median)
	require.NotEmpty(t, got.Findings[0].Met)
}

func TestARowSaysThatThereIsNoPython(t *testing.T) {
	t.Chdir("../..")
	t.Setenv("PATH", t.TempDir())
	var out, progress bytes.Buffer
	require.Equal(t, exitOK, run([]string{"-quick", "-run", "^futures$"}, &out, &progress), progress.String())
	require.Contains(t, out.String(), errNoPython.Error())
}

func TestMistakesInTheCommandLineAreUsage(t *testing.T) {
	for _, args := range [][]string{{"-run", "("}, {"call"}, {"-nosuch"}} {
		var out, progress bytes.Buffer
		require.Equal(t, exitUsage, run(args, &out, &progress))
		require.Empty(t, out.String())
		require.NotEmpty(t, progress.String())
	}
}

func TestGreedyGivesEachTaskToTheWorkerThatIsFreeFirst(t *testing.T) {
	for _, c := range []struct {
		took []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{5}, 5},
		{[]time.Duration{5, 1, 1, 1}, 5},
		{[]time.Duration{1, 1, 1, 5}, 6}, // 1+1, 1+5
		{[]time.Duration{2, 3, 4, 1}, 6}, // 2+4, 3+1
	} {
		require.Equal(t, c.want, greedy(c.took), "%v", c.took)
	}
}

func TestATargetIsWrittenWithoutZerosThatSayNothing(t *testing.T) {
	for want, target := range map[string]*target{
		"≥ 50 ×":    atLeast(50, times),
		"≤ 1.5 ×":   atMost(1.5, times),
		"≥ 0.85 ×":  atLeast(0.85, times),
		"≥ 4 M/s":   atLeast(4e6, perSecond),
		"≤ 16 MiB":  atMost(16<<20, inBytes),
		"≤ 1.5 MiB": atMost(1.5*(1<<20), inBytes),
		"≤ 5 ms":    atMost(5e-3, inSeconds),
	} {
		require.Equal(t, want, target.String())
	}
}

func TestAFindingIsJudgedByItsMedianAndDoubtedByItsInterval(t *testing.T) {
	for want, values := range map[string][]float64{
		"yes":          {6, 7, 8},
		"no":           {2, 3, 4},
		"yes, unclear": {2, 6, 8},
		"no, unclear":  {2, 3, 8},
	} {
		require.Equal(t, want, absolute(summarize(values, times), atLeast(5, times)).Met, "%v", values)
	}
}

func TestTheMedianOfSevenHasAnInterval(t *testing.T) {
	q := summarize([]float64{7, 1, 2, 6, 3, 5, 4}, times)
	require.Equal(t, &quantity{Median: 4, Low: 1, High: 7, Rounds: 7, Unit: times}, q)
}

func TestLoadsHaveTheTasksThatTheyAreNamedAfter(t *testing.T) {
	for _, l := range loads()[1:] {
		require.Len(t, l.takes, tinyTasks+1)
	}
	require.Equal(t, longTakes, loads()[1].takes[0])
	require.Equal(t, longTakes, loads()[2].takes[tinyTasks/2])
	require.Equal(t, longTakes, loads()[3].takes[tinyTasks])
	require.Equal(t, loads()[0].takes, heavyTailed(), "the same ones each time")
}
