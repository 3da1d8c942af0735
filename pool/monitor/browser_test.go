package monitor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// shotsVar names a directory into which the browser's tests write pictures of what they see, for whoever changes the page.
const shotsVar = "PROCPOOL_SHOTS"

// browser is a headless Chromium with one tab.
type browser struct {
	ctx context.Context

	mu         sync.Mutex
	complaints []string // errors of the console, exceptions, what the policy of the page has blocked
	requests   []string
}

// startBrowser starts Chromium, or skips the test where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := chromium()
	if program == "" {
		t.Skip("no Chromium here, so the page is not tested: install Debian's package chromium")
	}
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // waits until it has ended
	b := &browser{ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	ask(t, b, log.Enable, cdp.Empty{})
	ask(t, b, runtime.Enable, cdp.Empty{})
	ask(t, b, network.Enable, network.EnableParams{})
	return b
}

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// hear is called for each event, and must not wait.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type != "log" && e.Type != "debug" && e.Type != "info" {
			b.complaints = append(b.complaints, fmt.Sprint("console ", e.Type))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// ask sends a command of the protocol.
func ask[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) R {
	t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	require.NoError(t, err)
	return result
}

func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	result, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return result
}

// open goes to a page and waits until it is live.
func (b *browser) open(t *testing.T, url string) {
	t.Helper()
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Navigate(url)))
	b.await(t, `document.getElementById("link").textContent === "live"`)
}

// screen sets the size of the screen and the scheme of its colours.
func (b *browser) screen(t *testing.T, width, height int64, scheme string) {
	t.Helper()
	ask(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	ask(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// await waits until an expression in the page is true.
func (b *browser) await(t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		t.Fatalf("%s never became true: %v\n%v\n%s", expression, err, b.complaints, b.text(t, "main"))
	}
}

// text is what somebody reads at a place.
func (b *browser) text(t *testing.T, selector string) string {
	t.Helper()
	return eval[string](t, b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

func (b *browser) isQuiet(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.complaints)
}

// shoot writes a picture of the whole page, if anybody wants one.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(shotsVar)
	if dir == "" {
		return
	}
	beyond := true
	size := eval[[]float64](t, b, `[document.documentElement.clientWidth, document.documentElement.scrollHeight]`)
	picture := ask(t, b, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: size[0], Height: size[1], Scale: 1}})
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture.Data, 0o644))
}

// serve serves until the test ends, event streams included.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	ctx, cut := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(h)
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(cut)
	return server
}

// serveFake serves a pool that can do everything.
func serveFake(t *testing.T, opts ...Option) (*fake, string) {
	t.Helper()
	f := newFake()
	return f, serve(t, newHandler(f, opts...)).URL + "/"
}

func TestThePageShowsAPoolLive(t *testing.T) {
	b := startBrowser(t)
	f, url := serveFake(t)
	b.screen(t, 1440, 1000, "light")
	b.open(t, url)
	about := b.text(t, "#about")
	b.await(t, fmt.Sprintf("document.getElementById('about').innerText !== %q", about))
	b.await(t, `document.querySelectorAll("#throughput canvas").length > 0 && document.querySelectorAll("#latency canvas").length > 0`)
	b.await(t, `document.querySelectorAll("#workers tr").length === 5`)
	b.await(t, `document.querySelectorAll("#card-throughput polyline").length > 0`)
	b.await(t, `document.querySelectorAll("#timeline rect").length > 50`)
	require.Contains(t, b.text(t, "#failures"), "worker died")

	stages := b.text(t, "#stages")
	require.Contains(t, stages, "mean of 100 sampled tasks: ")
	require.Contains(t, stages, "mean of all: ", "none of the second function was sampled")
	require.Contains(t, b.text(t, "#stages-key"), "until the caller took it")

	eval[bool](t, b, `document.querySelector("#failures summary").click(), true`)
	require.Contains(t, b.text(t, "#failures details[open] pre"), "goroutine 1 [running]")
	about = b.text(t, "#about")
	b.await(t, fmt.Sprintf("document.getElementById('about').innerText !== %q", about))
	b.await(t, `document.querySelector("#failures details[open]")`) // what was opened stays open

	f.end()
	b.await(t, `document.getElementById("link").textContent === "ended"`)
	require.Contains(t, b.text(t, "#banner"), "The pool has ended")
	require.Contains(t, b.text(t, "#card-workers"), "none of 4")
	require.Equal(t, 4, eval[int](t, b, `document.querySelectorAll("#workers td.ended").length`), "those that there were are shown still")
	require.Equal(t, 0, eval[int](t, b, `document.querySelectorAll("#timeline .running, #workers a").length`), "none runs, and none can be asked")
	b.isQuiet(t)
}

