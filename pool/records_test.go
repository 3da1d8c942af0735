package pool_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// shipment is a struct of what has rules of its own on the way.
type shipment struct {
	Name   string `msgpack:"name"`
	Weight float64
	Tags   []string `msgpack:",omitempty"`
	From   address
	To     *address
	Log    map[string]address
	Sent   time.Time
	Took   time.Duration `msgpack:",omitempty"`
	Any    any
	address
}

type address struct {
	Street string
	Number int
}

var (
	samePoint    = worker.Register("records.same", func(_ context.Context, a address) (address, error) { return a, nil })
	sameShipment = worker.Register("records.shipment", func(_ context.Context, p shipment) (shipment, error) { return p, nil })
	sameAny      = worker.Register("records.any", func(_ context.Context, v any) (any, error) { return v, nil })
	toAny        = worker.Register("records.toAny", func(_ context.Context, a address) (any, error) { return a, nil })
	rawOf        = worker.Register("records.raw", func(_ context.Context, r worker.Raw) (worker.Raw, error) { return r, nil })
	reports      = worker.Register("records.report", func(ctx context.Context, a address) (struct{}, error) {
		worker.Report(ctx, a)
		return struct{}{}, nil
	})

	// The same function for callers who do not know its types.
	loose       = worker.Named[map[string]any, map[string]any]("records.same")
	byFieldName = worker.Named[address, map[string]any]("records.same")
	otherSide   = worker.Named[map[string]any, address]("records.same")
	encodedOf   = worker.Named[address, worker.Raw]("records.same")
	again       = worker.Named[address, address]("records.same")
)

func newShipment() shipment {
	return shipment{
		Name: "n", Weight: 1.5, Tags: []string{"a", "b"}, From: address{"s", 1}, To: &address{"t", 2},
		Log: map[string]address{"l": {"u", 3}}, Sent: time.Unix(1, 2), Any: map[string]any{"k": []any{int64(1)}}, address: address{"v", 4},
	}
}

func TestRecordsComeBackAsTheyWereByEveryWayOfCalling(t *testing.T) {
	want := newShipment()
	for name, opts := range map[string][]pool.Option{
		"processes": nil, "inline": {pool.WithInline()}, "command": {pool.WithCommand(os.Args[0])},
	} {
		t.Run(name, func(t *testing.T) {
			p := pooltest.New(t, append(opts, pool.WithWorkers(2))...)
			ctx := t.Context()
			got, err := pool.Call(ctx, p, sameShipment, want)
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = pool.Go(ctx, p, sameShipment, shipment{}).Wait(ctx)
			require.NoError(t, err)
			require.Equal(t, shipment{}, got)
			all, err := pool.Map(ctx, p, sameShipment, []shipment{want, {}, want})
			require.NoError(t, err)
			require.Equal(t, []shipment{want, {}, want}, all)
			n := 0
			for got, err := range pool.Stream(ctx, p, sameShipment, slices.Values([]shipment{want, want})) {
				require.NoError(t, err)
				require.Equal(t, want, got)
				n++
			}
			require.Equal(t, 2, n)
			everywhere, err := pool.Broadcast(ctx, p, sameShipment, want)
			require.NoError(t, err)
			for _, r := range everywhere {
				require.NoError(t, r.Err)
				require.Equal(t, want, r.Value)
			}
		})
	}
}

func TestNamesStayAtHomeBetweenProcessesOfOneProgram(t *testing.T) {
	arg := address{"street", 5}
	size := func(p *pool.Pool, call func(*pool.Timing) error) [2]int {
		var cost pool.Timing
		require.NoError(t, call(&cost))
		return [2]int{cost.ArgBytes, cost.ResultBytes}
	}
	typed := func(p *pool.Pool, fn worker.Func[address, address]) [2]int {
		return size(p, func(cost *pool.Timing) error {
			got, err := pool.Call(t.Context(), p, fn, arg, pool.Timed(cost))
			require.Equal(t, arg, got)
			return err
		})
	}
	short, long := 1+7+1, 1+7+7+7+1
	own := pooltest.New(t, pool.WithWorkers(1))
	require.Equal(t, [2]int{short, short}, typed(own, samePoint))
	require.Equal(t, [2]int{short, short}, typed(own, again), "the types are the same, whoever names the function")
	require.Equal(t, [2]int{long, long}, size(own, func(cost *pool.Timing) error {
		_, err := pool.Call(t.Context(), own, byFieldName, arg, pool.Timed(cost))
		return err
	}))
	theirs := pooltest.New(t, pool.WithWorkers(1), pool.WithCommand(os.Args[0]))
	require.Equal(t, [2]int{long, long}, typed(theirs, samePoint))
	require.Equal(t, [2]int{long, long}, typed(theirs, again))
}

