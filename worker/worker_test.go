package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}

func same(_ context.Context, n int) (int, error) { return n, nil }

var identity = worker.Register("test.identity", same)

func TestMistakesOfRegistrationPanicWithTheName(t *testing.T) {
	require.Equal(t, "test.identity", identity.Name())
	for want, f := range map[string]func(){
		`"test.identity"): the name is taken`: func() { worker.Register("test.identity", same) },
		`"" cannot name a function`:           func() { worker.Register("", same) },
		"1 to 255 bytes":                      func() { worker.Named[int, int](strings.Repeat("x", 256)) },
		"RegisterError(test.nil)":             func() { worker.RegisterError("test.nil", nil) },
		"test.known":                          func() { worker.RegisterError("test.known", errors.New("another")) },
	} {
		func() {
			defer func() { require.Contains(t, fmt.Sprint(recover()), want) }()
			f()
			t.Errorf("no panic that names %s", want)
		}()
	}
}

func TestPackedArgumentsTravelAsArrays(t *testing.T) {
	two := worker.Pack2("x", 7)
	b, err := codec.For[worker.Args2[string, int]]().Append(nil, &two)
	require.NoError(t, err)
	require.Equal(t, []byte{0x92, 0xa1, 'x', 7}, b)
	var back worker.Args2[string, int]
	require.NoError(t, codec.For[worker.Args2[string, int]]().Decode(b, &back))
	require.Equal(t, two, back)

	three := worker.Pack3([]int{1}, true, worker.Pack2(1.5, ""))
	b, err = codec.For[worker.Args3[[]int, bool, worker.Args2[float64, string]]]().Append(nil, &three)
	require.NoError(t, err)
	var again worker.Args3[[]int, bool, worker.Args2[float64, string]]
	require.NoError(t, codec.For[worker.Args3[[]int, bool, worker.Args2[float64, string]]]().Decode(b, &again))
	require.Equal(t, three, again)

	for name, bad := range map[string][]byte{"one": {0x91, 1}, "three": {0x93, 0xa1, 'x', 7, 8}, "a map": {0x82, 0xa1, 'A', 0xa1, 'x', 0xa1, 'B', 7}, "nothing": {}} {
		require.Error(t, codec.For[worker.Args2[string, int]]().Decode(bad, &back), name)
	}
}

func TestARawValueIsDecodedByWhoKnowsItsType(t *testing.T) {
	raw := worker.Raw{0x93, 1, 2, 3}
	var ints []int
	require.NoError(t, raw.Decode(&ints))
	require.Equal(t, []int{1, 2, 3}, ints)
	var text string
	require.Error(t, raw.Decode(&text))
	require.Error(t, worker.Raw{0x93, 1}.Decode(&ints), "cut short")
	require.Error(t, worker.Raw{1}.Decode(nil))
	var wide int8
	require.Error(t, worker.Raw{0xcd, 1, 0}.Decode(&wide), "256 is no int8")

	holder := struct{ V worker.Raw }{raw}
	type holds = struct{ V worker.Raw }
	b, err := codec.For[holds]().Append(nil, &holder)
	require.NoError(t, err)
	var back holds
	require.NoError(t, codec.For[holds]().Decode(b, &back))
	require.Equal(t, raw, back.V)
}

func TestOutsideOfATaskThereIsNothingToKnow(t *testing.T) {
	require.Equal(t, worker.TaskInfo{Index: -1}, worker.Info(t.Context()))
	require.Equal(t, hclog.L(), worker.Logger(t.Context()))
	worker.Report(t.Context(), "nobody listens")
}

var logAll = worker.Register("test.log", func(ctx context.Context, n int) (worker.TaskInfo, error) {
	l := worker.Logger(ctx)
	l.Trace("not wanted")
	l.Debug("detail", "n", n)
	named := l.Named("outer").Named("inner").With("pair", []string{"a", "b"})
	named.Info("hello", "err", errors.New("no error"), "hex", hclog.Fmt("%x", 255))
	named.ResetNamed("reset").Warn("warned")
	l.StandardLogger(nil).Println("as log does")
	if l.IsTrace() || !l.IsDebug() || !l.IsInfo() || !l.IsWarn() || !l.IsError() || l.Name() != "" || len(named.ImpliedArgs()) != 2 {
		return worker.TaskInfo{}, errors.New("a level is wrong")
	}
	l.SetLevel(hclog.Error)
	l.Warn("not wanted either")
	if l.GetLevel() != hclog.Error {
		return worker.TaskInfo{}, errors.New("the level was not set")
	}
	worker.Report(ctx, map[string]int{"done": n})
	return worker.Info(ctx), nil
})

func TestRecordsArriveWithTheTaskThatWroteThem(t *testing.T) {
	for _, mode := range []pool.Option{pool.WithName("test"), pool.WithInline()} {
		var out syncbuf.Buffer
		reports := make(chan worker.TaskInfo, 10)
		p := pooltest.New(t, mode, pool.WithWorkers(1),
			pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Debug})),
			pool.WithOnReport(func(info worker.TaskInfo, value worker.Raw) {
				var done map[string]int
				if value.Decode(&done) == nil && done["done"] == 6 {
					reports <- info
				}
			}))
		infos, err := pool.Map(t.Context(), p, logAll, []int{5, 6})
		require.NoError(t, err)
		require.Equal(t, "test.log", infos[1].Func)
		require.Equal(t, 1, infos[1].Index)
		require.Equal(t, 1, infos[1].Attempt)
		require.NotZero(t, infos[1].PID)
		info := <-reports
		require.Equal(t, infos[1].PID, info.PID)
		require.Equal(t, 1, info.Index)
		require.NoError(t, p.Shutdown(t.Context()))
		text := out.String()
		for _, want := range []string{
			"[DEBUG]", "detail: n=6", "outer.inner: hello: pair=", `err="no error"`, "hex=ff", "reset: warned", "as log does",
			"slot=0", fmt.Sprint("pid=", infos[1].PID), "func=test.log", "index=1",
		} {
			require.Contains(t, text, want)
		}
		require.NotContains(t, text, "not wanted")
	}
}

type fault struct {
	Code int
	Text string
}

func (f *fault) Error() string { return fmt.Sprintf("%s (%d)", f.Text, f.Code) }

var errKnown = errors.New("known")

var _ = func() struct{} {
	worker.RegisterError("test.known", errKnown)
	worker.RegisterErrorType[*fault]("test.fault")
	return struct{}{}
}()

var failing = worker.Register("test.failing", func(_ context.Context, which string) (int, error) {
	switch which {
	case "sentinel":
		return 0, fmt.Errorf("wrapped: %w", errKnown)
	case "type":
		return 0, errors.Join(errors.New("first"), fmt.Errorf("then: %w", &fault{7, "seven"}))
	default:
		_, err := os.Open("/no/such/file")
		return 0, err
	}
})

func TestErrorsAreFoundAgainInTheParent(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	_, err := pool.Call(t.Context(), p, failing, "sentinel")
	require.ErrorIs(t, err, errKnown)
	_, err = pool.Call(t.Context(), p, failing, "type")
	var f *fault
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault{7, "seven"}, *f)
	_, err = pool.Call(t.Context(), p, failing, "file")
	require.ErrorIs(t, err, os.ErrNotExist)
	var path *os.PathError
	require.ErrorAs(t, err, &path)
	require.Equal(t, "/no/such/file", path.Path)
}
