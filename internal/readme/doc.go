// Package readme holds tests only: what README.md shows compiles, runs and names what exists.
package readme
