package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOneOfManyAnswersAndEverybodyIsTold(t *testing.T) {
	for range 500 {
		var p promise
		var answers, told atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if p.claim(func() { answers.Add(1) }) {
					p.announce()
				}
			})
			all.Go(func() { <-p.wait(); told.Add(1) })
			all.Go(func() { p.then(func() { told.Add(1) }) })
			all.Go(func() {
				hook := func() { told.Add(1) }
				if !p.hook(hook) {
					hook()
				}
			})
		}
		all.Wait()
		<-p.wait()
		require.EqualValues(t, 1, answers.Load())
		require.Eventually(t, func() bool { return told.Load() == 12 }, 10*time.Second, time.Microsecond)
	}
}

func TestCallbacksRunInOrderBeforeDoneEvenIfOneEndsItsGoroutine(t *testing.T) {
	var p promise
	var order []int
	for i := range 5 {
		require.True(t, p.hook(func() {
			order = append(order, i)
			if i == 2 {
				runtime.Goexit()
			}
		}))
	}
	after := make(chan []int, 1)
	p.then(func() { after <- order })
	require.True(t, p.claim(func() {}))
	p.announce()
	<-p.wait()
	require.Equal(t, []int{0, 1, 2, 3, 4}, order)
	require.Equal(t, order, <-after)
	require.False(t, p.hook(func() {}), "the caller has to run it")
}

func TestADispatcherKeepsOrderAndSurvivesItsCallbacks(t *testing.T) {
	got := make(chan int, 100)
	d := newDispatcher(func(n int) {
		got <- n
		if n%10 == 3 {
			runtime.Goexit()
		}
	})
	for i := range 100 {
		require.True(t, d.send(i))
	}
	for i := range 100 {
		require.Equal(t, i, <-got)
	}
	d.close()
	require.False(t, d.send(1))
}

func TestAFullDispatcherDropsTheOldestAndCounts(t *testing.T) {
	enter, leave := make(chan int), make(chan struct{})
	d := newDispatcher(func(n int) { enter <- n; <-leave })
	d.limit = 3
	d.send(0)
	require.Equal(t, 0, <-enter) // it is being called; from now on they wait
	for i := 1; i <= 5; i++ {
		d.send(i)
	}
	require.EqualValues(t, 2, d.lost())
	close(leave)
	for i := 3; i <= 5; i++ {
		require.Equal(t, i, <-enter)
	}
	var none *dispatcher[int]
	require.Zero(t, none.lost())
}
