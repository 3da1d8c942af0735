package codec

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShortStringsShareAnAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	type S struct {
		A, B, C, D string
		E          int
	}
	want := S{"first", "second", "third", "fourth", 5}
	b, c := encoded(t, want), For[S]()
	var v S
	n := testing.AllocsPerRun(1000, func() {
		if err := c.Decode(b, &v); err != nil {
			t.Error(err)
		}
	})
	require.Less(t, n, 1.0)
	require.Equal(t, want, v)
}

func TestAStringKeepsLittleElseAlive(t *testing.T) {
	d := decoder{}
	short, long := make([]byte, shortText), make([]byte, shortText+1)
	for range 100 {
		d.keep(short)
		require.Equal(t, roomForTexts, cap(d.room))
	}
	used := len(d.room)
	d.keep(long)
	require.Len(t, d.room, used, "a long string has memory of its own")
}

func TestStringsThatShareMemoryStayWhatTheyWere(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var all []Inner
			for i := range 500 {
				v := Inner{B: string(rune('a'+g)) + string(rune('a'+i%26)) + string(rune('a'+i/26%26))}
				b, err := For[Inner]().Append(nil, &v)
				if err == nil {
					all = append(all, Inner{})
					err = For[Inner]().Decode(b, &all[i])
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			for i, v := range all {
				if want := string(rune('a'+g)) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)); v.B != want {
					t.Errorf("%q, want %q", v.B, want)
				}
			}
		})
	}
	wg.Wait()
}
