//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/cmd/procpool/top"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/sockdir"
	"github.com/procpool/procpool/pool/monitor"
)

// servePool answers on a socket in the place of a pool, until the test ends.
func servePool(t *testing.T, h http.Handler) (*poolClient, *sockdir.Listener, *http.Server) {
	t.Helper()
	leaktest.Check(t)
	dir, err := os.MkdirTemp("/tmp", "tc")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv(sockdir.Var, dir)
	l, err := sockdir.Listen("fake")
	require.NoError(t, err)
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	sockets, err := sockdir.List(t.Context())
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	c := newPoolClient(sockets[0])
	t.Cleanup(c.close)
	return c, l, server
}

const hostile = "\x1b[2J\x07\u202ename\xff"

func hostileSnapshot() monitor.Snapshot {
	r := monitor.Record{Func: hostile, Arg: hostile, Kind: hostile, Error: hostile + "\n" + hostile, Stderr: hostile + "\r\n\tb\n" + hostile, Stack: hostile}
	return monitor.Snapshot{
		Pool: hostile, Program: hostile, PID: 7, Workers: []monitor.Worker{{State: hostile, Func: hostile, Spans: []monitor.Span{{Func: hostile}}}},
		Functions: []monitor.Function{{Func: hostile, Stages: map[string]float64{hostile: 1}}}, Failures: []monitor.Record{r}, Slowest: []monitor.Record{r}, Advice: []string{hostile},
	}
}

func TestNothingThatAPoolSaysCanDriveTheTerminal(t *testing.T) {
	data, err := json.Marshal(hostileSnapshot())
	require.NoError(t, err)
	c, _, _ := servePool(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/snapshot":
			_, _ = w.Write(data)
		case "/workers/0/goroutines":
			_, _ = io.WriteString(w, hostile)
		default:
			http.Error(w, hostile, http.StatusConflict)
		}
	}))
	s, err := c.snapshot(t.Context())
	require.NoError(t, err)
	text := fmt.Sprintf("%+v", s) + top.Plain(s, 200)
	dump, err := c.Goroutines(t.Context(), 0)
	require.NoError(t, err)
	text += dump + c.Kill(t.Context(), 0, 1).Error()
	require.Contains(t, text, `\x1b[2J`)
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\r", "\t"} {
		require.NotContains(t, text, bad)
	}
	require.Len(t, strings.Split(s.Failures[0].Stderr, "\n"), 3, "lines stay lines")
	require.NotContains(t, s.Failures[0].Error, "\n")
}

func TestARefusalIsTheErrorThatThePoolTold(t *testing.T) {
	for body, want := range map[string]string{
		`{"error": "slot 3 has process 7 by now"}`: "slot 3 has process 7 by now",
		"the pool has ended\nmore":                 "the pool has ended",
		"":                                         "409 Conflict",
		strings.Repeat("x", 1<<20):                 strings.Repeat("x", maxRefusal),
	} {
		c, _, _ := servePool(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, body)
		}))
		require.EqualError(t, c.Kill(t.Context(), 3, 6), want)
		_, err := c.snapshot(t.Context())
		require.EqualError(t, err, want)
	}
}

func TestTheRequestsOfAViewerSayWhichWorker(t *testing.T) {
	asked := make(chan string, 1)
	c, _, _ := servePool(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.String() }))
	require.NoError(t, c.Kill(t.Context(), 3, 4711))
	require.Equal(t, "POST /workers/3/kill?pid=4711", <-asked)
	_, err := c.Profile(t.Context(), 3, 2500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, "GET /workers/3/profile?kind=cpu&seconds=2.5", <-asked)
	_, err = c.snapshot(t.Context())
	<-asked
	require.ErrorContains(t, err, "is no snapshot")
}

func TestAStreamIsSnapshotsAfterAPast(t *testing.T) {
	c, _, _ := servePool(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, ": a comment\n\nevent: history\ndata: {\"points\": [{\"completed\": 1.5}, {\"completed\": 3}]}\n\n")
		_, _ = io.WriteString(w, "event: snapshot\ndata: {\"pid\": 1,\ndata:  \"pool\": \"\\u001b[2J\"}\n\nevent: other\ndata: nonsense\n\ndata: {\"pid\": 2}\n\nevent: end\ndata: {}\n\n")
	}))
	s, err := c.Watch(t.Context())
	require.NoError(t, err)
	defer s.Close()
	first, err := s.Next()
	require.NoError(t, err)
	require.Equal(t, []float64{1.5, 3}, first.Past)
	require.Equal(t, `\x1b[2J`, first.Snapshot.Pool)
	second, err := s.Next()
	require.NoError(t, err)
	require.Nil(t, second.Past)
	require.Equal(t, 2, second.Snapshot.PID)
	_, err = s.Next()
	require.ErrorIs(t, err, top.ErrEnded)
}

func TestAStreamWithoutSenseIsAnError(t *testing.T) {
	for _, data := range []string{"data: {\n\n", "event: history\ndata: 7\n\n", "data: {\"pid\": 1}"} {
		c, _, _ := servePool(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, data) }))
		s, err := c.Watch(t.Context())
		require.NoError(t, err)
		_, err = s.Next()
		require.Error(t, err)
		s.Close()
	}
}

func TestWhyAPoolIsGoneIsTold(t *testing.T) {
	c, l, server := servePool(t, http.NotFoundHandler())
	require.Empty(t, c.WhyGone(t.Context()), "it is there")
	aside := l.Path + ".aside"
	require.NoError(t, os.Rename(l.Path, aside))
	require.Equal(t, "the pool has ended", c.WhyGone(t.Context()))
	require.NoError(t, server.Close())
	_ = l.Close() // a server that was closed before it began to serve leaves that to itself
	require.NoError(t, os.Rename(aside, l.Path))
	require.Equal(t, "the program died", c.WhyGone(t.Context()))
}

func TestTabsAreBlanksUpToTheNextStop(t *testing.T) {
	require.Equal(t, "    a   b\nc   d", safeText("\ta\tb\nc\td\r"))
}
