package monitor

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets the page load what this handler serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard lets through what a program or a page of this handler may ask for.
type guard struct {
	hosts []string // besides loopback's own, of requests that come by loopback
	cross *http.CrossOriginProtection
	next  http.Handler
}

func newGuard(hosts []string, next http.Handler) *guard {
	return &guard{hosts: hosts, cross: http.NewCrossOriginProtection(), next: next}
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !g.isOurHost(r) {
		fail(w, http.StatusForbidden, "this is reached by loopback, but the request is for the host %q, which may be a trick of another site (DNS rebinding): "+
			"use localhost or 127.0.0.1, or name the host by monitor.AllowHosts", r.Host)
		return
	}
	if err := g.cross.Check(r); err != nil {
		fail(w, http.StatusForbidden, "this was sent by a page of another site")
		return
	}
	g.next.ServeHTTP(w, r)
}

// isOurHost reports whether the browser was asked for this host. A page of another site can have its own name resolve to 127.0.0.1, and read what is there; but the
// requests then carry that name. What comes by another address is guarded by whoever opened it.
func (g *guard) isOurHost(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if local == nil || !local.IP.IsLoopback() {
		return true
	}
	host := hostname(r.Host)
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.hosts, host)
}

// hostname is a host without its port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

// isForeign reports whether a page of another site has asked. For most of what is here it does not matter, since that page cannot read the answer; it does where the
// question itself costs something.
func isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // no browser, or an old one; typed by the user; our page
		return false
	}
	return true
}
