package tracing_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/pool/tracing"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}

// seen is what a task finds in its context, and what becomes of a span that it makes.
type seen struct {
	Trace, Parent     string
	Remote, Sampled   bool
	Baggage           string
	Recorded          bool
	OwnTrace, Carrier string
}

// workers' provider: made once in each, with the SDK's usual sampler.
var inWorker = sdktrace.NewTracerProvider()

var look = worker.Register("look", func(ctx context.Context, _ int) (seen, error) {
	ctx = tracing.Context(ctx)
	parent := trace.SpanContextFromContext(ctx)
	_, span := inWorker.Tracer("test").Start(ctx, "in the worker")
	defer span.End()
	s := seen{
		Remote: parent.IsRemote(), Sampled: parent.IsSampled(), Recorded: span.IsRecording(),
		Baggage: baggage.FromContext(ctx).Member("tenant").Value(), OwnTrace: span.SpanContext().TraceID().String(),
		Carrier: worker.Carrier(ctx)["traceparent"],
	}
	if parent.IsValid() {
		s.Trace, s.Parent = parent.TraceID().String(), parent.SpanID().String()
	}
	return s, nil
})

var act = worker.Register("act", func(ctx context.Context, what string) (int, error) {
	switch what {
	case "fail":
		return 0, errors.New("as told")
	case "panic":
		panic("as told")
	case "die":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	case "die first":
		if worker.Info(ctx).Attempt == 1 {
			os.Exit(4)
		}
	case "spin":
		for {
			runtime.Gosched()
		}
	case "wait":
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return len(what), nil
})

// spans is a provider and all spans that it made.
type spans struct {
	*tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
}

func newSpans(opts ...sdktrace.TracerProviderOption) spans {
	r := tracetest.NewSpanRecorder()
	return spans{r, sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(r))...)}
}

func newPool(t testing.TB, s spans, opts ...pool.Option) *pool.Pool {
	return pooltest.New(t, append([]pool.Option{
		pool.WithWorkers(2), pool.WithName("thumbnails"), pool.WithTracer(tracing.New(tracing.WithTracerProvider(s.provider))),
	}, opts...)...)
}

// take returns the spans of the only job there was since the last time, that of the job first, and checks that all have ended.
func (s spans) take(t *testing.T) []sdktrace.ReadOnlySpan {
	t.Helper()
	ended := s.Ended()
	require.Len(t, s.Started(), len(ended), "spans that were started and not ended")
	s.Reset()
	require.NotEmpty(t, ended)
	slices.Reverse(ended)
	for _, batch := range ended[1:] {
		require.Equal(t, ended[0].SpanContext().SpanID(), batch.Parent().SpanID())
		require.Equal(t, ended[0].SpanContext().TraceID(), batch.SpanContext().TraceID())
		require.True(t, strings.HasPrefix(batch.Name(), "batch "), batch.Name())
		require.False(t, batch.StartTime().Before(ended[0].StartTime()))
		require.False(t, batch.EndTime().After(ended[0].EndTime()))
	}
	for _, span := range ended {
		checkDocumented(t, span)
	}
	return ended
}