func TestThePageSaysThatTheConnectionIsGoneAndComesBack(t *testing.T) {
	b := startBrowser(t)
	var down atomic.Bool
	inner := newHandler(newFake())
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	b.open(t, server.URL)

	down.Store(true)
	server.CloseClientConnections()
	b.await(t, `document.getElementById("link").textContent === "disconnected"`)
	require.Contains(t, b.text(t, "#banner"), "no connection")
	down.Store(false)
	b.await(t, `document.getElementById("link").textContent === "live" && document.getElementById("banner").hidden`)
}

func TestWhatThePoolSaysIsTextInThePage(t *testing.T) {
	b := startBrowser(t)
	_, url := serveFake(t)
	b.open(t, url)
	b.await(t, `document.querySelectorAll("#failures details").length === 5`)
	eval[bool](t, b, `document.querySelectorAll("details").forEach((d) => d.open = true), true`)
	for _, place := range []string{"#name", "#advice", "#stages", "#workers", "#failures", "#slowest", "#timeline-key"} {
		require.Contains(t, b.text(t, place), hostile, place)
	}
	require.False(t, eval[bool](t, b, `!!window.hurt || document.querySelectorAll("main img, main script").length > 0`))
	b.isQuiet(t)
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	b := startBrowser(t)
	_, url := serveFake(t)
	b.open(t, url)
	b.await(t, `document.querySelectorAll("#throughput canvas").length > 0`)
	b.mu.Lock()
	defer b.mu.Unlock()
	require.GreaterOrEqual(t, len(b.requests), 6)
	for _, request := range b.requests {
		require.True(t, strings.HasPrefix(request, url) || strings.HasPrefix(request, "data:"), request)
	}
}

func TestThePageWorksBelowAPrefix(t *testing.T) {
	b := startBrowser(t)
	mux := http.NewServeMux()
	mux.Handle("/debug/pool/", http.StripPrefix("/debug/pool", newHandler(newFake())))
	server := serve(t, mux)
	b.open(t, server.URL+"/debug/pool")
	require.Equal(t, server.URL+"/debug/pool/workers/0/goroutines", eval[string](t, b, `document.querySelector("#workers a").href`))
	b.isQuiet(t)
}

func TestAWorkerIsKilledThroughThePageWhereThatIsAllowed(t *testing.T) {
	b := startBrowser(t)
	f, url := serveFake(t, AllowKill())
	b.open(t, url)
	eval[bool](t, b, `window.confirm = (text) => { window.asked = text; return true; }, document.querySelector("#workers button").click(), true`)
	b.await(t, `document.getElementById("said").innerText !== ""`)
	require.Equal(t, "Process 4711 of slot 0 was killed.", b.text(t, "#said"))
	require.Contains(t, eval[string](t, b, "window.asked"), "4711")
	require.Equal(t, []int{4711}, f.killed)

	_, url = serveFake(t)
	b.open(t, url)
	require.Equal(t, 0, eval[int](t, b, `document.querySelectorAll("#workers button").length`))
}

func TestThePageFitsAnyScreenInLightAndDark(t *testing.T) {
	b := startBrowser(t)
	_, url := serveFake(t, AllowKill())
	backs := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 390, 768, 1024, 1200, 1440} {
			b.screen(t, width, 900, scheme)
			b.open(t, url)
			b.await(t, `document.querySelectorAll("#throughput canvas, #failures details").length > 5`)
			if os.Getenv(shotsVar) != "" {
				time.Sleep(5 * time.Second) // for the curves
			}
			b.shoot(t, fmt.Sprintf("fake-%s-%d", scheme, width))
			require.LessOrEqual(t, eval[int](t, b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`), 0, "%d pixels wide", width)
			if width != 768 {
				require.LessOrEqual(t, eval[int](t, b, `document.querySelector(".scroll").scrollWidth - document.querySelector(".scroll").clientWidth`), 0, "the workers, %d pixels wide", width)
			}
		}
		backs[scheme] = eval[string](t, b, `getComputedStyle(document.body).backgroundColor`)
	}
	require.NotEqual(t, backs["light"], backs["dark"])
	b.isQuiet(t)
}

func TestALonelySecondIsADotAndLabelsHaveRoom(t *testing.T) {
	b := startBrowser(t)
	f, url := serveFake(t)
	t.Cleanup(f.end) // and with it whoever looks at it
	b.open(t, url)
	b.await(t, `document.querySelectorAll("#latency canvas").length > 0`)
	got := eval[[]string](t, b, `(() => {
		charts.time("latency", [{ name: "a", colour: "p50", values: [[1000, null], [2000, 5], [3000, null], [4000, 2], [5000, 2], [64000, null], [65000, 7]] }], String, true);
		const shown = echarts.getInstanceByDom(document.getElementById("latency")).getOption();
		return [shown.series[0].data.map((d) => d.symbol).join(" "), shown.xAxis[0].axisLabel.customValues.every((t, i, all) => t % 5000 === 0 && (!i || t - all[i - 1] >= 10000))].map(String);
	})()`)
	require.Equal(t, []string{"none circle none none none none circle", "true"}, got)
	b.isQuiet(t)
}
