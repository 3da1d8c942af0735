package top

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool/monitor"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	leaktest.Main(m)
}

var taken = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func before(seconds float64) time.Time {
	return taken.Add(-time.Duration(seconds * float64(time.Second)))
}

// sample is a pool with something in every corner.
func sample() monitor.Snapshot {
	times := func(work, wait, idle float64) monitor.WorkerTime {
		return monitor.WorkerTime{Start: 0.03, Init: 0.2, Working: work, Waiting: wait, Idle: idle, Exit: 0.01}
	}
	return monitor.Snapshot{
		Pool: "thumbnails", Program: "/usr/local/bin/gallery", PID: 4711, Began: before(754), Taken: taken,
		Queue:   monitor.Queue{Queued: 18234, Running: 6, Workers: 6, Busy: 4, Spares: 1},
		Totals:  monitor.Totals{Submitted: 42000, Completed: 23749, Failed: 11, Retried: 2, Restarts: 5, TimedOut: 1},
		Rates:   monitor.Rates{Completed: 31.4, Failed: 0.1, Sent: 1.2e6, Received: 310e3},
		Latency: monitor.Spread{Count: 23749, Mean: 0.12, P50: 0.0841, P90: 0.26, P99: 1.24, Max: 31.2},
		Workers: []monitor.Worker{
			{Slot: 0, PID: 4720, State: "busy", Func: "scale", Index: 23754, TaskTime: 0.0123, Tasks: 5012, CPU: 611, CPUShare: new(0.97), RSS: 61 << 20, Time: times(640, 20, 90), Spans: []monitor.Span{
				{Func: "scale", Index: 23700, Tasks: 4, Began: before(2), Ended: before(1.5)},
				{Func: "scale", Index: 23740, Tasks: 3, Failed: 1, Began: before(1), Ended: before(0.25)},
			}},
			{Slot: 1, PID: 4721, State: "busy", Func: "scale", Index: 23751, TaskTime: 12.7, Since: 12.7, Tasks: 4480, CPU: 640, CPUShare: new(1.01), RSS: 412 << 20, Time: times(700, 10, 40)},
			{Slot: 2, PID: 9932, State: "starting", Index: -1, Since: 0.04, Restarts: 4, Time: times(300, 30, 80)},
			{Slot: 3, PID: 4723, State: "idle", Index: -1, Since: 3.5, Tasks: 4999, CPU: 590, CPUShare: new(0.02), RSS: 58 << 20, Time: times(200, 0, 550)},
			{Slot: 4, PID: 4724, State: "busy", Func: "寸法を測る画像", Index: -1, TaskTime: 0.31, Since: 0.31, Tasks: 88, CPU: 12, CPUShare: new(0.4), RSS: 23 << 20, Time: times(100, 300, 350)},
			{Slot: 5, State: "backoff", Index: -1, Since: 1.8, Restarts: 1, Time: times(10, 0, 0)},
			{Slot: -1, PID: 4730, State: "spare", Index: -1, Since: 700, RSS: 9 << 20},
		},
		Functions: []monitor.Function{
			{Func: "scale", Tasks: 23660, Failed: 10, Exec: 2311, Run: monitor.Spread{P50: 0.081, P90: 0.2, P99: 0.9, Max: 31, Mean: 0.1}, Queue: monitor.Spread{P50: 0.002}, Transfer: monitor.Spread{P50: 0.00004}, Samples: 40, Stages: map[string]float64{"Encode": 2e-6, "Exec": 0.08}, ArgBytes: 12 << 20, ResBytes: 300 << 20},
			{Func: "寸法を測る画像", Tasks: 100, Failed: 1, Exec: 31, Run: monitor.Spread{P50: 0.3, P90: 0.3, P99: 0.4, Max: 0.5}},
		},
		Failures: []monitor.Record{
			{Func: "scale", Index: 23713, Slot: 2, PID: 4722, Attempt: 1, Ended: before(0.3), Exec: 0.8, Total: 0.9, Kind: "exit", Error: "signal: segmentation fault (core dumped)", Arg: `"photos/2026/IMG_0001.jpg"`, Stderr: "libjpeg: premature end of file\nFatal signal 11\n"},
			{Func: "scale", Index: 20001, Slot: 0, PID: 4720, Attempt: 1, Ended: before(64), Exec: 0.01, Kind: "returned", Error: "open photos/2026/IMG_0815.jpg: permission denied"},
			{Func: "寸法を測る画像", Index: -1, Slot: 4, PID: 4724, Attempt: 2, Ended: before(301), Exec: 30, Kind: "timeout", Error: "over its limit of 30s", Stack: "goroutine 7 [running]:\nmain.measure(0x1)\n\t/src/measure.go:12 +0x1f\n"},
			{Func: "scale", Index: 17, Slot: 1, PID: 4721, Attempt: 1, Ended: before(700), Exec: 0.2, Kind: "panic", Error: "runtime error: index out of range [3] with length 3"},
		},
		Slowest: []monitor.Record{
			{Func: "scale", Index: 812, Slot: 1, PID: 4721, Attempt: 1, Ended: before(500), Exec: 31, Total: 31.2, Arg: `"photos/panorama.tif"`},
			{Func: "scale", Index: 400, Slot: 0, PID: 4720, Attempt: 1, Ended: before(600), Exec: 9.1, Total: 9.2, Arg: `"photos/2025/IMG_4000.jpg"`},
		},
		Advice: []string{"Workers of slot 4 wait 40 % of the time for arguments: 92 % of it is spent in the pipe. Share what is large and the same for many tasks (pool.Share).", "Slot 2 was restarted 4 times: see Failures."},
	}
}