func attributesOf(all []attribute.KeyValue) map[string]any {
	m := map[string]any{}
	for _, a := range all {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}

func TestACallIsASpanAndItsTaskHasItForParent(t *testing.T) {
	for name, opt := range map[string]pool.Option{"processes": nil, "inline": pool.WithInline()} {
		s := newSpans()
		p := newPool(t, s, opt)
		ctx, root := s.provider.Tracer("test").Start(t.Context(), "request")
		member, err := baggage.NewMember("tenant", "acme")
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		got, err := pool.Call(baggage.ContextWithBaggage(ctx, bag), p, look, 1)
		require.NoError(t, err)
		future, err := pool.Go(ctx, p, look, 1).Wait(t.Context())
		require.NoError(t, err)
		root.End()
		all := s.Ended()
		require.Len(t, all, 3, name)
		call, viaGo := all[0], all[1]
		require.Equal(t, []string{"Call look", "Go look"}, []string{call.Name(), viaGo.Name()})
		require.Equal(t, trace.SpanKindClient, call.SpanKind())
		require.Equal(t, root.SpanContext().SpanID(), call.Parent().SpanID())
		require.Equal(t, root.SpanContext().SpanID(), viaGo.Parent().SpanID())
		require.Equal(t, codes.Unset, call.Status().Code)
		id := call.SpanContext()
		require.Equal(t, seen{
			Trace: id.TraceID().String(), Parent: id.SpanID().String(), Remote: true, Sampled: true, Baggage: "acme", Recorded: true,
			OwnTrace: id.TraceID().String(), Carrier: "00-" + id.TraceID().String() + "-" + id.SpanID().String() + "-01",
		}, got)
		require.Equal(t, viaGo.SpanContext().SpanID().String(), future.Parent)
		require.Empty(t, future.Baggage)
		attributes := attributesOf(call.Attributes())
		for key, want := range map[string]any{
			"code.function.name": "look", "procpool.api": "Call", "procpool.pool.name": "thumbnails", "procpool.outcome": "ok",
			"procpool.attempt": int64(1), "procpool.job.tasks": int64(1),
		} {
			require.Equal(t, want, attributes[key], key)
		}
		require.Positive(t, attributes["process.pid"])
		require.Positive(t, attributes["procpool.argument.size"])
		require.Positive(t, attributes["procpool.result.size"])
		require.Contains(t, attributes, "procpool.slot")
		length := call.EndTime().Sub(call.StartTime()).Seconds()
		parts := 0.0
		for _, part := range []string{"queued", "run", "transfer"} {
			require.Contains(t, attributes, "procpool.time."+part)
			parts += attributes["procpool.time."+part].(float64)
		}
		require.LessOrEqual(t, parts, length)
		s.Reset()
	}
}

func TestAJobIsASpanWithItsBatchesBelow(t *testing.T) {
	s := newSpans()
	p := newPool(t, s)
	args := slices.Repeat([]int{1}, 1000)
	check := func(api string, found []seen) {
		all := s.take(t)
		job := all[0]
		require.Equal(t, api+" look", job.Name())
		require.Greater(t, len(all), 1)
		for _, one := range found {
			require.Equal(t, job.SpanContext().SpanID().String(), one.Parent, "what a task does is below the job")
		}
		covered := map[int64]bool{}
		for _, batch := range all[1:] {
			a := attributesOf(batch.Attributes())
			for i := range a["procpool.batch.tasks"].(int64) {
				first, _ := a["procpool.batch.first"].(int64)
				require.False(t, covered[first+i])
				covered[first+i] = api != "Broadcast"
			}
			require.Equal(t, int64(0), a["procpool.batch.failed"])
			require.Equal(t, "look", a["code.function.name"])
			require.Positive(t, a["process.pid"])
		}
		a := attributesOf(job.Attributes())
		require.Equal(t, int64(len(found)), a["procpool.job.done"])
		require.Equal(t, int64(len(all)-1), a["procpool.job.batches"])
		require.Equal(t, int64(0), a["procpool.job.batches_left_out"])
		require.Equal(t, "ok", a["procpool.outcome"])
		if api != "Broadcast" {
			require.Len(t, covered, len(args))
		}
	}
	found, err := pool.Map(t.Context(), p, look, args)
	require.NoError(t, err)
	check("Map", found)
	found, err = pool.GoMap(t.Context(), p, look, args).Wait(t.Context())
	require.NoError(t, err)
	check("GoMap", found)
	found = nil
	for one, err := range pool.Stream(t.Context(), p, look, slices.Values(args)) {
		require.NoError(t, err)
		found = append(found, one)
	}
	check("Stream", found)
	found = nil
	for one, err := range pool.StreamUnordered(t.Context(), p, look, slices.Values(args)) {
		require.NoError(t, err)
		found = append(found, one)
	}
	check("StreamUnordered", found)
	found = nil
	for one := range pool.Results(t.Context(), p, look, slices.Values(args)) {
		require.NoError(t, one.Err)
		found = append(found, one.Value)
	}
	check("Results", found)
	found = nil
	results, err := pool.Broadcast(t.Context(), p, look, 1)
	require.NoError(t, err)
	for _, one := range results {
		found = append(found, one.Value)
	}
	check("Broadcast", found)
}

// How a call ends shows in its status, its outcome and an event.
func TestWhatGoesWrongIsSaid(t *testing.T) {
	s := newSpans()
	p := newPool(t, s, pool.WithStopGrace(50*time.Millisecond))
	for _, row := range []struct {
		what             string
		opts             []pool.CallOption
		outcome, errType string
		exit             map[string]any
		stack            bool
	}{
		{what: "", outcome: "ok"},
		{what: "fail", outcome: "failed", errType: "*errors.errorString"},
		{what: "panic", outcome: "panicked", errType: "*pool.PanicError", stack: true},
		{what: "die", outcome: "died", errType: "*pool.ExitError", exit: map[string]any{
			"procpool.exit.reason": "signal", "procpool.exit.code": int64(-1), "procpool.exit.signal": "killed",
		}},
		{what: "die first", outcome: "died", errType: "*pool.ExitError", exit: map[string]any{"procpool.exit.reason": "exit", "procpool.exit.code": int64(4)}},
		{what: "spin", opts: []pool.CallOption{pool.Timeout(50 * time.Millisecond)}, outcome: "timeout", errType: "*pool.TimeoutError"},
		{what: "wait", opts: []pool.CallOption{pool.SoftTimeout(20 * time.Millisecond)}, outcome: "timeout", errType: "*pool.TimeoutError"},
		{what: "wait", outcome: "cancelled", errType: "context.DeadlineExceeded"},
		{what: "", opts: []pool.CallOption{pool.Retries(-1)}, outcome: "refused", errType: "*errors.errorString"},
	} {
		for _, api := range []string{"Call", "Map"} {
			ctx, cancel := context.WithCancel(t.Context())
			if row.outcome == "cancelled" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			var err error
			if api == "Call" {
				_, err = pool.Call(ctx, p, act, row.what, row.opts...)
			} else {
				_, err = pool.Map(ctx, p, act, []string{row.what}, row.opts...)
			}
			cancel()
			all := s.take(t)
			for _, span := range all {
				a := attributesOf(span.Attributes())
				if span == all[0] {
					require.Equal(t, row.outcome, a["procpool.outcome"], "%s of %q", api, row.what)
				}
				if row.errType == "" {
					require.NoError(t, err)
					require.Equal(t, codes.Unset, span.Status().Code)
					require.Empty(t, span.Events())
					require.NotContains(t, a, "error.type")
					continue
				}
				errType := row.errType
				if row.outcome == "cancelled" && span != all[0] && a["error.type"] == "context.deadlineExceededError" {
					errType = "context.deadlineExceededError" // the task was the first to say so
				}
				require.Equal(t, errType, a["error.type"], "%s of %q", api, row.what)
				require.Equal(t, codes.Error, span.Status().Code)
				require.Len(t, span.Events(), 1)
				event := span.Events()[0]
				require.Equal(t, "exception", event.Name)
				said := attributesOf(event.Attributes)
				require.Equal(t, errType, said["exception.type"])
				require.Equal(t, span.Status().Description, said["exception.message"])
				stack := row.stack
				if late, ok := errors.AsType[*pool.TimeoutError](err); ok {
					stack = late.Stack != "" // a worker has a quarter of a second to write it
				}
				require.Equal(t, stack, said["exception.stacktrace"] != nil, "%s of %q", api, row.what)
				for key, want := range row.exit {
					require.Equal(t, want, said[key], key)
				}
			}
		}
	}
}

func TestAnotherAttemptShows(t *testing.T) {
	s := newSpans()
	p := newPool(t, s)
	_, err := pool.Call(t.Context(), p, act, "die first", pool.Retries(1))
	require.NoError(t, err)
	all := s.take(t)
	require.Len(t, all, 1)
	a := attributesOf(all[0].Attributes())
	require.Equal(t, "ok", a["procpool.outcome"])
	require.Equal(t, int64(2), a["procpool.attempt"])
	require.Equal(t, codes.Unset, all[0].Status().Code)
	require.Len(t, all[0].Events(), 1)
	first := attributesOf(all[0].Events()[0].Attributes)
	require.Equal(t, int64(1), first["procpool.attempt"])
	require.Equal(t, "exit", first["procpool.exit.reason"])
	require.NotEqual(t, a["process.pid"], first["process.pid"])

	_, err = pool.Map(t.Context(), p, act, []string{"", "die first", ""}, pool.Retries(1), pool.Chunk(3))
	require.NoError(t, err)
	failed := 0
	all = s.take(t)
	for _, batch := range all[1:] {
		if batch.Status().Code == codes.Error {
			failed++
			require.Equal(t, int64(1), attributesOf(batch.Attributes())["procpool.attempt"])
		}
	}
	require.Equal(t, 1, failed)
	require.Equal(t, codes.Unset, all[0].Status().Code)
}

func TestAConsumerThatLeavesIsNoFailure(t *testing.T) {
	s := newSpans()
	p := newPool(t, s)
	for range pool.Stream(t.Context(), p, look, func(yield func(int) bool) {
		for yield(1) {
		}
	}) {
		break
	}
	job := s.take(t)[0]
	require.Equal(t, codes.Unset, job.Status().Code)
	require.Equal(t, "left", attributesOf(job.Attributes())["procpool.outcome"])
}

func TestWhatIsNotSampledMakesNoSpans(t *testing.T) {
	s := newSpans(sdktrace.WithSampler(sdktrace.NeverSample()))
	p := newPool(t, s)
	member, err := baggage.NewMember("tenant", "acme")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	got, err := pool.Call(t.Context(), p, look, 1)
	require.NoError(t, err)
	require.NotEmpty(t, got.Trace)
	require.True(t, strings.HasSuffix(got.Carrier, "-00"), got.Carrier)
	require.Equal(t, []bool{false, false}, []bool{got.Sampled, got.Recorded}, "the worker's sampler follows the parent's")
	found, err := pool.Map(baggage.ContextWithBaggage(t.Context(), bag), p, look, []int{1, 2, 3})
	require.NoError(t, err)
	for _, one := range found {
		require.Equal(t, found[0].Carrier, one.Carrier)
		require.False(t, one.Recorded)
		require.Equal(t, "acme", one.Baggage, "baggage is no matter of sampling")
	}
	require.Empty(t, s.Started())
	require.Empty(t, s.Ended())
}

func TestWithoutAProviderOnlyTheCallersContextTravels(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithTracer(tracing.New(tracing.WithTracerProvider(noop.NewTracerProvider()))))
	got, err := pool.Call(t.Context(), p, look, 1)
	require.NoError(t, err)
	require.Empty(t, got.Carrier)
	require.Empty(t, got.Trace)
	require.True(t, got.Recorded, "a worker with a provider of its own begins a trace of its own")
	ctx, root := newSpans().provider.Tracer("test").Start(t.Context(), "request")
	defer root.End()
	got, err = pool.Call(ctx, p, look, 1)
	require.NoError(t, err)
	require.Equal(t, root.SpanContext().SpanID().String(), got.Parent)
}