func TestWhoeverDoesNotKnowTheTypeSeesAMap(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	ctx := t.Context()
	arg, want := address{"street", 5}, map[string]any{"Street": "street", "Number": int64(5)}

	got, err := pool.Call(ctx, p, byFieldName, arg)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = pool.Call(ctx, p, loose, want)
	require.NoError(t, err)
	require.Equal(t, want, got)
	back, err := pool.Call(ctx, p, otherSide, want)
	require.NoError(t, err)
	require.Equal(t, arg, back)

	for _, call := range []func() (any, error){
		func() (any, error) { return pool.Call(ctx, p, sameAny, any(arg)) },
		func() (any, error) { return pool.Call(ctx, p, toAny, arg) },
	} {
		got, err := call()
		require.NoError(t, err)
		require.Equal(t, any(want), got)
	}

	raw, err := pool.Call(ctx, p, encodedOf, arg)
	require.NoError(t, err)
	raw, err = pool.Call(ctx, p, rawOf, raw)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, raw.Decode(&decoded))
	require.Equal(t, any(want), decoded)
}

func TestAReportIsAMapForWhoeverReadsIt(t *testing.T) {
	got := make(chan worker.Raw, 1)
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithOnReport(func(_ worker.TaskInfo, r worker.Raw) { got <- r }))
	_, err := pool.Call(t.Context(), p, reports, address{"street", 5})
	require.NoError(t, err)
	var v any
	require.NoError(t, (<-got).Decode(&v))
	require.Equal(t, any(map[string]any{"Street": "street", "Number": int64(5)}), v)
}

func TestCallersWithAndWithoutTheTypesDoNotShareAForm(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			arg := address{fmt.Sprint("street ", i), i}
			if i%2 == 0 {
				if got, err := pool.Call(ctx, p, samePoint, arg); err != nil || got != arg {
					t.Error(got, err)
				}
				return
			}
			got, err := pool.Call(ctx, p, byFieldName, arg)
			if err != nil || got["Street"] != arg.Street || got["Number"] != int64(i) {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
}

func TestAWorkerInPythonSeesAMap(t *testing.T) {
	p := python(t)
	echo := worker.Named[address, map[string]any]("echo")
	got, err := pool.Call(t.Context(), p, echo, address{"street", 5})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"Street": "street", "Number": int64(5)}, got)
	all, err := pool.Map(t.Context(), p, worker.Named[address, address]("echo"), []address{{"a", 1}, {"b", 2}})
	require.NoError(t, err)
	require.Equal(t, []address{{"a", 1}, {"b", 2}}, all)
}

// asks counts how often a value of it is encoded.
type asks struct{ N int }

var asked atomic.Int32

func (asks) IsZero() bool {
	asked.Add(1)
	return true
}

type longRecord struct {
	Asks asks `msgpack:",omitempty"`
	L    []int
}

var lengthOf = worker.Register("test.lengthOf", func(_ context.Context, r longRecord) (int, error) { return len(r.L), nil })

// A record that goes alone shows how long it is by being encoded behind others; then it is encoded once more.
func TestMapEncodesALongRecordTwiceAtMost(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	long := longRecord{L: make([]int, 300_000)}
	for _, c := range []struct {
		args   []longRecord
		expect int32
	}{{[]longRecord{long}, 1}, {[]longRecord{long, long}, 2}, {[]longRecord{{}, long, {}}, 4}} {
		asked.Store(0)
		got, err := pool.Map(t.Context(), p, lengthOf, c.args)
		require.NoError(t, err)
		for i := range got {
			require.Equal(t, len(c.args[i].L), got[i])
		}
		require.Equal(t, c.expect, asked.Load())
	}
}
