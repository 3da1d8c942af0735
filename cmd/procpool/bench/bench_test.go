package bench

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/echarts"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}

// short measures so little that the figures mean nothing.
func short(t *testing.T, only ...string) *Report {
	t.Helper()
	r, err := Run(t.Context(), Options{Workers: 2, Budget: 100 * time.Millisecond, Only: only})
	require.NoError(t, err)
	return r
}

func TestTheStagesSumUpToTheWholeTime(t *testing.T) {
	leaktest.Check(t)
	r := short(t, "roundtrip", "batch", "records")
	splits := 0
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			if row.Split == nil {
				continue
			}
			splits++
			sum := 0.0
			for _, stage := range Stages {
				d, ok := row.Split.Stages[stage]
				require.True(t, ok, stage)
				require.GreaterOrEqual(t, d, 0.0, stage)
				sum += d
			}
			require.Len(t, row.Split.Stages, len(Stages))
			require.Positive(t, row.Split.Total)
			require.InEpsilon(t, row.Split.Total, sum, 1e-6, "%s, %s", s.Name, row.Case)
		}
	}
	require.Equal(t, 1+len(batchSizes)+1, splits)
}

func TestTheStagesAreThoseOfThePool(t *testing.T) {
	timing := pool.Timing{EncodeArg: 1, Queued: 2, Write: 4, Pipe: 8, Waiting: 16, DecodeArg: 32, Run: 64, EncodeResult: 128, Held: 256, Return: 512, Pickup: 1024, DecodeResult: 2048}
	sum := 0.0
	for i, d := range stagesOf(&timing) {
		require.Equal(t, float64(int(1)<<i), d, Stages[i])
		sum += d
	}
	require.Equal(t, float64(timing.Total()), sum)
	require.Len(t, stageTexts, len(Stages))
}

func TestEverySectionMeasuresWhatItSays(t *testing.T) {
	leaktest.Check(t)
	r := short(t, "payload", "pays", "cpu", "skew", "start", "memory")
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			require.Empty(t, row.Error, "%s, %s", s.Name, row.Contender)
			require.Positive(t, row.Median, "%s, %s, %s", s.Name, row.Case, row.Contender)
			require.LessOrEqual(t, row.Low, row.Median)
			require.LessOrEqual(t, row.Median, row.High)
		}
	}
	require.NotNil(t, r.Pays)
	require.Len(t, r.Section("payload").Cases(), len(payloadSizes))
	require.NotEmpty(t, r.Findings)
}

func TestTheReportSurvivesJSON(t *testing.T) {
	r := short(t, "roundtrip", "pays")
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	var back Report
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&back))
	require.Equal(t, r, &back)
}

func TestTheCSVHasALineForEachRow(t *testing.T) {
	r := short(t, "roundtrip")
	var b bytes.Buffer
	require.NoError(t, r.WriteCSV(&b))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 1+len(r.Sections[0].Rows))
	require.Len(t, lines[0], 11+len(Stages))
	require.Equal(t, "roundtrip", lines[1][0])
	require.NotEmpty(t, lines[1][len(lines[1])-1], "procpool's row has a split")
}

// What would make a browser ask the network.
var loads = regexp.MustCompile(`(?i)<link|<img|<iframe|<script[^>]+src|@import|url\(|https?://`)

func TestThePageNeedsNothingFromTheNetwork(t *testing.T) {
	r := short(t, "roundtrip", "pays", "records")
	r.Machine.CPU = `</script><script>alert("http")</script>` // nothing that the system says is part of the page
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	page := b.String()
	require.Contains(t, page, "default-src 'none'", "the browser is told so too")
	require.Equal(t, 1, strings.Count(page, echarts.Script))
	require.Empty(t, loads.FindAllString(strings.Replace(page, echarts.Script, "", 1), -1))
	require.Equal(t, 3, strings.Count(page, "</script>"))
	require.NotContains(t, page, "<script>alert")
	require.NotContains(t, page, "ZgotmplZ", "the template has refused nothing")
	for _, s := range r.Sections {
		for _, c := range charts[s.Name] {
			require.Contains(t, page, `id="`+c.ID+`"`)
			require.Contains(t, pageJS, `"`+c.ID+`"`)
		}
	}
}

