package monitor

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// within bounds what a request may have others do.
func within(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), d)
}

// extend gives an answer more time than the server's WriteTimeout allows it, but not for ever.
func extend(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d)) // where it cannot, the server's own timeout holds
}

func isLate(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
