package monitor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// fail answers with an error, as {"error": "..."}.
func fail(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Del("Content-Disposition")
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // an infinite figure, which is a bug here
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // whoever asked may have gone
}

// only answers requests of these methods.
func only(next http.HandlerFunc, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			fail(w, http.StatusMethodNotAllowed, "%s is not possible here, but %s", r.Method, strings.Join(methods, ", "))
			return
		}
		next(w, r)
	}
}

func get(next http.HandlerFunc) http.HandlerFunc { return only(next, http.MethodGet, http.MethodHead) }
