//go:build race

package doctor

// underRace: the race detector takes memory in pieces of its own size, and ends a program that gets none in its own way.
const underRace = true
