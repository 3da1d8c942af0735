package monitor

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/procpool/procpool/internal/echarts"
)

//go:embed page
var pageFiles embed.FS

// asset serves a file of the page. A browser asks again each time whether it has changed, and is told that it has not.
func asset(name string) http.HandlerFunc {
	data := []byte(echarts.Script)
	if name != "echarts.js" {
		data, _ = pageFiles.ReadFile("page/" + name) // it is there: a test reads each of them
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	}
}
