package top

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool/monitor"
)

func TestNoSizeAndNoFigureBreaksALine(t *testing.T) {
	odd := sample()
	odd.Pool, odd.Program = strings.Repeat("長い名前", 50), strings.Repeat("/path", 100)
	odd.Workers = append(odd.Workers, monitor.Worker{Slot: 123456, PID: 1 << 30, State: strings.Repeat("x", 100), Func: "👩‍👩‍👧‍👦 é", TaskTime: -1, Since: 1e300, Tasks: 1 << 60, CPUShare: new(1e9), RSS: 1 << 62})
	odd.Functions[0].Run.P50 = 1e20
	odd.Failures[0].Error = strings.Repeat("wide 広い ", 100)
	odd.Totals.Completed = 1 << 60
	for _, s := range []monitor.Snapshot{sample(), odd, {Taken: taken}} {
		for _, width := range []int{1, 2, 9, 20, 39, 57, 80, 100, 133, 210} {
			for _, height := range []int{1, 2, 5, 8, 13, 24, 60} {
				v := seeing(t, width, height, s)
				v.screen() // checks the width and the number of lines
				v.press("k")
				v.screen()
				v.press("n", "tab", "enter")
				v.screen()
				v.press("esc", "?")
				v.screen()
			}
		}
	}
}

func TestTabGoesFromPanelToPanelAndSkipsEmptyOnes(t *testing.T) {
	v := seeing(t, 80, 24, sample())
	for _, title := range []string{"Failures", "Functions", "Slowest tasks", "Advice", "Workers"} {
		v.press("tab")
		v.sees("━ " + title)
	}
	v.press("shift+tab")
	v.sees("━ Advice")

	s := sample()
	s.Failures, s.Slowest, s.Advice = nil, nil, nil
	v = seeing(t, 80, 24, s)
	v.sees("─ Failures none")
	v.seesNot("Advice")
	v.press("tab")
	v.sees("━ Functions")
	v.press("tab")
	v.sees("━ Workers")
}

func TestTheFocusedPanelHasTheRoomOfASmallTerminal(t *testing.T) {
	v := seeing(t, 40, 10, sample())
	v.press("tab")
	golden(t, "40x10-failures", v.screen())
	v.press("tab")
	golden(t, "40x10-functions", v.screen())
}

func TestTheSelectedWorkerStaysSelectedWhereverItIsSorted(t *testing.T) {
	v := seeing(t, 120, 40, sample())
	v.press("down")
	v.sees("›    1    4721")
	v.press("s", "s", "s", "s") // PID, STATE, TASK, FOR
	v.sees("FOR▲")
	lines := strings.Split(v.screen(), "\n")
	require.Contains(t, lines[7], "spare", "the longest first")
	require.Contains(t, lines[8], "›    1   4721")
	v.press("r")
	v.sees("FOR▼")
	v.sees("›    1    4721")
	v.press("S")
	v.sees("TASK▲")
	v.press("s", "s", "s", "s", "s", "s", "s")
	v.sees("SLOT▲")
	v.press("S")
	v.sees("█work ▒wait ·idle▲")
}

func TestOnlyColumnsThatAreSeenAreSortedBy(t *testing.T) {
	v := seeing(t, 40, 10, sample())
	for _, name := range []string{"PID", "STATE", "TASK", "FOR", "SLOT"} {
		v.press("s")
		v.sees(name + "▲")
	}
}

func TestLongTablesScroll(t *testing.T) {
	s := sample()
	s.Workers = nil
	for i := range 100 {
		s.Workers = append(s.Workers, monitor.Worker{Slot: i, PID: 5000 + i, State: "idle", Index: -1})
	}
	v := seeing(t, 80, 24, s)
	v.sees("1 to 8 of 100")
	v.press("end")
	v.sees("93 to 100 of 100")
	v.sees("›   99")
	v.press("pgup")
	v.sees("›   91")
	v.press("home", "up")
	v.sees("›    0")
	v.sees("1 to 8 of 100")
	v.press("pgdown")
	v.sees("›    8")

	s.Workers = s.Workers[:3] // the pool was made smaller
	v.send(snapshotMsg{v.pool, News{Snapshot: s}})
	v.sees("›    2")
}

