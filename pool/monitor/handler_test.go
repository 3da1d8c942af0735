package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// send makes a request of "METHOD PATH" to h, as if by a connection to where.
func send(t *testing.T, url, request string, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header, string(data)
}

func TestEachRequestHasItsAnswer(t *testing.T) {
	_, readOnly := serveFake(t)
	_, open := serveFake(t, AllowKill())
	readOnly, open = strings.TrimSuffix(readOnly, "/"), strings.TrimSuffix(open, "/")
	for _, test := range []struct {
		url, request string
		headers      []string
		status       int
		says         string
	}{
		{readOnly, "GET /", nil, 200, "<title>procpool</title>"},
		{readOnly, "HEAD /", nil, 200, ""},
		{readOnly, "GET /page.css", nil, 200, "prefers-color-scheme"},
		{readOnly, "GET /page.js", nil, 200, "EventSource"},
		{readOnly, "GET /charts.js", nil, 200, "svg"},
		{readOnly, "GET /echarts.js", nil, 200, "echarts"},
		{readOnly, "GET /snapshot", nil, 200, `"read_only": true`},
		{open, "GET /snapshot", nil, 200, `"read_only": false`},
		{readOnly, "GET /metrics", nil, 200, "procpool_tasks_total"},
		{readOnly, "GET /favicon.ico", nil, 404, "there is no"},
		{readOnly, "GET /page/page.html", nil, 404, "there is no"},
		{readOnly, "POST /", nil, 405, "GET, HEAD"},
		{readOnly, "POST /snapshot", nil, 405, "GET, HEAD"},
		{readOnly, "DELETE /events", nil, 405, "GET"},
		{readOnly, "GET /events", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{readOnly, "GET /workers/1/goroutines", nil, 200, "goroutines of 1"},
		{readOnly, "GET /workers/9/goroutines", nil, 404, "slot 9 has no process"},
		{readOnly, "GET /workers/-1/goroutines", nil, 400, "not the number of a slot"},
		{readOnly, "GET /workers/x/goroutines", nil, 400, "not the number of a slot"},
		{readOnly, "POST /workers/1/goroutines", nil, 405, "GET"},
		{readOnly, "GET /workers/1/profile", nil, 200, "profile of 1 cpu 5s"},
		{readOnly, "GET /workers/1/profile?kind=cpu&seconds=0.5", nil, 200, "profile of 1 cpu 500ms"},
		{readOnly, "GET /workers/1/profile?kind=heap", nil, 200, "profile of 1 heap 0s"},
		{readOnly, "GET /workers/1/profile?kind=trace", nil, 400, "kind=trace: want one of [cpu heap"},
		{readOnly, "GET /workers/1/profile?seconds=61", nil, 400, "at most 60"},
		{readOnly, "GET /workers/1/profile?seconds=NaN", nil, 400, "more than 0"},
		{readOnly, "GET /workers/1/profile?seconds=1e-12", nil, 400, "more than 0"},
		{readOnly, "GET /workers/1/profile?seconds=-1", nil, 400, "more than 0"},
		{readOnly, "GET /workers/1/profile", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{readOnly, "GET /workers/1/profile", []string{"Sec-Fetch-Site", "same-site"}, 403, "another site"},
		{readOnly, "GET /workers/1/profile", []string{"Sec-Fetch-Site", "same-origin"}, 200, "profile"},
		{readOnly, "POST /workers/1/kill?pid=4712", nil, 403, "monitor.AllowKill()"},
		{open, "GET /workers/1/kill?pid=4712", nil, 405, "POST"},
		{open, "POST /workers/1/kill?pid=4712", nil, 200, `"pid": 4712`},
		{open, "POST /workers/1/kill", nil, 400, "pid="},
		{open, "POST /workers/1/kill?pid=x", nil, 400, "pid=x"},
		{open, "POST /workers/1/kill?pid=0", nil, 400, "pid=0"},
		{open, "POST /workers/1/kill?pid=4711", nil, 409, "has process 4712 by now"},
		{open, "POST /workers/9/kill?pid=4711", nil, 404, "slot 9"},
		{open, "POST /workers/1/kill?pid=4712", []string{"Origin", "http://evil.example"}, 403, "another site"},
		{open, "POST /workers/1/kill?pid=4712", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{open, "POST /workers/1/kill?pid=4712", []string{"Sec-Fetch-Site", "same-site"}, 403, "another site"},
		{open, "POST /workers/1/kill?pid=4712", []string{"Origin", open, "Sec-Fetch-Site", "same-origin"}, 200, "4712"},
		{readOnly, "GET /snapshot", []string{"Host", "evil.example"}, 403, "monitor.AllowHosts"},
		{readOnly, "GET /", []string{"Host", "localhost.evil.example:80"}, 403, "monitor.AllowHosts"},
		{readOnly, "GET /", []string{"Host", "10.0.0.1"}, 403, "monitor.AllowHosts"},
		{readOnly, "GET /", []string{"Host", "LOCALHOST:8080"}, 200, ""},
		{readOnly, "GET /", []string{"Host", "pool.localhost"}, 200, ""},
		{readOnly, "GET /", []string{"Host", "[::1]:8080"}, 200, ""},
	} {
		t.Run(test.request+strings.Join(test.headers, " "), func(t *testing.T) {
			status, header, body := send(t, test.url, test.request, test.headers...)
			require.Equal(t, test.status, status, body)
			require.Equal(t, policy, header.Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
			if test.says != "" {
				require.Contains(t, body, test.says)
			}
			if status >= 400 {
				var said struct{ Error string }
				require.NoError(t, json.Unmarshal([]byte(body), &said), body)
				require.Equal(t, "application/json; charset=utf-8", header.Get("Content-Type"))
				require.NotEmpty(t, said.Error)
			}
		})
	}
}

func TestHostsThatAreNamedAreAllowed(t *testing.T) {
	_, url := serveFake(t, AllowHosts("Pool.Example.com"), nil)
	for host, want := range map[string]int{"pool.example.com": 200, "pool.example.com:8080": 200, "evil.example.com": 403} {
		status, _, _ := send(t, url, "GET snapshot", "Host", host)
		require.Equal(t, want, status, host)
	}
}

func TestWhatComesByNoLoopbackAddressIsNotAskedForItsHost(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://pool.example.com/snapshot", nil)
	newHandler(newFake()).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}

func TestAMountThatIsNoDirectoryIsTold(t *testing.T) {
	w := httptest.NewRecorder()
	http.StripPrefix("/pool", newHandler(newFake())).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/pool", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, w.Body.String(), "end in a slash")
}

func TestWhyAWorkerDoesNotAnswerIsToldInTheStatus(t *testing.T) {
	f, url := serveFake(t, AllowKill())
	for err, want := range map[error]int{
		errors.ErrUnsupported: 501, pool.ErrClosed: 410, context.DeadlineExceeded: 504, errBoom: 502,
	} {
		f.refuse = err
		for _, request := range []string{"GET workers/0/goroutines", "GET workers/0/profile?seconds=1", "POST workers/0/kill?pid=4711"} {
			status, header, body := send(t, url, request)
			require.Equal(t, want, status, body)
			require.Empty(t, header.Get("Content-Disposition"))
		}
	}
}

func TestAProfileIsAFile(t *testing.T) {
	_, url := serveFake(t)
	_, header, _ := send(t, url, "GET workers/2/profile?kind=heap")
	require.Equal(t, `attachment; filename="heap-slot2-pid4713.pb.gz"`, header.Get("Content-Disposition"))
	require.Equal(t, "application/octet-stream", header.Get("Content-Type"))
}

func TestTheSnapshotIsWhatItsTypeSays(t *testing.T) {
	_, url := serveFake(t)
	_, _, body := send(t, url, "GET snapshot")
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	var s Snapshot
	require.NoError(t, d.Decode(&s))
	require.Len(t, s.Workers, 5)
	require.Len(t, s.Functions, 3)
	require.Len(t, s.Functions[0].Stages, 12)
	require.Len(t, s.Failures, 5)
	require.Len(t, s.Slowest, 10)
	require.NotContains(t, body, "null", "lists are empty and not null")
}

// event reads the next event of a stream.
func event(t *testing.T, in *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return name, data
		}
		key, value, _ := strings.Cut(line, ": ")
		if key == "event" {
			name = value
		} else {
			data = value
		}
	}
}

func openStream(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"events", nil)
	require.NoError(t, err)
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return bufio.NewReader(answer.Body)
}

func TestEventsAreThePastThenASnapshotEachSecondThenTheEnd(t *testing.T) {
	f, url := serveFake(t)
	in := openStream(t, url)
	name, data := event(t, in)
	require.Equal(t, "history", name)
	require.JSONEq(t, `{"points":[]}`, data)
	for range 3 {
		name, data = event(t, in)
		require.Equal(t, "snapshot", name)
		var s Snapshot
		require.NoError(t, json.Unmarshal([]byte(data), &s))
		require.False(t, s.Ended)
	}
	f.end()
	for name != "end" {
		name, _ = event(t, in)
	}
	_, err := in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestAStreamThatTheServerEndsWithThePoolSaysSo(t *testing.T) {
	f := newFake()
	ctx, cut := context.WithCancel(context.Background())
	w := httptest.NewRecorder()
	h := newHandler(f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/events", nil).WithContext(ctx))
	}()
	f.end()
	cut()
	<-done
	require.True(t, strings.HasSuffix(w.Body.String(), "event: end\ndata: {}\n\n"), w.Body.String())
}

func TestASnapshotFromBeforeTheEndIsNotTakenForTheEnd(t *testing.T) {
	f := newFake()
	c := newCollector(f, true)
	require.False(t, c.snapshot().Ended)
	f.end()
	require.True(t, c.snapshot().Ended, "however young the one before was")
}

func TestStreamsAreBounded(t *testing.T) {
	_, url := serveFake(t)
	for range maxStreams {
		openStream(t, url)
	}
	status, header, body := send(t, url, "GET events")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, body, "64 event streams")
	require.NotEmpty(t, header.Get("Retry-After"))
}

func TestAClientThatTakesNothingIsGivenUp(t *testing.T) {
	w := &stuck{ResponseRecorder: httptest.NewRecorder()}
	err := stream{w: w, control: http.NewResponseController(w)}.send("snapshot", []byte("{}"))
	require.ErrorIs(t, err, errStuck)
	require.InDelta(t, patience.Seconds(), time.Until(w.deadline).Seconds(), 5)
}

// stuck is a connection whose other end takes nothing.
type stuck struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

var errStuck = errors.New("nobody reads")

func (s *stuck) Write([]byte) (int, error)           { return 0, errStuck }
func (s *stuck) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }
