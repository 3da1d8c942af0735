package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/monitor"
)

// tokenVar is an environment variable for --http-token: other users of the machine can read a command line.
const tokenVar = "PROCPOOL_HTTP_TOKEN" //nolint:gosec // the name of one

// minToken is as short as a token may be.
const minToken = 16

// httpPart is the topic of run that lets people watch it: --http.
type httpPart struct {
	address string
	token   string
}

func (f *httpPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&f.address, "http", "", "show the run as a web page at `ADDR`, such as 8080 or :0 (any port): for this machine alone, unless ADDR names another host")
	fs.StringVar(&f.token, "http-token", "", "let only those in who know `TOKEN` (default: $"+tokenVar+"; or, where --http is for other machines too, one that is made up)")
}

// check finds what the flags cannot mean.
func (f *httpPart) check(_ *runFlags, changed func(flag string) bool) error {
	if !changed("http") {
		if changed("http-token") {
			return errors.New("--http-token is for --http")
		}
		return nil
	}
	if _, err := listenAddress(f.address); err != nil {
		return fmt.Errorf("--http %s: %w", quoted(f.address), err)
	}
	if changed("http-token") && len(f.token) < minToken {
		return fmt.Errorf("--http-token: must have at least %d characters, or be left out for one that is made up", minToken)
	}
	return nil
}

// listenAddress is an address as the user gives it, made complete: a port alone is one of this machine.
func listenAddress(text string) (string, error) {
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("want a port from 0 to 65535, :PORT, or HOST:PORT")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", errors.New("want a port from 0 to 65535, :PORT, or HOST:PORT")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// join has the pool shown from its beginning to its end, if the user wants that.
func (f *httpPart) join(j *job) error {
	if f.address != "" {
		j.options = append(j.options, pool.WithOnStart(func(p *pool.Pool) (stop func(), err error) { return f.serve(p, j.console) }))
	}
	return nil
}

// serve opens the page, and tells where it is.
func (f *httpPart) serve(p *pool.Pool, console io.Writer) (stop func(), err error) {
	address, err := listenAddress(f.address)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w", quoted(f.address), err)
	}
	at, _ := listener.Addr().(*net.TCPAddr)
	handler, link := f.handler(p, at)
	fmt.Fprintf(console, "procpool: watch this run at %s\n", link) // also with --quiet: a port that the system chose, or a token, is told nowhere else
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // a client that goes away is no news
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // http.ErrServerClosed
	}()
	return func() {
		endServer(server)
		<-done
	}, nil
}

// endServer lets those who watch see the last of it, and no more.
func endServer(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // the connections of those who do not take what they are sent
	}
}

// handler is what is served at an address, and the link to it.
func (f *httpPart) handler(p *pool.Pool, at *net.TCPAddr) (handler http.Handler, link string) {
	handler = monitor.Handler(p)
	token := f.token
	if token == "" {
		token = os.Getenv(tokenVar)
	}
	given := token != ""
	if !given && !at.IP.IsLoopback() {
		token = rand.Text()
	}
	if token != "" {
		handler = newTokenGate(token, at.Port, handler)
	}
	page := url.URL{Scheme: "http", Host: hostOf(at), Path: "/"}
	switch {
	case token == "":
		return handler, page.String()
	case given:
		return handler, page.String() + " (it asks for the token: add ?token= and the token)"
	}
	page.RawQuery = url.Values{"token": {token}}.Encode()
	return handler, page.String()
}

// hostOf is what to call an address in a link. Where all addresses are listened on, that is the name of the machine.
func hostOf(at *net.TCPAddr) string {
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host = "localhost"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}
