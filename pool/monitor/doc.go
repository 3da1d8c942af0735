// Package monitor shows what a pool does while it does it: as a web page, as JSON, as Prometheus metrics, and through a Unix socket to "procpool top".
package monitor