func TestATaskOfAPoolWithoutATracerHasNoParent(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	got, err := pool.Call(t.Context(), p, look, 1)
	require.NoError(t, err)
	require.Empty(t, got.Trace)
	require.Equal(t, t.Context(), tracing.Context(t.Context()))
}

func TestTheSpansOfAJobAreBounded(t *testing.T) {
	s := newSpans()
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithTracer(tracing.New(tracing.WithTracerProvider(s.provider), tracing.WithMaxBatches(3))))
	what := slices.Repeat([]string{""}, 40)
	for i := range 10 {
		what[20+i] = "fail"
	}
	_, err := pool.Map(t.Context(), p, act, what, pool.Chunk(1))
	require.Error(t, err)
	all := s.take(t)
	require.Len(t, all, 1+3+3)
	a := attributesOf(all[0].Attributes())
	require.Equal(t, int64(40), a["procpool.job.batches"])
	require.Equal(t, int64(34), a["procpool.job.batches_left_out"])
	failed := 0
	for _, batch := range all[1:] {
		if batch.Status().Code == codes.Error {
			failed++
		}
	}
	require.Equal(t, 3, failed)
}

func TestBaggageThatIsTooLongStaysBehind(t *testing.T) {
	s := newSpans()
	headers := headerWriter{"baggage": strings.Repeat("x", 9000), "short": "y"}
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithTracer(tracing.New(
		tracing.WithTracerProvider(s.provider), tracing.WithPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, headers)),
	)))
	got, err := pool.Call(t.Context(), p, look, 1)
	require.NoError(t, err)
	require.True(t, got.Sampled)
	require.Equal(t, []string{"baggage"}, attributesOf(s.take(t)[0].Attributes())["procpool.carrier.dropped"])
}

