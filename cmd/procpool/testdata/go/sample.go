// Package sample is counted by hand in gostats_test.go.
package sample

import "fmt" // the line has code

/*
A block comment,

with a blank line in it.
*/

const raw = `
// not a comment
`

type T[K comparable] struct{ m map[K]int }

func simple() { fmt.Println(raw) }

func (t *T[K]) branches(a, b int, ch chan int) (n int) {
	if a > 0 && b > 0 || a == b { // 1 if, 2 operators
		n++
	}
	for range a {
		n++
	}
	for n < 10 {
		n++
	}
	switch {
	case a == 1, a == 2:
		n++
	case b == 1:
		n++
	default:
		n--
	}
	select {
	case <-ch:
	default:
	}
	func() {
		if n > 3 {
			n = 3
		}
	}()
	return n
}

func declared(x int) int // its body is elsewhere

func (T[K]) value() {}
