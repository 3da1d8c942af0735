package monitor

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/procpool/procpool/pool"
)

// Option changes what a Handler allows.
type Option func(*handler)

// AllowKill lets whoever can reach the Handler kill workers: POST /workers/{slot}/kill, and a button on the page. By default it is read-only.
func AllowKill() Option { return func(h *handler) { h.canKill = true } }

// AllowHosts names hosts, without port, for which requests that come by a loopback address are answered, besides localhost and loopback addresses themselves: those
// under which a proxy on the same machine is known. Other requests by loopback are refused, because a page of another site could have sent them.
func AllowHosts(names ...string) Option {
	return func(h *handler) {
		for _, name := range names {
			h.hosts = append(h.hosts, hostname(name))
		}
	}
}

// handler is what Handler makes.
type handler struct {
	src     source
	watched *collector
	canKill bool
	hosts   []string

	streams     places
	inspections places
}

// Handler serves what p does: see the package's comment for what is where, and for who should reach it.
//
// It costs nothing until somebody looks. It holds no pool: one that its users drop is collected, and the page says that it has ended. All of it is below the path at
// which it is mounted, which must end in a slash: mux.Handle("/pool/", http.StripPrefix("/pool", monitor.Handler(p))).
func Handler(p *pool.Pool, opts ...Option) http.Handler { return newHandler(of(p), opts...) }

func newHandler(src source, opts ...Option) http.Handler {
	h := &handler{src: src, streams: newPlaces(maxStreams), inspections: newPlaces(maxInspections)}
	for _, o := range opts {
		if o != nil {
			o(h)
		}
	}
	h.watched = newCollector(src, !h.canKill)
	return newGuard(h.hosts, h.routes())
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", get(asset("page.html")))
	for _, name := range []string{"page.css", "page.js", "charts.js", "echarts.js"} {
		mux.HandleFunc("/"+name, get(asset(name)))
	}
	mux.HandleFunc("/snapshot", get(h.snapshot))
	mux.HandleFunc("/events", only(h.events, http.MethodGet))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collect(h.src))
	mux.HandleFunc("/metrics", get(promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxInspections}).ServeHTTP))
	mux.HandleFunc("/workers/{slot}/goroutines", only(h.goroutines, http.MethodGet))
	mux.HandleFunc("/workers/{slot}/profile", only(h.profile, http.MethodGet))
	mux.HandleFunc("/workers/{slot}/kill", only(h.kill, http.MethodPost))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is no %q here, but /, /snapshot, /events, /metrics and /workers/{slot}/goroutines, profile or kill", head(r.URL.Path, 100))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/") {
			fail(w, http.StatusNotFound, "the path at which this is mounted has to end in a slash")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (h *handler) snapshot(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.watched.snapshot())
}

// places bound how many do something at a time.
type places chan struct{}

func newPlaces(n int) places { return make(places, n) }

// take returns whether there was one. Whoever got it gives it back by leave.
func (p places) take(w http.ResponseWriter, what string) bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusTooManyRequests, "%d %s are under way already: try again later", cap(p), what)
		return false
	}
}

func (p places) leave() { <-p }
