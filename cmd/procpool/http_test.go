package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool/pooltest"
)

// watched is a run that goes on until its input ends, and the link to its page.
type watched struct {
	link  string
	input *io.PipeWriter
	code  chan int
}

func startWatched(t *testing.T, args ...string) *watched {
	t.Helper()
	stdin, input := io.Pipe()
	stderr, complaints := io.Pipe()
	w := &watched{input: input, code: make(chan int, 1)}
	go func() {
		w.code <- run(t.Context(), append([]string{"run", "echo", "-", "--quiet"}, args...), stdin, io.Discard, complaints)
		_ = complaints.Close()
	}()
	lines := bufio.NewScanner(stderr)
	require.True(t, lines.Scan(), "nothing was told")
	_, w.link, _ = strings.Cut(lines.Text(), "watch this run at ")
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return w
}

// end ends the input, and waits for the run.
func (w *watched) end(t *testing.T) {
	t.Helper()
	_ = w.input.Close()
	select {
	case code := <-w.code:
		require.Equal(t, exitOK, code)
	case <-time.After(time.Minute):
		t.Fatal("the run does not end")
	}
}

// fetch gets a page without following redirects.
func fetch(t *testing.T, url string, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header, string(data)
}

func TestARunIsWatchedUntilItsEnd(t *testing.T) {
	leaktest.Check(t)
	w := startWatched(t, "--http", "0")
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/$`, w.link)
	status, _, page := fetch(t, w.link)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "<title>procpool</title>")

	_, err := io.WriteString(w.input, strings.Repeat("line\n", 1000))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, _, body := fetch(t, w.link+"metrics")
		return strings.Contains(body, `procpool_tasks_total{pool="echo",result="completed"} 1000`)
	}, 30*time.Second, 20*time.Millisecond)
	status, _, body := fetch(t, w.link+"workers/0/kill?pid=1")
	require.Equal(t, http.StatusMethodNotAllowed, status, body)

	events := make(chan string, 1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.link+"events", nil)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) //nolint:bodyclose // below, by who reads it
	require.NoError(t, err)
	go func() {
		defer answer.Body.Close()
		all, _ := io.ReadAll(answer.Body)
		events <- string(all)
	}()
	w.end(t)
	all := <-events
	require.Contains(t, all, `"ended":true`)
	require.True(t, strings.HasSuffix(all, "event: end\ndata: {}\n\n"), "the page is told that the run has ended")
	_, err = net.DialTimeout("tcp", strings.TrimSuffix(strings.TrimPrefix(w.link, "http://"), "/"), time.Second)
	require.Error(t, err, "nothing is served after the run")
}

func TestWhoKnowsTheTokenGetsIn(t *testing.T) {
	leaktest.Check(t)
	w := startWatched(t, "--http", "0", "--http-token", "0123456789-secret")
	defer w.end(t)
	link, _, _ := strings.Cut(w.link, " ")
	for _, headers := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Basic 0123456789-secret"}, {"Cookie", "procpool_1=x"}} {
		status, header, body := fetch(t, link+"snapshot", headers...)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
		require.Contains(t, body, `{"error":"this run asks for its token`)
		require.NotContains(t, body, "secret")
	}
	status, _, _ := fetch(t, link+"?token=wrong")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _, _ = fetch(t, link+"snapshot", "Authorization", "Bearer 0123456789-secret")
	require.Equal(t, http.StatusOK, status)

	status, header, _ := fetch(t, link+"workers/0/profile?kind=heap&token=0123456789-secret")
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/workers/0/profile?kind=heap", header.Get("Location"), "the token is in no link any more")
	cookie := header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Lax")
	require.NotContains(t, cookie, "secret")
	session, _, _ := strings.Cut(cookie, ";")
	status, _, _ = fetch(t, link+"snapshot", "Cookie", session)
	require.Equal(t, http.StatusOK, status)
}

func TestTheTokenComesFromTheEnvironmentToo(t *testing.T) {
	t.Setenv(tokenVar, "from the environment")
	p := pooltest.New(t)
	h, link := (&httpPart{}).handler(p, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})
	require.NotContains(t, link, "environment")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/snapshot", nil))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.NoError(t, os.Unsetenv(tokenVar))
}

func TestARedirectStaysOnTheSite(t *testing.T) {
	g := newTokenGate("0123456789-secret", 80, http.NotFoundHandler())
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/?token=0123456789-secret", nil)
	r.URL.Path = "//evil.example/"
	g.ServeHTTP(w, r)
	require.Equal(t, "/evil.example/", w.Header().Get("Location"))
}

func TestAnAddressWithoutAHostIsOfThisMachine(t *testing.T) {
	for text, want := range map[string]string{
		"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", ":0": "127.0.0.1:0", "localhost:1": "localhost:1", "0.0.0.0:1": "0.0.0.0:1", "[::1]:1": "[::1]:1",
	} {
		got, err := listenAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "x", ":x", "1:2:3", ":70000", ":-1", "host:"} {
		_, err := listenAddress(text)
		require.Error(t, err, text)
	}
}
