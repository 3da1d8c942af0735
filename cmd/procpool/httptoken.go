package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// tokenGate lets those in who know a token: by "Authorization: Bearer TOKEN", or by ?token=TOKEN, which a browser gets a cookie for, so that the token is in no link
// that it shows, keeps or sends on.
type tokenGate struct {
	token   [sha256.Size]byte // its hash: what is compared has one length
	session string            // what the cookie holds, another one each run
	cookie  string            // its name: browsers have one jar for all ports of a host
	next    http.Handler
}

func newTokenGate(token string, port int, next http.Handler) *tokenGate {
	return &tokenGate{token: sha256.Sum256([]byte(token)), session: rand.Text(), cookie: fmt.Sprintf("procpool_%d", port), next: next}
}

func (g *tokenGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case query.Has("token"):
		if !g.isToken(query.Get("token")) {
			g.refuse(w)
			return
		}
		query.Del("token")
		g.admit(w, r, query.Encode())
	case g.knows(r):
		g.next.ServeHTTP(w, r)
	default:
		g.refuse(w)
	}
}

// admit gives a browser its cookie, and sends it to the same place without the token.
func (g *tokenGate) admit(w http.ResponseWriter, r *http.Request, query string) {
	http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // there is no TLS here
	to := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")                                                                       // never "//host"
	if query != "" {
		to += "?" + query
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// knows reports whether a request comes from one who knows the token.
func (g *tokenGate) knows(r *http.Request) bool {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return g.isToken(strings.TrimSpace(token))
	}
	for _, c := range r.CookiesNamed(g.cookie) {
		if subtle.ConstantTimeCompare([]byte(c.Value), []byte(g.session)) == 1 {
			return true
		}
	}
	return false
}

func (g *tokenGate) isToken(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

const askForToken = `{"error":"this run asks for its token: open the link that it has printed, or add ?token=TOKEN, or send the header Authorization: Bearer TOKEN"}` + "\n"

func (g *tokenGate) refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="procpool"`)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, askForToken) // whoever asked may have gone
}