func TestNewFailuresLeaveTheSelectionWhereItIs(t *testing.T) {
	s := sample()
	v := seeing(t, 120, 40, s)
	v.press("tab", "down")
	v.sees("›  64.0s")
	s = sample()
	s.Failures = append([]monitor.Record{{Func: "scale", Index: 99999, Ended: taken, Kind: "exit", Error: "new"}}, s.Failures...)
	v.send(snapshotMsg{v.pool, News{Snapshot: s}})
	v.sees("›  64.0s")
	v.press("home")
	v.sees("›     0s  scale #99999")
}

func TestEnterShowsAllThatIsKnown(t *testing.T) {
	v := seeing(t, 100, 40, sample())
	v.press("enter")
	v.sees("Worker of slot 0")
	v.sees("working         10m40s   85%  in tasks")
	v.sees("scale #23740, 3 tasks, 1 failed")
	v.press("esc", "tab", "enter")
	v.sees("Failure of scale #23713")
	v.sees("signal: segmentation fault")
	v.sees("libjpeg: premature end of file")
	v.sees(`"photos/2026/IMG_0001.jpg"`)
	v.press("esc", "down", "down", "enter")
	v.sees("/src/measure.go:12")
	v.press("esc", "tab", "enter")
	v.sees("Function scale")
	v.sees("of 40 sampled tasks")
	v.press("q", "tab", "enter")
	v.sees("Slow task scale #812")
	v.press("esc", "tab", "enter")
	v.sees("see Failures")
	v.press("q")
	require.False(t, v.quit, "q has closed the text, not the program")
	v.press("q")
	require.True(t, v.quit)
}

func TestAKillIsConfirmedForTheWorkerThatWasShown(t *testing.T) {
	v := seeing(t, 100, 40, sample())
	v.press("down", "k")
	v.sees("Kill the worker of slot 1 (pid 4721)? It runs scale #23751, which fails then. y/n")
	v.press("x", "enter", "down", "space")
	v.sees("y/n")
	v.press("n")
	v.sees("The worker of slot 1 lives on.")
	require.Empty(t, v.pool.asked)

	v.press("k")
	s := sample()
	s.Workers[1].PID = 9999 // it has another process meanwhile: not the one that is meant
	v.send(snapshotMsg{v.pool, News{Snapshot: s}})
	v.press("y")
	require.Equal(t, []string{"kill 4721 in slot 1"}, v.pool.asked)
	v.sees("Killed pid 4721. Slot 1 gets another process.")

	v.pool.err = errors.New("slot 1 has process 9999 by now")
	v.press("k", "y")
	v.sees("The worker of slot 1 was not killed: slot 1 has process 9999 by now")
}

func TestWorkersThatCannotBeKilledAreNotAskedAbout(t *testing.T) {
	s := sample()
	v := seeing(t, 100, 40, s)
	v.press("end", "k")
	v.sees("A spare has no slot yet")
	v.press("up", "k")
	v.sees("There is no process in slot 5 now.")
	s.ReadOnly = true
	v.send(snapshotMsg{v.pool, News{Snapshot: s}})
	v.press("home", "k")
	v.sees("lets nobody kill its workers")
	require.Empty(t, v.pool.asked)
}

func TestGoroutinesAreATextThatScrolls(t *testing.T) {
	v := seeing(t, 80, 24, sample())
	v.press("down", "g")
	require.Equal(t, []string{"goroutines of slot 1"}, v.pool.asked)
	v.sees("Goroutines of slot 1")
	v.sees("/src/main.go:3")
	v.sees("lines 1 to 22 of 103")
	v.press("end")
	v.sees("lines 82 to 103 of 103")
	v.press("pgup", "up", "down", "space", "home")
	v.sees("lines 1 to 22 of 103")
	v.send(tea.WindowSizeMsg{Width: 10, Height: 24})
	v.screen()
	v.press("esc")
	v.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	v.sees("━ Workers")

	v.pool.err = errors.New("it does not answer")
	v.press("g")
	v.sees("The goroutines of slot 1: it does not answer")
}

func TestTheGoroutineOfTheTaskIsShownFirst(t *testing.T) {
	const (
		own   = "goroutine 1 [select]:\ngithub.com/procpool/procpool/internal/serve.(*Server).Run(0x1)"
		other = "goroutine 7 [chan receive]:\nexample.org/cache.sweep()"
		task  = "goroutine 9 [running]:\nmain.scale()\ngithub.com/procpool/procpool/internal/serve.(*Server).execLoop(0x1)"
	)
	require.Equal(t, task+"\n\n"+other+"\n\n"+own, taskFirst(own+"\n\n"+other+"\n\n"+task+"\n"))
	require.Equal(t, "no goroutines of Go", taskFirst("no goroutines of Go"))
}

func TestAProfileGoesToAFileThatIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	v := seeing(t, 120, 40, sample())
	v.press("p")
	require.Equal(t, []string{"profile of slot 0 for 5s"}, v.pool.asked)
	v.sees("go tool pprof procpool-thumbnails-slot0-pid4720-cpu.pprof")
	data, err := os.ReadFile("procpool-thumbnails-slot0-pid4720-cpu.pprof")
	require.NoError(t, err)
	require.Equal(t, "a profile", string(data))
	v.press("p")
	v.sees("procpool-thumbnails-slot0-pid4720-cpu-2.pprof")

	v.pool.err = errors.New("no profiles of this one")
	v.press("p")
	v.sees("The profile of slot 0: no profiles of this one")
}

func TestAProfileFindsAPlaceWhereTheDirectoryIsNotOurs(t *testing.T) {
	path, err := writeNew("/proc/self", "x", ".pprof", nil)
	require.Error(t, err, path)
	t.Setenv("TMPDIR", t.TempDir())
	t.Chdir("/proc/self")
	path, err = keepProfile([]byte("a profile"), "../ä", monitor.Worker{Slot: 1, PID: 2})
	require.NoError(t, err)
	require.Equal(t, os.TempDir()+"/procpool-____-slot1-pid2-cpu.pprof", path)
}

func TestAPausedPictureStandsStill(t *testing.T) {
	v := seeing(t, 80, 24, sample())
	v.press("space")
	v.sees("paused")
	s := sample()
	s.Totals.Completed = 77777
	v.send(snapshotMsg{v.pool, News{Snapshot: s}})
	v.sees("done 23749")
	v.press("space")
	v.sees("done 77777")
	v.sees("● live")
}

func TestTheLastPictureStaysWhenThePoolEnds(t *testing.T) {
	for why, text := range map[string]string{"the pool has ended": "The pool has ended. This is the last picture of it.", "the program died": "The program died. This is the last picture of it."} {
		v := seeing(t, 80, 24, sample())
		v.press("space")
		s := sample()
		s.Totals.Completed = 77777
		v.send(snapshotMsg{v.pool, News{Snapshot: s}})
		v.press("k")
		v.pool.gone = why
		close(v.pool.news)
		v.send(v.m.next(v.pool)())
		require.Equal(t, []string{"close"}, v.pool.asked)
		v.sees(text)
		v.sees("ended")
		v.sees("done 77777")
		v.sees("scale #23754")
		v.press("tab", "enter", "esc", "k", "g", "p", "space")
		v.sees(text)
		require.Len(t, v.pool.asked, 1, "nobody is there to be asked")
		v.press("q")
		require.True(t, v.quit)
	}
}

func TestAPoolThatEndsAtOnceIsToldOf(t *testing.T) {
	v := view(t, 80, 24)
	v.sees("connecting")
	v.press("k", "tab", "s", "enter") // of nothing
	v.pool.err = errors.New("connection refused")
	v.pool.gone = "the program died"
	v.send(v.m.connect()())
	v.sees("The program died. q quits.")
}

func TestABrokenConnectionIsMadeAgain(t *testing.T) {
	v := seeing(t, 80, 24, sample())
	v.pool.gone = ""
	close(v.pool.news)
	cmd := v.send(v.m.next(v.pool)())
	require.NotNil(t, cmd)
	v.sees("The connection broke: EOF. Trying again")
	v.sees("connecting")
	v.sees("scale #23754")
	v.pool.news = make(chan News, 1)
	v.pool.news <- News{Snapshot: sample()}
	connected := v.send(retryMsg{})()
	v.send(v.send(connected)())
	v.sees("● live")
	v.seesNot("broke")
}

func TestOfSeveralPoolsTheViewerChoosesOne(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	a, b, c := newFake(), newFake(), newFake()
	m := newModel(t.Context(), []Choice{
		{Pool: a, Name: "thumbnails", PID: 4711, Snapshot: sample()},
		{Pool: b, Name: "stopped", PID: 4712, Err: errors.New("context deadline exceeded")},
		{Pool: c, Name: "third", PID: 4713, Snapshot: sample()},
	})
	require.Nil(t, m.Init())
	v := &viewer{t: t, m: m}
	v.send(tea.WindowSizeMsg{Width: 80, Height: 10})
	golden(t, "80x10-choice", v.screen())
	v.press("down", "down", "down", "up", "down")
	v.sees("›  4713 third")
	cmd := v.send(press("enter"))
	require.IsType(t, connectedMsg{}, cmd())
	v.sees("third  pid 4713")
	require.Same(t, c, m.pool)
}

