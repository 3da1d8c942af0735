package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// scope names this package to those who read the spans.
const scope = "github.com/procpool/procpool/pool/tracing"

// MaxBatches is how many batches of a job get spans by default.
const MaxBatches = 256

// Option changes a tracer from its defaults.
type Option func(*tracer)

// WithTracerProvider sets whose spans they are. The default is the global provider, otel.GetTracerProvider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(t *tracer) { t.tracer = p.Tracer(scope) }
}

// WithPropagator sets what travels to the workers. The default is W3C Trace Context and Baggage, which is what Context reads; with another one, tasks extract
// by themselves: see Context.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(t *tracer) { t.propagator = p }
}

// WithMaxBatches sets how many batches of a job get spans of their own, and how many more of those that failed. The others are counted. The default is MaxBatches;
// 0 makes one span of each job.
func WithMaxBatches(n int) Option {
	return func(t *tracer) { t.maxBatches = max(n, 0) }
}

// tracer is a pool.Tracer that makes spans.
type tracer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	maxBatches int
}

// New returns a tracer for pool.WithTracer. It may serve any number of pools.
func New(opts ...Option) pool.Tracer {
	t := &tracer{propagator: w3c, maxBatches: MaxBatches}
	for _, o := range opts {
		if o != nil {
			o(t)
		}
	}
	if t.tracer == nil {
		t.tracer = otel.GetTracerProvider().Tracer(scope)
	}
	return t
}

var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// Begin implements pool.Tracer.
func (t *tracer) Begin(ctx context.Context, info pool.JobInfo) (pool.Trace, map[string]string) {
	start := time.Now()
	caller := trace.SpanContextFromContext(ctx)
	own, span := t.tracer.Start(ctx, info.API+" "+info.Func,
		trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(beginning(&info)...))
	carrier := propagation.MapCarrier{}
	if !span.IsRecording() {
		if !caller.IsValid() || caller.IsSampled() {
			ctx = own
		}
		t.propagator.Inject(ctx, carrier) // the caller's where it says as much: then calls of one request still share frames
		fit(carrier)
		return nil, carrier
	}
	t.propagator.Inject(own, carrier)
	dropped := fit(carrier)
	if len(dropped) > 0 {
		span.SetAttributes(keyDropped.StringSlice(dropped))
	}
	j := &job{tracer: t, ctx: own, span: span, info: info}
	if info.API == "Call" || info.API == "Go" {
		return &call{job: j, start: start}, carrier
	}
	return j, carrier
}

// fit takes the longest entries out of a carrier that is too long to travel, and returns their names. It is baggage as a rule: the rest of
// what W3C defines is short.
func fit(carrier propagation.MapCarrier) (dropped []string) {
	const overhead = 6 // of the two lengths, at the most
	for {
		size, longest := overhead, ""
		for name, value := range carrier {
			size += len(name) + len(value) + overhead
			if longest == "" || len(value)+len(name) > len(longest)+len(carrier[longest]) {
				longest = name
			}
		}
		if size <= wire.MaxCarrierBytes {
			return dropped
		}
		delete(carrier, longest)
		dropped = append(dropped, longest)
	}
}

// job is the span of a Map, a Stream or another job of many tasks, and the parent of those of its batches.
type job struct {
	tracer *tracer
	ctx    context.Context // that of the span
	span   trace.Span
	info   pool.JobInfo

	shown, shownFailed, batches int
}

// Batch implements pool.Trace.
func (j *job) Batch(b pool.BatchInfo) {
	j.batches++
	switch {
	case j.shown < j.tracer.maxBatches:
		j.shown++
	case b.Err != nil && j.shownFailed < j.tracer.maxBatches:
		j.shownFailed++
	default:
		return
	}
	attributes := append(make([]attribute.KeyValue, 0, manyAttributes),
		keyFunction.String(j.info.Func), keyBatchTasks.Int(b.Tasks), keyBatchFailed.Int(b.Failed))
	attributes = times{run: b.Exec, cpu: b.CPU}.append(working(attributes, &b))
	if b.First >= 0 {
		attributes = append(attributes, keyBatchFirst.Int(b.First))
	}
	_, span := j.tracer.tracer.Start(j.ctx, "batch "+j.info.Func, trace.WithTimestamp(b.Began), trace.WithAttributes(attributes...))
	if b.Err != nil {
		fail(span, b.Err, trace.WithTimestamp(b.Ended))
	}
	span.End(trace.WithTimestamp(b.Ended))
}

// End implements pool.Trace.
func (j *job) End(e pool.JobEnd) {
	j.span.SetAttributes(
		keyOutcome.String(outcome(e.Err, e.Left)), keyJobDone.Int(e.Tasks), keyJobFailed.Int(e.Failed),
		keyJobBatches.Int(j.batches), keyJobLeftOut.Int(j.batches-j.shown-j.shownFailed),
	)
	if e.Err != nil {
		fail(j.span, e.Err)
	}
	j.span.End()
}

// call is the span of a Call or Go.
type call struct {
	*job

	start time.Time
	began bool
	last  pool.BatchInfo // the last attempt
}

// Batch implements pool.Trace: an attempt that was followed by another becomes an event.
func (c *call) Batch(b pool.BatchInfo) {
	if c.began {
		c.again()
	}
	c.began, c.last = true, b
}

// again tells of an attempt that was not the last.
func (c *call) again() {
	attributes := append(working(nil, &c.last), exception(c.last.Err)...)
	c.span.AddEvent(eventException, trace.WithTimestamp(c.last.Ended), trace.WithAttributes(attributes...))
}

// End implements pool.Trace.
func (c *call) End(e pool.JobEnd) {
	attributes := append(make([]attribute.KeyValue, 0, manyAttributes), keyOutcome.String(outcome(e.Err, false)))
	if c.began {
		took := spent(&c.last, c.start, e.Timing)
		attributes = took.append(working(attributes, &c.last))
	}
	c.span.SetAttributes(attributes...)
	if e.Err != nil {
		fail(c.span, e.Err)
	}
	c.span.End()
}

// Context returns ctx, which is a task's, with what the parent's span was: spans that the task begins with it are its children, and its baggage is there.
// Outside of a task, and where no tracer has sent anything, it returns ctx as it is.
//
// It reads what the default propagator writes. Where the parent has another one (WithPropagator), call that:
//
//	ctx = b3.New().Extract(ctx, propagation.MapCarrier(worker.Carrier(ctx)))
func Context(ctx context.Context) context.Context {
	carrier := worker.Carrier(ctx)
	if len(carrier) == 0 {
		return ctx
	}
	return w3c.Extract(ctx, propagation.MapCarrier(carrier))
}