// headerWriter is a propagator that writes always the same.
type headerWriter map[string]string

func (h headerWriter) Inject(_ context.Context, carrier propagation.TextMapCarrier) {
	for name, value := range h {
		carrier.Set(name, value)
	}
}
func (headerWriter) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}
func (headerWriter) Fields() []string { return nil }

// Timed is more exact, where it is asked for.
func TestTheTimesOfATimedCallAreThoseOfItsTiming(t *testing.T) {
	s := newSpans()
	p := newPool(t, s)
	var timing pool.Timing
	_, err := pool.Call(t.Context(), p, act, "", pool.Timed(&timing))
	require.NoError(t, err)
	a := attributesOf(s.take(t)[0].Attributes())
	require.Equal(t, timing.Exec.Seconds(), a["procpool.time.run"])
	require.Equal(t, (timing.EncodeArg + timing.Queued).Seconds(), a["procpool.time.queued"])
}

var tableRow = regexp.MustCompile(`(?m)^//\t([a-z]+[a-z_.]*\.[a-z_.]+) +([a-z, ]*?)  +(.+)$`)

// documented is the table of attributes in doc.go.
func documented(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	table := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(strings.ReplaceAll(string(doc), "batches_left_out job", "batches_left_out  job"), -1) {
		table[row[1]] = row[2]
	}
	return table
}

func TestTheTableHoldsEveryAttributeAndOutcome(t *testing.T) {
	source, err := os.ReadFile("attributes.go")
	require.NoError(t, err)
	var inCode, inTable []string
	for _, key := range regexp.MustCompile(`attribute\.Key\("(.+)"\)`).FindAllStringSubmatch(string(source), -1) {
		inCode = append(inCode, key[1])
	}
	for key := range documented(t) {
		inTable = append(inTable, key)
	}
	require.Greater(t, len(inCode), 20)
	require.ElementsMatch(t, inCode, inTable)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	outcomes := regexp.MustCompile(`outcome[A-Z]\w+ += "(.+)"`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, outcomes, 11)
	for _, one := range outcomes {
		require.Regexp(t, `(?m)^//\t`+one[1]+` +\S`, string(doc))
	}
}

// checkDocumented checks that a span has no attribute but those that the table has for its kind.
func checkDocumented(t *testing.T, span sdktrace.ReadOnlySpan) {
	t.Helper()
	table := documented(t)
	kind := "job"
	switch {
	case strings.HasPrefix(span.Name(), "batch "):
		kind = "batch"
	case strings.HasPrefix(span.Name(), "Call "), strings.HasPrefix(span.Name(), "Go "):
		kind = "call"
	}
	for key := range attributesOf(span.Attributes()) {
		require.True(t, strings.Contains(table[key], kind) || kind == "call" && strings.Contains(table[key], "job"), "%s of %s", key, span.Name())
	}
	for _, event := range span.Events() {
		for key := range attributesOf(event.Attributes) {
			require.True(t, strings.Contains(table[key], "exception") || strings.Contains(table[key], "batch"), "%s of an event of %s", key, span.Name())
		}
	}
}

func TestAProgramWithoutThisPackageLinksNothingOfIt(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/procpool/procpool/pool", "github.com/procpool/procpool/worker").Output()
	require.NoError(t, err)
	deps := string(out)
	require.Contains(t, deps, "github.com/procpool/procpool/wire\n")
	for _, unwanted := range []string{"opentelemetry", "logr", "net/http\n", "\nnet\n"} {
		require.NotContains(t, deps, unwanted)
	}
}
