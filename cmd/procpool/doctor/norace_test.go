//go:build !race

package doctor

const underRace = false
