package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/procpool/procpool/cmd/procpool/top"
	"github.com/procpool/procpool/internal/sockdir"
	"github.com/procpool/procpool/pool/monitor"
)

const (
	answerTime = 3 * time.Second // for what a pool has ready
	maxAnswer  = 64 << 20        // bytes: a snapshot of thousands of workers, a profile
	maxRefusal = 4 << 10         // bytes of an error's text
)

// poolClient talks to one pool through its socket. What it returns is safe to show on a terminal.
type poolClient struct {
	socket sockdir.Socket
	http   http.Client
}

func newPoolClient(s sockdir.Socket) *poolClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return sockdir.Dial(ctx, s.Path) }
	return &poolClient{socket: s, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// close ends the connections that are idle. Those in use end with their contexts.
func (c *poolClient) close() { c.http.CloseIdleConnections() }

// ask sends a request and returns the answer, unless the pool refused.
func (c *poolClient) ask(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://pool"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // it would repeat a URL that nobody typed
			err = wrapped.Err
		}
		return nil, err
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return nil, errors.New(printable(cmp.Or(refusal(text), resp.Status)))
	}
	return resp, nil
}

// refusal is the text of an error: {"error": "..."}, or a line.
func refusal(text []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &said) == nil && said.Error != "" {
		return said.Error
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

// fetch is ask for an answer that comes whole.
func (c *poolClient) fetch(ctx context.Context, method, path string) ([]byte, error) {
	resp, err := c.ask(ctx, method, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

// snapshot is the pool as it is now.
func (c *poolClient) snapshot(ctx context.Context) (s monitor.Snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	data, err := c.fetch(ctx, http.MethodGet, "/snapshot")
	if err != nil {
		return s, err
	}
	return decodeSnapshot(data)
}

func decodeSnapshot(data []byte) (s monitor.Snapshot, err error) {
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("what the pool answered is no snapshot: %w", err)
	}
	makeSafe(&s)
	return s, nil
}

// Goroutines is what the goroutines of a worker do.
func (c *poolClient) Goroutines(ctx context.Context, slot int) (string, error) {
	text, err := c.fetch(ctx, http.MethodGet, fmt.Sprintf("/workers/%d/goroutines", slot))
	return safeText(string(text)), err
}

// Profile has a worker profile its CPU for a time.
func (c *poolClient) Profile(ctx context.Context, slot int, d time.Duration) ([]byte, error) {
	return c.fetch(ctx, http.MethodGet, fmt.Sprintf("/workers/%d/profile?kind=cpu&seconds=%g", slot, d.Seconds()))
}

// Kill ends the process of a slot, if it is that one.
func (c *poolClient) Kill(ctx context.Context, slot, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := c.fetch(ctx, http.MethodPost, fmt.Sprintf("/workers/%d/kill?pid=%d", slot, pid))
	return err
}

// snapshots is a stream of them, about one a second.
type snapshots struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

// Watch begins a stream of snapshots.
func (c *poolClient) Watch(ctx context.Context) (top.Stream, error) {
	resp, err := c.ask(ctx, http.MethodGet, "/events") //nolint:bodyclose // Close does
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	return &snapshots{body: resp.Body, lines: lines}, nil
}

// Next waits for a snapshot. After an error there is none.
func (s *snapshots) Next() (top.News, error) {
	var news top.News
	for {
		e, err := s.event()
		if err != nil {
			return news, err
		}
		switch e.name {
		case "", "message", "snapshot":
			news.Snapshot, err = decodeSnapshot(e.data)
			return news, err
		case "history":
			news.Past, err = decodePast(e.data)
			if err != nil {
				return news, err
			}
		case "end":
			return news, top.ErrEnded
		}
	}
}

func decodePast(data []byte) (rates []float64, err error) {
	var history struct {
		Points []struct {
			Completed float64 `json:"completed"`
		} `json:"points"`
	}
	if err := json.Unmarshal(data, &history); err != nil {
		return nil, fmt.Errorf("what the pool answered is no history: %w", err)
	}
	for _, p := range history.Points {
		rates = append(rates, p.Completed)
	}
	return rates, nil
}

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

// event reads one.
func (s *snapshots) event() (e event, err error) {
	for s.lines.Scan() {
		name, value, _ := bytes.Cut(s.lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.name = string(value)
		case "data":
			e.data = append(e.data, value...)
		case "": // an empty line ends an event; one that begins with a colon is a comment
			if len(s.lines.Bytes()) == 0 && len(e.data) > 0 {
				return e, nil
			}
		}
	}
	if err := s.lines.Err(); err != nil {
		return e, err
	}
	return e, io.EOF
}

// Close ends the stream.
func (s *snapshots) Close() { _ = s.body.Close() }

// WhyGone says what became of a pool whose connection has ended; "" if it is still there.
func (c *poolClient) WhyGone(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	conn, err := sockdir.Dial(ctx, c.socket.Path)
	switch {
	case err == nil:
		_ = conn.Close()
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "the pool has ended"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the program died"
	}
	return "the connection is lost: " + printable(err.Error())
}