// fake is a pool that tells what it was asked.
type fake struct {
	asked  []string
	news   chan News // closed when it has ended
	gone   string
	err    error
	panics bool
}

func newFake() *fake { return &fake{news: make(chan News, 10), gone: "the pool has ended"} }

func (f *fake) Watch(context.Context) (Stream, error) { return f, f.err }
func (f *fake) WhyGone(context.Context) string        { return f.gone }
func (f *fake) Close()                                { f.asked = append(f.asked, "close") }

func (f *fake) Next() (News, error) {
	if f.panics {
		panic("a bug")
	}
	n, ok := <-f.news
	if !ok {
		return n, errors.New("EOF")
	}
	return n, nil
}

func (f *fake) Goroutines(_ context.Context, slot int) (string, error) {
	f.asked = append(f.asked, "goroutines of slot "+strconv.Itoa(slot))
	return "goroutine 1 [running]:\nmain.main()\n    /src/main.go:3\n" + strings.Repeat("goroutine 2 [select]:\n", 100), f.err
}

func (f *fake) Profile(_ context.Context, slot int, d time.Duration) ([]byte, error) {
	f.asked = append(f.asked, "profile of slot "+strconv.Itoa(slot)+" for "+d.String())
	return []byte("a profile"), f.err
}

func (f *fake) Kill(_ context.Context, slot, pid int) error {
	f.asked = append(f.asked, "kill "+strconv.Itoa(pid)+" in slot "+strconv.Itoa(slot))
	return f.err
}

// viewer plays the terminal and its user.
type viewer struct {
	t    *testing.T
	m    *model
	pool *fake
	quit bool
}

// view is a viewer of a fake pool, whose locale knows all signs.
func view(t *testing.T, width, height int) *viewer {
	t.Helper()
	t.Setenv("LC_ALL", "C.UTF-8")
	f := newFake()
	v := &viewer{t: t, pool: f, m: newModel(t.Context(), []Choice{{Pool: f, PID: 4711}})}
	v.m.Init()
	v.send(tea.WindowSizeMsg{Width: width, Height: height})
	return v
}

// seeing is view with a snapshot.
func seeing(t *testing.T, width, height int, s monitor.Snapshot) *viewer {
	t.Helper()
	v := view(t, width, height)
	v.send(snapshotMsg{v.pool, News{Snapshot: s, Past: []float64{0, 3, 9, 14, 22, 28, 30, 31, 12, 29}}})
	return v
}

func (v *viewer) send(msg tea.Msg) tea.Cmd {
	_, cmd := v.m.Update(msg)
	return cmd
}

// press types keys, and does what they ask for.
func (v *viewer) press(keys ...string) {
	v.t.Helper()
	for _, name := range keys {
		cmd := v.send(press(name))
		if cmd == nil {
			continue
		}
		switch msg := cmd().(type) {
		case tea.QuitMsg:
			v.quit = true
		default:
			v.send(msg)
		}
	}
}

var special = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "esc": {Code: tea.KeyEscape},
	"space": {Code: tea.KeySpace, Text: " "}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
}

func press(name string) tea.KeyPressMsg {
	if key, ok := special[name]; ok {
		return tea.KeyPressMsg(key)
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// screen is what is seen, without colours. Every line has the terminal's width.
func (v *viewer) screen() string {
	v.t.Helper()
	lines := strings.Split(v.m.View().Content, "\n")
	require.Len(v.t, lines, v.m.height)
	for i, line := range lines {
		require.Equal(v.t, v.m.width, ansi.StringWidth(line), "line %d: %q", i, line)
		lines[i] = strings.TrimRight(ansi.Strip(line), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// sees looks for a text, whatever its blanks.
func (v *viewer) sees(text string) {
	v.t.Helper()
	require.Contains(v.t, blanks.ReplaceAllString(v.screen(), " "), blanks.ReplaceAllString(text, " "))
}

func (v *viewer) seesNot(text string) {
	v.t.Helper()
	require.NotContains(v.t, blanks.ReplaceAllString(v.screen(), " "), text)
}

var blanks = regexp.MustCompile(` +`)

// golden compares a screen with the one that somebody has looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./cmd/procpool/top -update writes it")
	require.Equal(t, string(want), got)
}

func TestThePictureFitsTerminalsOfAllSizes(t *testing.T) {
	for _, size := range [][2]int{{40, 10}, {80, 24}, {120, 40}, {200, 50}} {
		name := strconv.Itoa(size[0]) + "x" + strconv.Itoa(size[1])
		t.Run(name, func(t *testing.T) {
			golden(t, name, seeing(t, size[0], size[1], sample()).screen())
		})
	}
}