func TestEveryStageHasItsPlaceInThePage(t *testing.T) {
	for _, stage := range Stages {
		require.Contains(t, pageJS, `["`+stage+`", `)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for says, o := range map[string]Options{
		"workers 0":              {Budget: time.Second},
		"time 0s":                {Workers: 1},
		`there is no section "x`: {Workers: 1, Budget: time.Second, Only: []string{"pays", "xyz"}},
	} {
		_, err := Run(t.Context(), o)
		require.ErrorContains(t, err, says)
	}
}

func TestAnInterruptEndsTheMeasuring(t *testing.T) {
	leaktest.Check(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Workers: 1, Budget: time.Hour, Begin: func(string) { cancel() }}
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAContenderThatFailsCostsTheOthersNothing(t *testing.T) {
	broken := contender{name: "broken", run: func(context.Context, int) (time.Duration, error) { return 0, errors.New("as it should") }}
	works := contender{name: "works", run: func(_ context.Context, n int) (time.Duration, error) { return time.Duration(n) * time.Millisecond, nil }}
	rows, err := measure(t.Context(), &trial{contenders: []contender{broken, works}}, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, "as it should", rows[0].Error)
	require.Zero(t, rows[0].Median)
	require.Equal(t, float64(time.Millisecond), rows[1].Median)
	require.GreaterOrEqual(t, rows[1].Runs, fewestRounds)
}

func TestPythonDoesTheSameWork(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	leaktest.Check(t)
	p, err := startPython(t.Context(), path, t.TempDir(), 2)
	require.NoError(t, err)
	defer p.stop()
	require.NotEmpty(t, p.version)
	for _, pool := range []string{"pool", "executor"} {
		for work, args := range map[string]map[string]any{
			"roundtrip": nil, "echo": {"size": 1000}, "map": {"chunk": 0}, "records": nil,
		} {
			seconds, err := p.ask(t.Context(), pool, work, 3, args)
			require.NoError(t, err, work)
			require.Positive(t, seconds, work)
		}
	}
	seconds, err := p.ask(t.Context(), "pool", "skew", 1, map[string]any{"tasks": []float64{0.01, 0.001, 0.001}})
	require.NoError(t, err)
	require.Greater(t, seconds, 0.99)
	_, err = p.ask(t.Context(), "spawn", "start", 1, nil)
	require.NoError(t, err)
	bytes, err := p.memory(t.Context(), "fork")
	require.NoError(t, err)
	require.GreaterOrEqual(t, bytes, int64(0))
	_, err = p.ask(t.Context(), "pool", "nonsense", 1, nil)
	require.ErrorContains(t, err, "nonsense")
	_, err = p.ask(t.Context(), "pool", "roundtrip", 1, nil)
	require.NoError(t, err, "it goes on")
}

func TestAPythonThatIsNoneSaysSo(t *testing.T) {
	path, err := exec.LookPath("false")
	if err != nil {
		t.Skip("there is no false here")
	}
	leaktest.Check(t)
	_, err = startPython(t.Context(), path, t.TempDir(), 2)
	require.ErrorContains(t, err, "the interpreter has ended")
}

func lineUp(ours, others []float64) *Section {
	s := &Section{}
	for i := range ours {
		x := []float64{0, 100, 1000, 10_000}[i]
		name := string(rune('a' + i))
		s.Rows = append(s.Rows,
			Row{Case: name, X: x, Contender: procpool, Median: ours[i]},
			Row{Case: name, X: x, Contender: loop, Median: others[i]})
	}
	return s
}

func TestWhereProcessesBeginToPayIsFoundBetweenTwoCases(t *testing.T) {
	at := lineUp([]float64{90, 200, 900, 5000}, []float64{1, 100, 1000, 10_000}).crossing(loop, 1)
	require.Greater(t, at, 100.0)
	require.Less(t, at, 1000.0)
	require.Zero(t, lineUp([]float64{1, 1, 1, 1}, []float64{2, 2, 2, 2}).crossing(loop, 1))
	require.Equal(t, -1.0, lineUp([]float64{3, 3, 3, 3}, []float64{2, 2, 2, 2}).crossing(loop, 1))
	noisy := lineUp([]float64{90, 200, 500, 10_300}, []float64{1, 100, 1000, 10_000}).crossing(loop, 1)
	require.Less(t, noisy, 1000.0, "a last case that is wrong by a little changes nothing")
}

func TestGreedyGivesEachTaskToTheWorkerThatIsFreeFirst(t *testing.T) {
	require.Equal(t, time.Duration(10), greedy([]time.Duration{10, 1, 1, 1}, 2))
	require.Equal(t, time.Duration(12), greedy([]time.Duration{2, 1, 1, 10}, 2))
	require.Equal(t, time.Duration(7), greedy([]time.Duration{3, 4}, 1))
}

func TestFiguresAreReadable(t *testing.T) {
	require.Equal(t, "31.0 ns", Span(31))
	require.Equal(t, "1.50 µs", Span(1500))
	require.Equal(t, "12.3 ms", Span(12_345_678))
	require.Equal(t, "100 s", Span(1e11))
	require.Equal(t, "1.50 KiB", Size(1536))
	require.Equal(t, "8.00 M/s", Rate(125))
	require.Equal(t, "2.00 GB/s", Bandwidth(&Row{Bytes: 1000, Median: 1000}))
	require.Equal(t, []string{"quiet", "some noise", "noisy", "very noisy"}, []string{verdict(0), verdict(0.1), verdict(0.2), verdict(3)})
	require.Equal(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5))
	require.Zero(t, quantile(nil, 0.5))
}

func TestTheSharesOfTheSectionsSumUp(t *testing.T) {
	sum := 0.0
	for _, s := range sections {
		sum += s.share
		require.True(t, slices.Contains(Names(), s.name))
		require.NotEmpty(t, charts[s.name], s.name)
	}
	require.InDelta(t, 1, sum, 1e-9)
}