func TestHelpNamesEveryKeyOfTheFooter(t *testing.T) {
	v := seeing(t, 100, 60, sample())
	for _, h := range v.m.hints() {
		if h.key != "?" {
			require.Regexp(t, `(?m)^  (.*\b)?`+h.key+`\b`, helpText, h.key)
		}
	}
	v.press("?")
	v.sees("how the slot has spent its time")
	v.press("esc")
	v.sees("━ Workers")
	v.press("ctrl+c")
	require.True(t, v.quit)
}

func TestPlainSignsAreUsedWhereTheLocaleHasNoOthers(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	f := newFake()
	v := &viewer{t: t, pool: f, m: newModel(t.Context(), []Choice{{Pool: f}})}
	v.m.Init()
	v.send(tea.WindowSizeMsg{Width: 120, Height: 40})
	s := sample()
	s.Workers, s.Functions = s.Workers[:4], s.Functions[:1]
	s.Failures = s.Failures[:2]
	v.send(snapshotMsg{f, News{Snapshot: s}})
	for i, r := range v.screen() {
		require.Less(t, r, rune(128), "at %d", i)
	}
}

func TestStatesHaveColoursOfTheTerminal(t *testing.T) {
	v := seeing(t, 120, 40, sample())
	content := v.m.View().Content
	for state, code := range map[string]string{"starting": "36", "backoff": "33", "busy": "32"} {
		require.Regexp(t, `\x1b\[`+code+`m`+state, content)
	}
	require.NotRegexp(t, `\x1b\[([0-9;]*;)?(38|48|3[07]|4[07]|9[07]|10[07])[;m]`, content, "black, white and exact colours are not readable everywhere")
	require.Contains(t, content, "\x1b[7m", "the selected row is reversed, also without colours")
}

func TestPlainTextHasAllRows(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	golden(t, "plain", Plain(sample(), 100))
	golden(t, "list", List([]Choice{{Name: "thumbnails", PID: 4711, Snapshot: sample()}, {Name: "gone", PID: 5, Err: errors.New("no answer")}}, 100))
}

func TestTimesAreShort(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0s", 3e-9: "3.00ns", 0.0000021: "2.10µs", 0.00123: "1.23ms", 0.1: "100ms", 0.9996: "1.00s", 59.96: "60.0s", 99.4: "99.4s", 100: "1m40s", 3599.6: "1h00m", 86400: "24h00m",
		172800: "2d00h", -1: "?", 1e300: "106751d23h",
	} {
		require.Equal(t, want, shortTime(s), fmt.Sprint(s))
	}
}

func TestSizesAndCountsAreShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0B", 999: "999B", 1000: "0.98K", 1 << 20: "1.00M", 123 << 20: "123M", 1 << 62: "4096P"} {
		require.Equal(t, want, shortBytes(n))
	}
	for n, want := range map[int]string{0: "0", 99999: "99999", 100000: "0.10M", 12345678: "12.3M", 2e9: "2.00G"} {
		require.Equal(t, want, shortCount(n))
	}
}

func TestABarIsAsWideAsItIsToldToBe(t *testing.T) {
	for width := range 30 {
		for _, amounts := range [][]float64{{1, 1, 1}, {0, 0, 1}, {5, 0.001, 3}, {0, 0, 0}, {-1, 2, 1}} {
			var parts []part
			for _, a := range amounts {
				parts = append(parts, part{a, "x", styleGood})
			}
			require.Equal(t, width, ansi.StringWidth(bar(parts, width)), "%v", amounts)
		}
	}
}

func TestASparklineShowsTheLastValuesAndTellsNoneFromFew(t *testing.T) {
	require.Equal(t, "▁▂▅█", unicodeGlyphs.sparkline([]float64{9, 0, 0.001, 0.5, 1}, 4))
	require.Equal(t, "▁▁", unicodeGlyphs.sparkline([]float64{0, 0}, 4))
	require.Empty(t, unicodeGlyphs.sparkline(nil, 4))
}

func TestHistoryIsBounded(t *testing.T) {
	v := view(t, 80, 24)
	for i := range 2 * maxHistory {
		v.send(snapshotMsg{v.pool, News{Snapshot: monitor.Snapshot{Taken: taken.Add(time.Duration(i) * time.Second)}}})
	}
	require.Len(t, v.m.shown.history, maxHistory)
}
