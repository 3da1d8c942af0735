//go:build unix && race

package conformance_test

// raceEnabled makes the long tests shorter where everything is slower.
const raceEnabled = true
