package codec

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShortStringsOfAValueShareAnAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	type S struct {
		A, B, C, D string
		E          int
	}
	b := encoded(t, S{"first", "second", "third", "fourth", 5})
	c := For[S]()
	var v S
	n := testing.AllocsPerRun(100, func() {
		if err := c.Decode(b, &v); err != nil {
			t.Error(err)
		}
	})
	require.Equal(t, 1.0, n)
	require.Equal(t, S{"first", "second", "third", "fourth", 5}, v)
}

func TestAStringKeepsLittleElseAlive(t *testing.T) {
	d := decoder{src: make([]byte, 1000), many: true}
	short, long := make([]byte, shortText), make([]byte, shortText+1)
	for range 100 {
		d.keep(short)
		require.LessOrEqual(t, cap(d.room), roomForTexts)
	}
	used := len(d.room)
	d.keep(long)
	require.Len(t, d.room, used, "a long string has memory of its own")
	d = decoder{src: make([]byte, 40), pos: 35, many: true}
	d.keep(short[:5])
	require.Equal(t, 10, cap(d.room), "no more than the text and what follows it in the source")
}

func TestTheStringsOfATypeAreCounted(t *testing.T) {
	type node struct {
		Next *node
		Name string
	}
	for _, c := range []struct {
		v    any
		want int
	}{
		{"", 1},
		{0, 0},
		{[]int{}, 0},
		{[]string{}, 2},
		{[]Name{}, 2},
		{map[string]int{}, 2},
		{map[Name]Color{}, 2},
		{map[int]Name{}, 2},
		{new(string), 1},
		{struct{ A string }{}, 1},
		{struct {
			A string
			B []int
		}{}, 1},
		{struct{ A, B string }{}, 2},
		{struct {
			A string
			B *struct{ C string }
		}{}, 2},
		{[]struct{ A string }{}, 2},
		{node{}, 1},
		{[]*node{}, 2},
		{text{}, 0},
		{struct{ A any }{}, 0},
	} {
		require.Equal(t, c.want, nodeOf(reflect.TypeOf(c.v)).texts, "%T", c.v)
	}
}
